"""Texts cut into words, and words into pieces, many at once: for ``bpe.py`` and for learning."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np

from gptlite.fast.rows import Ids

Cut = Callable[[str], list[str]]

# There is always a cut before a space that a word follows, whatever stands around it.
_WORD_START = re.compile(r"(?= \S)")
_WORD_SPACE = re.compile(r" (?=\S)")
_STRETCH = 1 << 14  # characters: the words of one stretch of text stay in the processor's cache
_PART = 1 << 21  # characters of a text that are encoded at once, which bounds the memory


def split_parts(text: str) -> Iterator[str]:
    """Split a long text into parts that end before a word, so that each may be encoded alone."""
    end = 0
    while end < len(text):
        start, cut = end, _WORD_START.search(text, end + _PART)
        end = cut.start() if cut else len(text)
        yield text[start:end]


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
            yield _WORD_SPACE.split(text[start:end])

    return first, chain.from_iterable(stretches())


def split_short(text: str) -> tuple[str, list[str]]:
    """Do what ``split_words`` does, for a text that needs no stretches."""
    first, *others = _WORD_SPACE.split(text)
    return first, others


def cut_words(cut: Cut, words: Sequence[str]) -> tuple[list[str], Ids]:
    """Cut words into pieces; return them, and how many there are up to the end of each word.

    All words but the first begin with their space. So one call can cut them all, in half the time
    that a call for each would take.
    """
    pieces = cut("".join(words))
    word_end = np.fromiter(map(len, words), np.int64).cumsum()  # [n_words]
    piece_end = np.fromiter(map(len, pieces), np.int64).cumsum()  # [n_pieces]
    return pieces, np.searchsorted(piece_end, word_end, side="right")  # [n_words]
