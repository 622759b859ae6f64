"""Choices: the likeliest of several options is the model's answer, and it may be wrong."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gptlite.model import GPT
from gptlite.tasks.score import Overflow, fitted, option_logprobs, split
from gptlite.tokenizer import Tokenizer


class Choice(NamedTuple):
    """A prompt, texts that may continue it, and the number of the right one, counted from 0."""

    prompt: str
    options: tuple[str, ...]
    answer: int


class Chosen(NamedTuple):
    """The number of the likeliest option.

    Attributes:
        by_sum: the likeliest by the log-probability of the whole option.
        by_mean: the likeliest by log-probability per token.
        cut: how many tokens of the prompt were left out, so that the options fit.
    """

    by_sum: int
    by_mean: int
    cut: int


class Accuracy(NamedTuple):
    """Accuracy: the share of ``n`` choices in which the likeliest option was the right one.

    Attributes:
        by_sum: the share when choosing by the log-probability of the whole option.
        by_mean: the share when choosing by log-probability per token.
        chance: the share that drawing at random gives on average.
        n: how many choices were made.
        n_cut: how many of the prompts lost their beginning.
    """

    by_sum: float
    by_mean: float
    chance: float
    n: int
    n_cut: int


def choose_option(
    model: GPT, tokenizer: Tokenizer, item: Choice, overflow: Overflow = "error"
) -> Chosen:
    """Choose the likeliest option, or the first of equally likely ones. Errors: see ``score``."""
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
        overflow: "cut", the default, leaves out the beginning of a prompt that is too long.
    """
    from tqdm import tqdm

    items = list(items)
    bar = tqdm(items, desc="choosing", unit="item", leave=False, disable=None)
    return count_right(items, [choose_option(model, tokenizer, item, overflow) for item in bar])


def count_right(items: list[Choice], chosen: list[Chosen]) -> Accuracy:
    """Count how many choices are right.

    Raises:
        ValueError: there are no choices.
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
