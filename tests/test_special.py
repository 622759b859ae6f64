"""Special and added tokens: which are found where, what ends a text, what is refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import Tokenizer
from gptlite.alphabet import BYTE_SYMBOLS, EOT
from gptlite.special import AddedToken, split_at
from vocabularies import SMALL, STORY, TEXTS


def extended(*tokens: AddedToken, without_end: bool = False) -> Tokenizer:
    """The small vocabulary with more tokens after its own."""
    vocab = {name: i for name, i in SMALL.vocab.items() if not (without_end and name == EOT)}
    for token in tokens:
        vocab.setdefault(token.name, len(vocab))
    return Tokenizer(vocab, SMALL.merges, tokens)


def names(text: str, *tokens: AddedToken) -> list[str]:
    """The parts of a text: ``<name>`` with what it takes, or the text itself."""
    parts = split_at(text, tokens)
    return [f"<{text[p.start : p.stop]}>" if p.name else text[p.start : p.stop] for p in parts]


CAT = AddedToken("cat")


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("", [CAT], []),
        ("a dog", [CAT], ["a dog"]),
        ("catcat", [CAT], ["<cat>", "<cat>"]),
        ("a cat sat", [CAT], ["a ", "<cat>", " sat"]),
        ("a cat sat", [], ["a cat sat"]),
        # The longest of those that begin at a place, the first of those that overlap.
        ("cats", [CAT, AddedToken("cats"), AddedToken("ca")], ["<cats>"]),
        ("catsat", [AddedToken("tsa"), CAT], ["<cat>", "sat"]),
        # White space, as Unicode has it
        ("a \t cat  \u3000\n.", [CAT._replace(lstrip=True)], ["a", "< \t cat>", "  \u3000\n."]),
        ("a \t cat  \u3000\n.", [CAT._replace(rstrip=True)], ["a \t ", "<cat  \u3000\n>", "."]),
        ("\x1ccat\x1c", [CAT._replace(lstrip=True, rstrip=True)], ["\x1c", "<cat>", "\x1c"]),
        ("cat cat", [CAT._replace(lstrip=True, rstrip=True)], ["<cat >", "<cat>"]),
        # Words: beside letters, digits and the like, a single word is not one
        ("cats 1cat cat_ écat", [CAT._replace(single_word=True)], ["cats 1cat cat_ écat"]),
        ("cat,cat-cat", [CAT._replace(single_word=True)], ["<cat>", ",", "<cat>", "-", "<cat>"]),
        # First those that are not normalized; to the others their names are ends of the text
        (
            "acatb",
            [CAT, AddedToken("catb", normalized=True), AddedToken("a", normalized=True)],
            ["<a>", "<cat>", "b"],
        ),
        (
            "dogcat",
            [CAT, AddedToken("dog", normalized=True, single_word=True)],
            ["<dog>", "<cat>"],
        ),
        ("dogcat", [CAT, AddedToken("dog", single_word=True)], ["dog", "<cat>"]),
    ],
)
def test_where_names_are_found(text, tokens, expected):
    assert names(text, *tokens) == expected


@given(
    st.text("a \n", max_size=9),
    st.sampled_from(["\n", " ", "a"]),
    st.booleans(),
    st.booleans(),
)
def test_parts_with_the_space_beside_them_make_up_the_text(text, name, lstrip, rstrip):
    """Also where the space that a token takes has the token's name in it again."""
    parts = list(split_at(text, [AddedToken(name, lstrip=lstrip, rstrip=rstrip)]))
    assert all(part.start < part.stop for part in parts)
    if lstrip or not rstrip:  # else a name in the space that was taken counts again
        assert "".join(text[part.start : part.stop] for part in parts) == text


@given(TEXTS, st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4))
@settings(deadline=None)
def test_parts_make_up_the_text(text, found):
    parts = list(split_at(text, [AddedToken(name) for name in found]))
    assert "".join(text[part.start : part.stop] for part in parts) == text
    assert all(part.start < part.stop for part in parts)
    for part in parts:
        if part.name is None:
            assert not any(name in text[part.start : part.stop] for name in found)


