"""One step of learning: the shards' gradients side by side, their sum, clipping, AdamW."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Condition, local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.fast.threads import blas_threads
from gptlite.layers import Array
from gptlite.training.gradients import Gradients
from gptlite.training.optimizer import Moments, adamw_step, global_norm

# Tokens a thread takes through the model at a time: the arrays of one layer stay in its cache.
SHARD_TOKENS = 1024
# What is not finite is refused by an error of its own; NumPy need not warn of it as well. Each
# thread has to say so for itself.
QUIET = partial(np.errstate, over="ignore", invalid="ignore")

Ids = NDArray[np.integer[Any]]
# A part of a batch: adds its gradients to those given, and gives its share of the loss.
Shard = Callable[[Gradients], float]


class Sums(Gradients):
    """One sum for all threads: each parameter's gradients in the order of the shards.

    So there is one array a parameter in memory, however many threads there are, and which of them
    is faster makes no difference to its bits. A shard adds to every parameter once, and waits where
    the one before it has not done so; as all walk back the same way, hardly ever for long.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next: Counter[str] = Counter()  # by parameter, which shard's turn it is
        self._changed = Condition()
        self._here = local()
        self._failure: BaseException | None = None

    @contextmanager
    def shard(self, number: int) -> Iterator[None]:
        """Within the block this thread computes that shard; what it raises, all others raise."""
        self._here.number = number
        try:
            yield
        except BaseException as failure:
            with self._changed:
                self._failure = self._failure or failure
                self._changed.notify_all()
            raise

    def add(self, name: str, gradient: Array) -> None:
        """Add to a parameter's gradient when it is this thread's turn."""
        number = self._here.number
        with self._changed:
            self._changed.wait_for(lambda: self._failure or self._next[name] == number)
            if self._failure:
                raise self._failure
        super().add(name, gradient)
        with self._changed:
            self._next[name] += 1
            self._changed.notify_all()


def add_up(
    shards: Sequence[Shard], pool: ThreadPoolExecutor, threads: int
) -> tuple[float, Gradients]:
    """Loss and gradients of a batch that is the sum of its shards, however small they are."""
    sums, losses = Sums(), [0.0] * len(shards)

    def work(lane: int) -> None:
        with QUIET():
            for number in range(lane, len(shards), threads):
                with sums.shard(number):
                    losses[number] = shards[number](sums)

    with blas_threads(1):
        list(pool.map(work, range(min(threads, len(shards)))))
    return sum(losses), sums


def cut(batch: Ids, widths: Ids, threads: int) -> list[Ids]:
    """Examples in shards of about as many tokens each, those of like length together.

    As many for each thread, none of much more than ``SHARD_TOKENS``.

    Args:
        batch: which examples, ``[batch]``.
        widths: tokens of every example there is, ``[n]``.
    """
    batch = batch[np.argsort(widths[batch], kind="stable")]  # [batch]
    tokens = widths[batch]  # [batch]
    total = max(1, int(tokens.sum()))  # rows without tokens are refused later
    n = threads * math.ceil(total / (threads * SHARD_TOKENS))
    # Which of the n equal parts of the tokens the middle of an example lies in.
    part = (2 * tokens.cumsum() - tokens) * n // (2 * total)  # [batch]
    return [batch[part == i] for i in np.unique(part)]


def zero_moments(parameters: Mapping[str, Array]) -> dict[str, Moments]:
    """AdamW's running means before the first step."""
    return {
        name: Moments(np.zeros_like(array), np.zeros_like(array))
        for name, array in parameters.items()
    }


def update(
    parameters: Mapping[str, Array],
    moments: Mapping[str, Moments],
    loss: float,
    gradients: Gradients,
    step: int,
    rate: float,
    weight_decay: float,
    clip: float,
    pool: ThreadPoolExecutor,
) -> None:
    """Change every parameter and its moments by a step of AdamW, the gradients clipped before.

    Args:
        loss: that the gradients belong to.
        step: counted from 1.
        clip: the most that the length of all gradients together may be.

    Raises:
        FloatingPointError: the loss or the gradients are not finite: training has diverged.
            Nothing has been changed then.
    """
    # One thread, for BLAS sums in another order with another number of them.
    with blas_threads(1):
        norm = global_norm(gradients)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise FloatingPointError(
            f"step {step}: the loss is {loss}, the length of the gradients {norm}: "
            "training has diverged; try a smaller learning rate"
        )
    scale = min(1.0, clip / max(norm, 1e-12))

    def change(name: str) -> None:
        with QUIET():
            adamw_step(
                parameters[name], gradients[name], moments[name], step, rate, weight_decay, scale
            )

    list(pool.map(change, parameters))
