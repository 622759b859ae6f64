"""``PATTERN.findall`` and ``str.split``, for a long text or many words at once."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from gptlite.alphabet import CUTS, PATTERN
from gptlite.patterns import for_ascii

Cut = Callable[[str], list[str]]

_ASCII_PATTERN = re.compile(for_ascii(CUTS))

# There is always a cut before a space that a word follows, whatever stands around it.
_WORD_START = re.compile(r"(?= \S)")
_WORD_SPACE = re.compile(r" (?=\S)")
_OTHER_SPACE = re.compile(r" (?!\S)")
_STRETCH = 1 << 14  # characters: the words of one stretch of text stay in the processor's cache
_PART = 1 << 21  # characters that are encoded at once, which bounds the memory
_FEW = 8  # words: up to so few are cut faster one by one


def split_parts(text: str) -> Iterator[str]:
    """Split a long text into parts that end before a word, so that each may be encoded alone."""
    end = 0
    while end < len(text):
        start, cut = end, _WORD_START.search(text, end + _PART)
        end = cut.start() if cut else len(text)
        yield text[start:end]


def split_texts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Split many texts into groups that are encoded at once; a long text is a group by itself."""
    group: list[str] = []
    size = 0
    for text in texts:
        if group and size + len(text) > _PART:
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield group


def split_words(text: str) -> tuple[str, Iterator[str]]:
    """Split a text into its first word and the others, each without the space that it begins with.

    >>> first, others = split_words("Once upon a  time")
    >>> first, list(others)
    ('Once', ['upon', 'a ', 'time'])
    """
    first = _WORD_START.split(text, maxsplit=1)[0]

    def stretches() -> Iterator[list[str]]:
        end = len(first)
        while end < len(text):
            start, cut = end + 1, _WORD_START.search(text, end + _STRETCH)
            end = cut.start() if cut else len(text)
            yield split_at_spaces(text[start:end])

    return first, chain.from_iterable(stretches())


def split_short(text: str) -> tuple[str, list[str]]:
    """Do what ``split_words`` does, for a text that needs no stretches."""
    first, *others = split_at_spaces(text)
    return first, others


def split_at_spaces(text: str) -> list[str]:
    """Split a text at each space that a word follows, without these spaces."""
    if _OTHER_SPACE.search(text):
        return _WORD_SPACE.split(text)
    return text.split(" ")  # which is faster, even after a search in vain


def cut_pieces(text: str) -> list[str]:
    """Cut a text into pieces, ``PATTERN.findall(text)``: in ASCII in less than half the time."""
    return (_ASCII_PATTERN if text.isascii() else PATTERN).findall(text)


def cut_each(cut: Cut, words: Iterable[str]) -> tuple[list[str], list[int]]:
    """Cut words into pieces; return these, and the number of pieces of each word."""
    each = list(map(cut, words))
    return list(chain.from_iterable(each)), list(map(len, each))


def cut_words(cut: Cut, words: Sequence[str]) -> tuple[list[str], list[int]]:
    """Do what ``cut_each`` does, for words that begin with their space.

    One call can cut them all, in half the time that a call for each would take.
    """
    if len(words) <= _FEW:
        return cut_each(cut, words)
    pieces = cut("".join(words))
    word_end = np.fromiter(map(len, words), np.int64).cumsum()  # [n_words]
    piece_end = np.fromiter(map(len, pieces), np.int64).cumsum()  # [n_pieces]
    n_up_to = np.searchsorted(piece_end, word_end, side="right")  # [n_words]
    return pieces, np.diff(n_up_to, prepend=0).tolist()
