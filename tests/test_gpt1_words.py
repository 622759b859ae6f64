"""GPT-1's tokens: words as spaCy cuts them, parts of words as OpenAI's code merges them."""

from pathlib import Path

import pytest

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.english_words import standardised, words_of
from gptlite.errors import CheckpointError
from gptlite.generate import generate, generate_samples
from vocabularies import WORD_MERGES, WORDS

# What spaCy 3.8 makes of these texts once they are in plain signs.
CUT = [
    ("Don't you think we'll've gone?", "Do|n't|you|think|we|'ll|'ve|gone|?"),
    ("I'ma go, y'all!", "I|'m|a|go|,|y'|all|!"),
    ("Mr. Smith's 3km run cost $5.50 (or 10%).", "Mr.|Smith|'s|3|km|run|cost|$|5.50|(|or|10|%|)|."),
    ("well-known state-of-the-art", "well|-|known|state|-|of|-|the|-|art"),
    ("the U.S.A. and U.K. at 5pm.", "the|U.S.A.|and|U.K.|at|5|pm|."),
    ('He said:"No!"', 'He|said|:|"|No|!|"'),
    ("'Tis 'em dogs' bones", "'|Tis|'em|dogs|'|bones"),
    ("cannot gonna gotta let's", "can|not|gon|na|got|ta|let|'s"),
    ("e.g. this, i.e. that...", "e.g.|this|,|i.e.|that|..."),
    ("word/word and/or a:b x=y", "word|/|word|and|/|or|a|:|b|x|=|y"),
    ("They're who's there'd", "They|'re|who|'s|there|'d"),
    ("1,000,000 3-4 2+2 5^2", "1|,|000|,|000|3|-|4|2|+|2|5|^|2"),
    ("'don't' \"quoted\"", "'|do|n't|'|\"|quoted|\""),
    ("Ph.D. St. John v. etc.", "Ph.D.|St.|John|v.|etc|."),
    ("café's naïve über-cool", "café|'s|naïve|über|-|cool"),
    ("end.Start now.", "end|.|Start|now|."),
    ("a..b … c", "a|..|b|...|c"),
    ("Well, hell; shell I'll ill its it's", "Well|,|hell|;|shell|I|'ll|ill|its|it|'s"),
    ("$US 5£", "$|US|5|£"),
    ("#tag @name *star* _under_", "#|tag|@name|*|star|*|_|under|_"),
    ("dont wouldnt couldntve", "do|nt|would|nt|could|nt|ve"),
    ("20°C. 5µg 6 ft.", "20|°|C|.|5|µg|6|ft|."),
    ("(hello) [x] {y} <z>", "(|hello|)|[|x|]|{|y|}|<|z|>"),
    ("o'clock ma'am O'Brien rock'n'roll", "o'clock|ma'am|O'Brien|rock'n'roll"),
    ("goin' nothin' livin'", "goin'|nothin'|livin|'"),
    ("\n\n two \n lines  \n", "two|\n|lines"),
    ("so he said ''no'' to C++, b. and T.", "so|he|said|''|no|''|to|C|+|+|,|b.|and|T."),
]


@pytest.mark.parametrize(("text", "words"), CUT)
def test_words_are_cut_as_spacy_cuts_them(text: str, words: str) -> None:
    assert list(words_of(standardised(text))) == words.split("|")


def test_no_text_has_words_that_it_does_not_spell() -> None:
    for text, _ in CUT:
        plain = standardised(text)
        assert "".join(words_of(plain)).replace("\n", "") == plain.replace(" ", "").replace(
            "\n", ""
        )


# ---- A toy vocabulary ----------------------------------------------------------------------------

VOCAB, MERGES = WORDS, WORD_MERGES


@pytest.fixture
def toy() -> Tokenizer:
    return Tokenizer({token: i for i, token in enumerate(VOCAB)}, MERGES)


def tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    return [VOCAB[i] for i in tokenizer.encode(text)]


def test_a_word_is_merged_to_its_end(toy: Tokenizer) -> None:
    assert tokens(toy, "Low lowel TO") == ["low</w>", "lo", "w", "e", "l</w>", "to</w>"]
    assert tokens(toy, "Eel. won't\n\n a") == [
        *("e", "e", "l</w>", ".</w>", "w", "o</w>", "n't</w>", "\n</w>", "a</w>")
    ]
    assert toy.decode(toy.encode("Low\nwon't")) == "low \n wo n't "


def test_what_the_vocabulary_lacks_is_unknown(toy: Tokenizer) -> None:
    assert toy.encode("x <unk>") == [0, 0, 0, 5, 0, 0]
    assert toy.special_tokens == {"<unk>": 0}
    assert toy.encode("a<unk>b", {"<unk>"}) == [*toy.encode("a"), 0, *toy.encode("b")]
    assert toy.decode([0, *toy.encode("a")]) == "<unk>a "


