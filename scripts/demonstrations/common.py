"""Seeds, model, tales and measures that the demonstrations share.

A seed draws all there is to draw: the tales or words that are learned from and those that are
tested, the examples and their order, the weights that are new. The spread over seeds is that of
the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

import gptlite
from demonstrations import tales
from demonstrations.results import Run
from gptlite.model import GPT
from gptlite.tasks.score import token_scores
from gptlite.tokenizer import Tokenizer

SEEDS = (0, 1, 2)


@cache
def storyteller() -> tuple[GPT, Tokenizer]:
    """Load the model that ships, and its tokenizer, once."""
    return gptlite.load()


@cache
def unseen() -> list[tales.Tale]:
    """Read the tales that the storyteller was not trained on, once."""
    return tales.unseen_tales()


@cache
def word_counts() -> Mapping[str, int]:
    """Count the words in the books that the storyteller was trained on, once."""
    return tales.training_counts()


def share(right: Sequence[bool]) -> Run:
    """Measure the share of right answers."""
    return {"accuracy": float(np.mean(right))}


def majority(labels: Sequence[int]) -> Run:
    """Measure always giving the answer that is the most frequent in the test."""
    return {"accuracy": float(np.bincount(labels).max() / len(labels))}


def spaced(options: Sequence[str]) -> list[str]:
    """Put a space before options that follow a text which ends without one."""
    return [" " + option for option in options]


def scores(prompt: str, options: Sequence[str]) -> list[float]:
    """Score each option after a prompt, cut at its beginning if need be: log-probability, nats."""
    rows = token_scores(*storyteller(), prompt, options, "cut")
    return [float(row.sum(dtype=np.float64)) for row in rows]


def most_raised(prompt: str, options: Sequence[str], nothing: str = "") -> int:
    """Choose the option whose log-probability the prompt raises most, compared to ``nothing``.

    An option that is likely in any case, above all a short one, has no advantage this way.
    """
    return int(np.argmax(np.subtract(scores(prompt, options), scores(nothing, options))))
