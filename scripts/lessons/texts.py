"""The stories and tales to measure with; what a word is, and what a name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from demonstrations.tales import words_of

from gptlite.texts import read_documents, text_files

# They begin with a capital and are not the name of anyone.
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLACES, TITLES = ("Africa", "India", "Delhi"), ("Mr", "Mrs", "Dr", "Mme")
NO_NAMES = frozenset(
    {*DAYS, "Christmas", "Halloween", "Easter", "English", "African", "Indian", *PLACES, *TITLES}
)


class Texts:
    """Stories and tales, read when they are wanted.

    Attributes:
        folder: holds ``stories`` and ``tales``, in each of them ``train`` and ``validation``.

    Raises:
        FileNotFoundError: when they are read: one of the folders is missing or holds no text.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, kind: str, split: str) -> list[str]:
        """Read the documents of a folder, in the order of its files' names."""
        files = text_files([self.folder / kind / split])
        return [text for file in files for text in read_documents(file).texts]

    @cached_property
    def stories(self) -> list[str]:
        """The stories for training."""
        return self.read("stories", "train")

    @cached_property
    def held_out(self) -> list[str]:
        """The stories for measuring."""
        return self.read("stories", "validation")

    @cached_property
    def tales(self) -> list[str]:
        """The tales for measuring."""
        return self.read("tales", "validation")

    @cached_property
    def counts(self) -> Counter[str]:
        """The count of each word in the stories and tales for training, in lower case."""
        counts: Counter[str] = Counter()
        for text in [*self.stories, *self.read("tales", "train")]:
            counts.update(words_of(text))
        return counts

    @cached_property
    def names(self) -> frozenset[str]:
        """The names in the stories for training."""
        return names_of(self.stories)


def names_of(texts: Iterable[str], least: int = 10, most_lower: float = 0.02) -> frozenset[str]:
    """Find the words that stand with a capital within sentences, and hardly ever without.

    Args:
        least: how often a name stands within a sentence.
        most_lower: the largest share of a name's places in which it has no capital.
    """
    within: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for text in texts:
        within.update(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+\b", text))
        every.update(re.findall(r"\b[A-Za-z][a-z]+\b", text))
    return frozenset(
        word
        for word, n in within.items()
        if n >= least
        and every[word.lower()] <= most_lower * (every[word] + every[word.lower()])
        and word not in NO_NAMES
    )
