"""One of several options: the likeliest by ``score`` is the model's answer, and it may be wrong."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gptlite.model import GPT
from gptlite.tasks.score import Overflow, fitted, option_logprobs, split
from gptlite.tokenizer import Tokenizer


class Choice(NamedTuple):
    """A prompt, texts that may go on from it, and which of them is right, counted from 0."""

    prompt: str
    options: tuple[str, ...]
    answer: int


class Chosen(NamedTuple):
    """Which option is the likeliest: as a whole, and per token; ``cut``: tokens left out for it."""

    by_sum: int
    by_mean: int
    cut: int


class Accuracy(NamedTuple):
    """How often the likeliest option was the right one, as shares of ``n`` choices.

    Attributes:
        by_sum: choosing by log-probability of the whole option.
        by_mean: choosing by log-probability per token.
        chance: what drawing at random gives on average.
        n: how many choices were made.
        n_cut: of them, how many with a prompt that lost its beginning.
    """

    by_sum: float
    by_mean: float
    chance: float
    n: int
    n_cut: int


def choose(model: GPT, tokenizer: Tokenizer, item: Choice, overflow: Overflow = "error") -> Chosen:
    """The model's answers. Of options equally likely it is the first. Errors: see ``score``."""
    before, after = split(tokenizer, item.prompt, item.options)
    fits = fitted(before, max(map(len, after)), model.config.n_ctx, overflow)
    rows = option_logprobs(model, fits, after)
    sums = [row.sum(dtype=np.float64) for row in rows]
    means = [row.mean(dtype=np.float64) for row in rows]
    return Chosen(int(np.argmax(sums)), int(np.argmax(means)), len(before) - len(fits))


def accuracy(
    model: GPT, tokenizer: Tokenizer, items: Iterable[Choice], overflow: Overflow = "cut"
) -> Accuracy:
    """Make every choice, and count the right ones. Errors: see ``score``.

    Args:
        overflow: by default the beginning of a prompt that is too long is left out.
    """
    from tqdm import tqdm

    items = list(items)
    bar = tqdm(items, desc="choosing", unit="item", leave=False, disable=None)
    return count(items, [choose(model, tokenizer, item, overflow) for item in bar])


def count(items: list[Choice], chosen: list[Chosen]) -> Accuracy:
    """The accuracy of choices that were made.

    Raises:
        ValueError: there are none.
    """
    if not items:
        raise ValueError("no choices: there is nothing to count")
    pairs = list(zip(items, chosen, strict=True))
    return Accuracy(
        by_sum=sum(item.answer == found.by_sum for item, found in pairs) / len(items),
        by_mean=sum(item.answer == found.by_mean for item, found in pairs) / len(items),
        chance=sum(1 / len(item.options) for item in items) / len(items),
        n=len(items),
        n_cut=sum(found.cut > 0 for found in chosen),
    )
