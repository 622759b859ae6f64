"""A fable's moral, to be chosen from ten, without training.

    seen     "The Aesop for Children": every fable ends with its moral. The storyteller was
             trained on this book: what it gets right it may remember.
    unseen   the fables in ``fables``, written for this script: nobody was trained on them.

Morals differ in how likely they are by themselves, whatever the fable. So beside the score of a
moral after the fable there is the score less that of the same moral after no fable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BOOK = 19994  # The Aesop for Children
MORALS = 10
LONGEST = 40  # words of a moral: what is longer is the end of the story
HINT = "\n\nMoral:"
_HEADING = re.compile(r"[A-Z][A-Z ,'.-]+")


class Fable(NamedTuple):
    """A fable, paragraphs and all, and its moral."""

    text: str
    moral: str


class Question(NamedTuple):
    """A fable, and several morals; one is its own."""

    text: str
    morals: tuple[str, ...]
    answer: int


def fables_of(book: str) -> list[Fable]:
    """Cut "The Aesop for Children" into its fables, without headings.

    Raises:
        ValueError: the book has no fables.
    """
    fables: list[list[str]] = []
    for paragraph in book.split("\n\n"):
        paragraph = " ".join(paragraph.split())
        if _HEADING.fullmatch(paragraph):
            fables.append([])
        elif fables:
            fables[-1].append(paragraph)
    found = [
        Fable("\n\n".join(story), moral)
        for *story, moral in filter(None, fables)
        if story and len(moral.split()) <= LONGEST and '"' not in moral
    ]
    if not found:
        raise ValueError("a book without fables: no headings in capitals, with a moral at the end")
    return found


def make(fables: Sequence[Fable], n: int, seed: int) -> list[Question]:
    """Make questions: fables, each with nine morals of others.

    Raises:
        ValueError: there are not so many fables, or fewer than ten.
    """
    if len(fables) < max(n, MORALS):
        raise ValueError(f"{len(fables)} fables are fewer than {max(n, MORALS)}")
    rng = np.random.default_rng([seed, 1])
    questions = []
    for i in rng.permutation(len(fables))[:n]:
        others = [fable.moral for fable in fables if fable.moral != fables[i].moral]
        wrong = [others[j] for j in rng.permutation(len(others))[: MORALS - 1]]
        answer = int(rng.integers(MORALS))
        morals = (*wrong[:answer], fables[i].moral, *wrong[answer:])
        questions.append(Question(fables[i].text, morals, answer))
    return questions