def test_no_token_ends_a_text_and_a_line_feed_begins_one(toy: Tokenizer) -> None:
    assert not toy.has_eot and VOCAB[toy.eot] == "\n</w>"
    assert toy.encode("") == toy.encode(" \n ") == []


def test_the_steps_of_a_word(toy: Tokenizer) -> None:
    [step] = toy.steps("Low")
    assert step.piece == "low" and step.ids == toy.encode("low")
    assert step.rows == [[b"l", b"o", b"w</w>"], [b"lo", b"w</w>"], [b"low</w>"]]
    for read in (toy.encode, toy.steps, toy.offsets):
        with pytest.raises(ValueError, match="surrogate"):
            read("\ud800")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Low lowel TO", "Low|lo|w|e|l|TO"),
        ("  Eel.\n\n \nwon't ", "E|e|l|.|\n\n \n|w|o|n't"),
        ("a x<unk>", "a|x|<|u|n|k|>"),
        ("\n a…\n", "a|…|…|…"),  # three full stops
        ("İa", "İ|İ|a"),  # an i and a dot, in lower case
        ("", ""),
    ],
)
def test_the_places_of_tokens_are_in_the_text_as_it_was(
    toy: Tokenizer, text: str, parts: str
) -> None:
    places = toy.offsets(text)
    assert [text[start:stop] for start, stop in places] == (parts.split("|") if parts else [])
    assert len(places) == len(toy.encode(text))


@pytest.mark.parametrize("format", ["hub", "openai"])
def test_saved_and_opened_again(toy: Tokenizer, format: str, tmp_path: Path) -> None:
    toy.save_pretrained(tmp_path, format)
    again = Tokenizer.from_pretrained(tmp_path)
    assert (again.vocab, again.merges) == (toy.vocab, toy.merges)
    assert again.encode("low won't") == toy.encode("low won't")


def test_a_merge_of_no_tokens_is_refused(toy: Tokenizer, tmp_path: Path) -> None:
    toy.save_pretrained(tmp_path)
    with open(tmp_path / "merges.txt", "a") as file:
        file.write("a zz</w>\n")
    with pytest.raises(CheckpointError, match=r"merges\.txt: merge 7: .*found 'zz</w>'"):
        Tokenizer.from_pretrained(tmp_path)


def test_a_continuation_begins_with_the_space_that_the_prompt_lacks(toy: Tokenizer) -> None:
    model = GPT.init(GPTConfig(toy.n_vocab, 16, 4, 1, 1, post_norm=True))
    for prompt, others in {"low": "LOW", "low\nto": "low to."}.items():
        for text in generate_samples(model, toy, [prompt, others], max_new_tokens=3, seed=1):
            assert text.startswith(" ") and not text.startswith("  ")
    spaced = generate(model, toy, "low ", max_new_tokens=3, seed=1)
    assert generate(model, toy, "low", max_new_tokens=3, seed=1) == " " + spaced
    assert not generate(model, toy, "", max_new_tokens=3, seed=1).startswith(" ")
    assert not generate(model, toy, "lo\n", max_new_tokens=3, seed=1).startswith(" ")


# ---- OpenAI's vocabulary -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpt1(shared: Path) -> Tokenizer:
    if not (shared / "gpt1-tokenizer").is_dir():
        pytest.skip("no gpt1-tokenizer in the test data")
    return Tokenizer.from_pretrained(shared / "gpt1-tokenizer")


def test_the_ids_that_transformers_publishes_for_gpt1(gpt1: Tokenizer) -> None:
    """From its test of the model: a prompt, and what the model writes after it."""
    text = 'the president is a very good man."\n"I\'m sure he is," said the'
    ids = [481, 4735, 544, 246, 963, 870, 762, 239, 244, 40477, 244, 249, 719, 881, 487, 544, 240]
    ids += [244, 603, 481]
    assert gpt1.encode(text) == ids
    decoded = 'the president is a very good man . " \n " i \'m sure he is , " said the '
    assert gpt1.decode(ids) == decoded


def test_the_vocabulary_of_gpt1(gpt1: Tokenizer) -> None:
    assert gpt1.n_vocab == 40478 and len(gpt1.merges) == 40000
    assert gpt1.special_tokens == {"<unk>": 0} and gpt1.eot == 40477
    assert gpt1.encode("Mr. Fox didn't") == [
        1682,
        gpt1.vocab["fox</w>"],
        gpt1.vocab["did</w>"],
        538,
    ]
    rest = gpt1.encode("\u65e5 \u672c")
    assert rest == [0, 0]
