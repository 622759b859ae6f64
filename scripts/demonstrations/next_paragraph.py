"""The next paragraph of two: GPT-1's multiple choice, in the form of the Story Cloze Test.

A paragraph, the one that follows it in the tale, and a distractor: a paragraph out of another book,
or, which is harder, out of another tale of the same book. The two are equally often the first.
Tales that are tested, those of the distractors too, were not learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from demonstrations.tales import Tale, is_whole, split_tales, words_of

BEFORE, AFTER = 32, 24  # words: the end of the paragraph, the beginning of what may follow
LEAST = 16  # words of each paragraph, at least


class Pair(NamedTuple):
    """A text, two texts that may follow, and the index of the one that does."""

    context: str
    choices: tuple[str, str]
    label: int


def usable(paragraph: str) -> bool:
    """Say whether a paragraph is whole, and long enough to be told from another."""
    return is_whole(paragraph) and not paragraph[0].islower() and len(paragraph.split()) >= LEAST


def pairs_of(
    tales: Sequence[Tale], n: int, rng: np.random.Generator, same_book: bool
) -> list[Pair]:
    """Draw ``n`` of the paragraphs that are followed by another, each with a distractor.

    Raises:
        ValueError: there are not so many.
    """
    followed = [
        (i, tale.paragraphs[at], tale.paragraphs[at + 1])
        for i, tale in enumerate(tales)
        for at in range(len(tale.paragraphs) - 1)
        if usable(tale.paragraphs[at]) and usable(tale.paragraphs[at + 1])
    ]
    if len(followed) < n:
        raise ValueError(f"{len(followed)} paragraphs are followed by another, {n} are wanted")
    pairs = []
    for place, index in enumerate(rng.permutation(len(followed))[:n]):
        i, before, after = followed[index]
        others = [
            following
            for j, _, following in followed
            if j != i and (tales[j].book == tales[i].book) == same_book
        ]
        if not others:
            raise ValueError(f"book {tales[i].book}: no tale to take a distractor from")
        choices = beginning(after), beginning(others[int(rng.integers(len(others)))])
        label = place % 2
        pairs.append(Pair(end(before), choices[::-1] if label else choices, label))
    return pairs


def end(text: str) -> str:
    """Take the last words."""
    return " ".join(text.split()[-BEFORE:])


def beginning(text: str) -> str:
    """Take the first words."""
    return " ".join(text.split()[:AFTER])


def make(
    tales: Sequence[Tale], n_train: int, n_test: int, seed: int, same_book: bool = False
) -> tuple[list[Pair], list[Pair]]:
    """Make pairs to learn from and pairs to test on.

    Raises:
        ValueError: see ``pairs_of``.
    """
    rng = np.random.default_rng([seed, 1])
    train, test = split_tales(tales, 0.6, seed)
    return pairs_of(train, n_train, rng, same_book), pairs_of(test, n_test, rng, same_book)


def by_common_words(pair: Pair, frequency: dict[str, int]) -> int:
    """Choose the text with more, or rarer, words in common, without any model.

    Args:
        frequency: how often a word stands in the training books.
    """
    context = set(words_of(pair.context))
    weights = [
        sum(1 / (1 + frequency.get(word, 0)) for word in context & set(words_of(choice)))
        for choice in pair.choices
    ]
    return int(weights[1] > weights[0])
