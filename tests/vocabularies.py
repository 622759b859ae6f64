"""A small vocabulary, and texts to encode."""

from hypothesis import strategies as st

from gptlite import Tokenizer

STORY = "The cat and the dog sat in the sand, and then the cat said: that's that!\n  The end.\n"
SMALL = Tokenizer.train([STORY], 280)
#: Letters, digits, the white space of all kinds that the pattern tells apart, and rare characters.
TEXTS = (
    st.text()
    | st.text(alphabet="thecat 's'll\n\t\r\x00\x1c\x85\xa0\u3000１²é🤗\u200d,!")
    | st.text("a ")
)