# ---- The tokenizer ------------------------------------------------------------------------------

USER, WORD = AddedToken("<user>"), AddedToken("COVID-19", special=False, normalized=True)


def test_special_names_are_plain_text_unless_allowed_and_words_are_found():
    tokenizer = extended(USER, WORD)
    assert tokenizer.special_tokens == {EOT: 279, "<user>": 280}
    text = f"<user>the COVID-19 cat{EOT}"
    plain = tokenizer.encode(text)
    assert [i for i in plain if i >= 279] == [281]
    assert [i for i in tokenizer.encode(text, ["<user>"]) if i >= 279] == [280, 281]
    assert [i for i in tokenizer.encode(text, "all") if i >= 279] == [280, 281, 279]
    assert tokenizer.encode(text, [EOT, "<user>", EOT]) == tokenizer.encode(text, "all")
    for allowed in ((), [EOT], "all"):
        assert tokenizer.decode(tokenizer.encode(text, allowed)) == text
        assert len(tokenizer.offsets(text, allowed)) == len(tokenizer.encode(text, allowed))
    assert tokenizer.encode_batch([text, "a"], "all")[0] == tokenizer.encode(text, "all")


def test_a_token_that_nobody_declared_is_special_by_its_name_alone():
    """As in a vocab.json whose author's program alone knew."""
    tokenizer = Tokenizer({**SMALL.vocab, "<pad>": 280}, SMALL.merges)
    assert tokenizer.special_tokens == {EOT: 279, "<pad>": 280}
    assert tokenizer.encode(f"<pad>{EOT}", "all")[-1] == 279
    assert 280 not in tokenizer.encode("<pad>", "all")
    assert tokenizer.encode("<pad>", {"<pad>"}) == [280]


def test_a_name_that_is_a_token_anyway():
    """An added word that merges make, too: the same id, and no special token."""
    tokenizer = extended(AddedToken("he", special=False))
    assert tokenizer.n_vocab == SMALL.n_vocab
    assert tokenizer.special_tokens == SMALL.special_tokens
    assert tokenizer.encode("thehe") == [SMALL.vocab["t"], *[SMALL.vocab["he"]] * 2]
    assert tokenizer.decode(tokenizer.encode(STORY)) == STORY


def test_decoding_gives_a_name_its_own_bytes():
    tokenizer = extended(AddedToken("naïve é 中", special=False))
    assert tokenizer.decode([280]) == "naïve é 中"
    assert tokenizer.encode("naïve é 中") == [280]


# ---- The end of a text --------------------------------------------------------------------------

PAD, END = AddedToken("<pad>"), AddedToken("</s>")


@pytest.mark.parametrize(
    ("tokens", "without_end", "end"),
    [
        ([], False, EOT),
        ([END], False, EOT),
        ([PAD._replace(roles=("eos_token", "pad_token")), END], False, "<pad>"),
        ([PAD, END], True, "</s>"),
        ([AddedToken("[EOS]"), END], True, "</s>"),
        ([PAD], True, None),
        ([], True, None),
    ],
)
def test_what_ends_a_text(tokens, without_end, end):
    tokenizer = extended(*tokens, without_end=without_end)
    assert tokenizer.has_eot == (end is not None)
    assert tokenizer.eot == tokenizer.vocab[end or BYTE_SYMBOLS[10]]


def test_a_word_that_merges_make_is_no_end():
    vocab = {name: i for name, i in SMALL.vocab.items() if name != EOT}
    merges = [*SMALL.merges, ("<", "e"), ("o", "s"), ("<e", "os"), ("<eos", ">")]
    for pair in merges:
        vocab.setdefault("".join(pair), len(vocab))
    assert not Tokenizer(vocab, merges).has_eot


@pytest.mark.parametrize("allowed", [{"the"}, ["<pad>"], [""]])
def test_names_that_are_no_special_token_s(allowed):
    with pytest.raises(ValueError, match=re.escape(f"there are '{EOT}'")):
        SMALL.encode("the", allowed)
    bare = extended(without_end=True)
    with pytest.raises(ValueError, match="there are none"):
        bare.encode("the", allowed)
