"""A batch in shards: parts of it that threads compute side by side, and one sum of gradients.

A thread takes its shard through the whole model, up and down again (fast/threads.py says why).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Condition, local

import numpy as np

from gptlite.command import uninterrupted
from gptlite.fast.mapping import map_in_threads, usable
from gptlite.fast.threads import blas_threads
from gptlite.layers import Array
from gptlite.training.backward import Ids
from gptlite.training.tape import Gradients

# Tokens that a thread takes through the model at a time: one layer's arrays stay in its cache.
SHARD_TOKENS = 1024
# Numbers that are not finite end the training with an error of their own: NumPy need not warn too.
QUIET = partial(np.errstate, over="ignore", under="ignore", invalid="ignore")

# Adds the gradients of a part of a batch to the sums, and returns that part's share of the loss.
Shard = Callable[[Gradients], float]


class Sums(Gradients):
    """One sum for all threads: each parameter's gradients are added in the order of the shards.

    So memory holds one array per parameter, however many threads there are, and whichever thread is
    faster, the bits are the same. A shard adds to every parameter once, and waits until the shard
    before it has done so. All shards walk back the same way, so they seldom wait for long.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next: Counter[str] = Counter()  # by parameter, which shard's turn it is
        self._changed = Condition()
        self._here = local()
        self._failures: list[BaseException] = []  # the first ends all shards

    @contextmanager
    def shard(self, number: int) -> Iterator[None]:
        """Let this thread compute that shard within the block; an error there ends the others."""
        self._here.number = number
        try:
            yield
        except BaseException as failure:
            self.end(failure)
            raise

    def end(self, failure: BaseException) -> None:
        """End all shards by an error, each where it adds its next gradient.

        In the main thread a Ctrl-C waits meanwhile: it would leave the lock taken.
        """
        with uninterrupted(), self._changed:
            self._failures.append(failure)
            self._changed.notify_all()

    def forget_failures(self) -> None:
        """Let the errors go, which hold all arrays of the frames that they came through."""
        self._failures.clear()

    def add(self, name: str, gradient: Array) -> None:
        """Add to a parameter's sum when it is the turn of this thread's shard."""
        number = self._here.number
        with self._changed:
            self._changed.wait_for(lambda: self._failures or self._next[name] == number)
            if self._failures:
                raise self._failures[0]
        super().add(name, gradient)
        with self._changed:
            self._next[name] += 1
            self._changed.notify_all()


def add_up(shards: Sequence[Shard], threads: int) -> tuple[float, Gradients]:
    """Compute the loss (nats) and the gradients of a batch: the sums over its shards."""
    sums, losses = Sums(), [0.0] * len(shards)
    n = min(usable(threads), len(shards))

    def work(lane: int) -> None:
        for number in range(lane, len(shards), n):
            with sums.shard(number):
                losses[number] = shards[number](sums)

    with QUIET(), blas_threads(1):
        try:
            list(map_in_threads(work, range(n), n, stop=sums.end))
        finally:
            sums.forget_failures()
    return sum(losses), sums


def cut_batch(batch: Ids, widths: Ids, threads: int) -> list[Ids]:
    """Cut a batch into shards with about equally many tokens, examples of similar length together.

    Each thread gets equally many shards, and no shard has much more than ``SHARD_TOKENS``.

    Args:
        batch: the numbers of the examples, ``[batch]``.
        widths: the number of tokens in each example, ``[n]``.

    Returns:
        The numbers of the examples in each shard.
    """
    batch = batch[np.argsort(widths[batch], kind="stable")]  # [batch]
    tokens = widths[batch]  # [batch]
    total = max(1, int(tokens.sum()))  # rows without tokens are refused later
    n = threads * math.ceil(total / (threads * SHARD_TOKENS))
    # Which of the n equal parts of the tokens the middle of an example lies in.
    part = (2 * tokens.cumsum() - tokens) * n // (2 * total)  # [batch]
    return [batch[part == i] for i in np.unique(part)]  # [examples] each
