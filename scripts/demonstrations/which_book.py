"""Passages and the books they come from: a text and its label, GPT-1's classification.

The five books of ``tales`` are by five hands: Barrie, Baum, Burgess, and the collections of Lang
and of Jacobs. Their people would give them away at once, so all names are struck out, and what is
left to tell passages apart is how they are written and what they speak of. No passage that is
tested comes from a tale that was learned from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from demonstrations.tales import Tale, sentences_of, split_tales

WORDS = 60  # of a passage, at most; it has at least half as many
NAME = "Somebody"
_SMALL = re.compile(r"\b[a-z][\w-]*")
_CAPITAL = re.compile(r"\b[A-Z][\w-]*")
_TITLE = re.compile(r"\b(Mr|Mrs|Dr|St|Gen)\.")


class Passage(NamedTuple):
    """A text without names, and the index of its book."""

    text: str
    label: int


def begins_speech(text: str, at: int) -> bool:
    """Say whether a word at this place would have a capital in any case."""
    return at == 0 or text[at - 1] in "\"'("


def names_of(tales: Sequence[Tale]) -> frozenset[str]:
    """Find words that, within a sentence, more often have a capital than not."""
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for tale in tales:
        for sentence in (s for paragraph in tale.paragraphs for s in sentences_of(paragraph)):
            small.update(_SMALL.findall(sentence))
            capital.update(
                found[0]
                for found in _CAPITAL.finditer(sentence)
                if not begins_speech(sentence, found.start())
            )
    return frozenset(word for word, n in capital.items() if n > small[word.lower()]) - {"I"}


def without_names(sentence: str, names: frozenset[str]) -> str:
    """Put ``NAME`` for names, and for all other words with a capital within the sentence.

    >>> without_names("Tip saw Mr. Jack Pumpkinhead's horse, and I slept.", frozenset({"Tip"}))
    "Somebody saw Somebody's horse, and I slept."
    """
    sentence = _TITLE.sub(r"\1", sentence)

    def strike(found: re.Match[str]) -> str:
        expected = begins_speech(sentence, found.start()) or found[0] == "I"
        return found[0] if expected and found[0] not in names else NAME

    struck = _CAPITAL.sub(strike, sentence)
    return re.sub(rf"{NAME}(?:(?:'s)? {NAME})+", NAME, struck)


def passages_of(tale: Tale, names: frozenset[str]) -> list[str]:
    """Cut a tale, without its names, into passages of at most ``WORDS`` words."""
    passages: list[list[str]] = [[]]
    for sentence in (s for paragraph in tale.paragraphs for s in sentences_of(paragraph)):
        words = without_names(sentence, names).split()
        if len(passages[-1]) + len(words) > WORDS:
            passages.append([])
        passages[-1] += words[:WORDS]
    return [" ".join(words) for words in passages if len(words) >= WORDS // 2]


def make(
    tales: Sequence[Tale], n_train: int, n_test: int, seed: int
) -> tuple[list[Passage], list[Passage]]:
    """Make passages to learn from and to test on, equally many from every book.

    The first n of those to learn from are balanced as well, for every n that is a multiple of the
    number of books, so that learning curves need no other draw.

    Raises:
        ValueError: a book has not so many passages.
    """
    books = sorted({tale.book for tale in tales})
    names = {book: names_of([tale for tale in tales if tale.book == book]) for book in books}
    rng = np.random.default_rng([seed, 1])
    made = []
    for part, n in zip(split_tales(tales, 0.6, seed), (n_train, n_test), strict=True):
        columns = []
        for label, book in enumerate(books):
            of_book = [tale for tale in part if tale.book == book]
            texts = [text for tale in of_book for text in passages_of(tale, names[book])]
            if len(texts) < n // len(books):
                raise ValueError(f"book {book}: {len(texts)} passages of {n // len(books)}")
            chosen = rng.permutation(len(texts))[: n // len(books)]
            columns.append([Passage(texts[i], label) for i in chosen])
        made.append([passage for row in zip(*columns, strict=True) for passage in row])
    return made[0], made[1]
