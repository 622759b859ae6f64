"""Patterns with Unicode's classes: by Python's own ``re`` as by ``regex``."""

import re
import sys
import unicodedata
from functools import cache

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from gptlite import alphabet, english_words, patterns, special
from gptlite.alphabet import CUTS, PATTERN
from gptlite.english_words import standardised, words_of
from gptlite.patterns import SPACE, compiled, for_re
from gptlite.special import AddedToken, split_at
from vocabularies import TEXTS

EVERYTHING = [chr(code) for code in range(sys.maxunicode + 1)]
# What this Python's edition of Unicode knows; the one of ``regex`` may be later.
KNOWN = [c for c in EVERYTHING if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
KNOWN_TEXTS = st.text(st.characters(exclude_categories=("Cn", "Cs", "Co")))
WITHOUT_REGEX = re.compile(for_re(CUTS))


@pytest.fixture
def without_regex(monkeypatch):
    """Gptlite as it is where ``regex`` is not installed."""
    monkeypatch.setattr(patterns, "regex", None)
    for made in (english_words._patterns, special._word_part):
        made.cache_clear()
    yield
    for made in (english_words._patterns, special._word_part):
        made.cache_clear()


@pytest.mark.parametrize(
    "written",
    [
        *(r"\p{L}", r"\p{N}", r"\s", r"\S", r"[^\s\p{L}\p{N}]", r"[\p{L}0-9]", special._WORD),
        *(r"\p{Sc}", r"\p{So}", r"\p{Lu}", r"[0-9\p{Ll}%]"),
    ],
)
def test_a_class_has_the_same_characters(written):
    expected, found = regex.compile(written), re.compile(for_re(written))
    different = [c for c in KNOWN if bool(expected.match(c)) != bool(found.match(c))]
    assert set(different) <= {"ʕ"}  # a small letter until Unicode 16, and later just a letter
    assert any(map(found.match, KNOWN)) and not all(map(found.match, KNOWN))


def test_parts_of_words_are_those_that_rust_counts():
    expected = regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]")
    found = re.compile(for_re(special._WORD))
    assert [c for c in KNOWN if bool(expected.match(c)) != bool(found.match(c))] == []


def test_space_is_unicode_s():
    space = regex.compile(r"\s")
    assert list(filter(space.match, EVERYTHING)) == sorted(SPACE)


# What one edition of Unicode does not know may be a letter to the other.
ASSIGNED = TEXTS.map(lambda text: "".join(c for c in text if unicodedata.category(c) != "Cn"))


@given(ASSIGNED | KNOWN_TEXTS)
def test_text_is_cut_into_the_same_pieces(text):
    assert WITHOUT_REGEX.findall(text) == regex.findall(CUTS, text)


def test_a_character_beside_others_is_cut_in_the_same_way():
    for i in range(0, len(KNOWN), 1000):
        text = "".join(f"a{c} {c}1 {c}{c}.{c}" for c in KNOWN[i : i + 1000])
        assert WITHOUT_REGEX.findall(text) == regex.findall(CUTS, text)


def test_the_pattern_is_the_one_of_regex_where_it_is_installed():
    assert PATTERN.pattern == CUTS == alphabet.PATTERN.pattern
    assert isinstance(compiled(CUTS), regex.Pattern)


@given(st.text("aZéßǅ2²Ⅷ°C€$☃.,:'’-–()…km/%\n \x1c") | KNOWN_TEXTS)
def test_words_are_the_same(text):
    text = standardised(text)
    found = []
    for made in (made_by(regex.compile), made_by(compile_without)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(english_words, "_patterns", lambda made=made: made)
            found.append(list(words_of(text)))
    assert found[0] == found[1]


def compile_without(written):
    """Compile a pattern as where ``regex`` is not installed."""
    return re.compile(for_re(written))


@cache
def made_by(compile_one):
    """Compile the patterns of GPT-1's words."""
    names = ("_PREFIX", "_SUFFIX", "_INFIX")
    return tuple(compile_one(getattr(english_words, name)) for name in names)


@pytest.mark.usefixtures("without_regex")
def test_single_words():
    cat = AddedToken("cat", special=False, single_word=True)
    for beside in "aé1_Ⓐ\u0301\u200d²-. ":
        found = [part.name for part in split_at(f"{beside}cat", [cat])]
        assert tuple(found) == (None, "cat") or found == [None]
        assert (found == [None]) == (beside in "aé1_Ⓐ\u0301\u200d"), beside
    assert isinstance(compiled(CUTS), re.Pattern)
