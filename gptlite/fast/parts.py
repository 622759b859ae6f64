"""A long text in parts, side by side: ``model.top_of_stack``, called for each part of a text.

BLAS shares out the products of a long text to all cores, but everything between the products runs
on one. So each core takes some of the positions through the whole stack. A part needs the keys and
values of the parts before it: in each block it waits until they are there, so that it runs a step
behind the part before it.
"""

from collections.abc import Callable
from copy import copy
from functools import partial, wraps
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from gptlite.cache import KVCache
from gptlite.call import checked_call
from gptlite.fast.lanes import lanes, side_by_side
from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import Array
from gptlite.trace import Trace

LEAST = 128  # positions in a part: with fewer, reading the weights for each part takes too long
# Later positions attend to more, so later parts are a little shorter: the first half of the work
# is 0.54 of the positions.
EVEN = 0.9

TopOfStack = TypeVar("TopOfStack", bound=Callable[..., Array])
KeysValues: TypeAlias = SimpleQueue[tuple[Array, Array] | None]


def in_parts(top_of_stack: TopOfStack) -> TopOfStack:
    """Let long texts go up the stack in parts; whole where a trace is to be kept."""
    whole = rounds_to_zero(top_of_stack)

    @wraps(top_of_stack)
    def wrapped(
        model: Any,
        ids: ArrayLike,
        cache: KVCache | None = None,
        trace: Trace | None = None,
        attention_mask: ArrayLike | None = None,
        keep: int | None = None,
    ) -> Array:
        n_parts = 1
        if trace is None and size_of(ids) >= 2 * LEAST:
            n_parts = min(lanes(), np.shape(ids)[-1] // LEAST)
        if n_parts < 2:
            return whole(model, ids, cache, trace, attention_mask, keep)
        # What is wrong is said of the whole text.
        text = checked_call(model.config, ids, cache, trace, attention_mask, keep).ids
        batch, seq = text.shape
        past = 0 if cache is None else cache.length
        left_out = 0 if keep is None else max(0, seq - keep)  # positions that are not asked for
        cuts = [round(seq * (i / n_parts) ** EVEN) for i in range(n_parts + 1)]
        tops: dict[int, Array] = {}
        between: list[KeysValues] = [SimpleQueue() for _ in cuts]

        def work(i: int, start: int, end: int) -> None:
            before = between[i] if i else None
            held = Held(model.config, batch, past + start, cache, before, between[i + 1])
            mask = None if attention_mask is None else np.asarray(attention_mask)[:, : past + end]
            kept = max(1, end - max(start, left_out))
            try:
                tops[i] = whole(model, text[:, start:end], held, None, mask, kept)
            finally:
                between[i + 1].put(None)  # if this part failed, the next need not wait

        side_by_side([partial(work, i, *ends) for i, ends in enumerate(pairwise(cuts))])
        asked_for = [tops[i] for i in range(n_parts) if cuts[i + 1] > left_out]
        return np.concatenate(asked_for, axis=1)  # [batch, kept, n_embd]

    return cast(TopOfStack, wrapped)


def size_of(ids: ArrayLike) -> int:
    """Count the ids; 0 for rows of different lengths, which the call itself refuses."""
    try:
        return np.size(ids)
    except ValueError:
        return 0


class Held(KVCache):
    """The keys and values that a part finds and leaves: those of the parts before it are there.

    It has no arrays of its own.
    """

    def __init__(
        self,
        config: Any,
        batch: int,
        length: int,
        cache: KVCache | None,
        before: KeysValues | None,
        after: KeysValues,
    ) -> None:
        self.config, self.batch, self.length = config, batch, length
        self.before, self.after = before, after
        self.cache = copy(cache)  # the same arrays
        if self.cache is not None:
            self.cache.length = length

    def append(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Wait for the keys and values before these in one block, and return all there are."""
        if self.before is not None:
            earlier = self.before.get()
            if earlier is None:
                raise RuntimeError("a part of the text before this one failed")
            if self.cache is None:
                k = np.concatenate([earlier[0], k], axis=2)  # [batch, head, total, head_dim]
                v = np.concatenate([earlier[1], v], axis=2)  # [batch, head, total, head_dim]
        k, v = (k, v) if self.cache is None else self.cache.append(layer, k, v)
        self.after.put((k, v))
        return k, v
