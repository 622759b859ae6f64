"""A small vocabulary, and texts to encode."""

from hypothesis import strategies as st

from gptlite import Tokenizer

STORY = "The cat and the dog sat in the sand, and then the cat said: that's that!\n  The end.\n"
SMALL = Tokenizer.train([STORY], 280)
#: A toy vocabulary of GPT-1's kind: characters, the same at the end of a word, and merges.
WORD_MERGES = [("l", "o"), ("lo", "w</w>"), ("t", "o</w>"), ("n", "'"), ("n'", "t</w>"), ("e", "l")]
WORDS = ["<unk>", *"abelnotw'", *(f"{c}</w>" for c in "abelnotw.'"), "\n</w>"]
WORDS += ["".join(pair) for pair in WORD_MERGES]
#: Letters, digits, the white space of all kinds that the pattern tells apart, and rare characters.
TEXTS = (
    st.text()
    | st.text(alphabet="thecat 's'll\n\t\r\x00\x1c\x85\xa0\u3000１²é🤗\u200d,!")
    | st.text("a ")
)
