"""Decoding and a long prompt by peers that keep keys and values themselves, between calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from benchmark.basics import MeasuredRun, Setup, per_second, random_ids


class CachedModel(Protocol):
    """A model with a cache inside."""

    def forget(self, batch: int) -> None:
        """Begin a text."""

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Read new ids ``[batch, seq]``; return the last position's logits ``[batch, n_vocab]``."""


Open = Callable[[int, Setup], CachedModel]  # for so many rows side by side


def decode(
    open_model: Open, batch: int, prompt_tokens: int, new_tokens: int, setup: Setup
) -> MeasuredRun:
    """Prepare greedy decoding after a prompt."""
    model = open_model(batch, setup)
    prompts = random_ids(setup.config, batch, prompt_tokens)

    def run() -> None:
        model.forget(batch)
        ids = model(prompts).argmax(-1)  # [batch]
        for _ in range(new_tokens - 1):
            ids = model(ids[:, None]).argmax(-1)  # [batch]

    return lambda: {"": per_second(batch * new_tokens, run)}


def prefill(open_model: Open, prompt_tokens: int, setup: Setup) -> MeasuredRun:
    """Prepare reading a prompt."""
    model, prompt = open_model(1, setup), random_ids(setup.config, 1, prompt_tokens)

    def run() -> None:
        model.forget(1)
        model(prompt)

    return lambda: {"": per_second(prompt_tokens, run)}
