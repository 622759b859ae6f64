"""The loop of auto-regression, in tokens: read the text, choose a token, append it, and again."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.cache import KVCache
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.sampling import Sampler, log_softmax
from gptlite.trace import Trace


class Step(NamedTuple):
    """One turn of the loop: the token chosen for each row, and the logits it was drawn from."""

    ids: NDArray[np.int64]  # [batch]
    logits: Array  # [batch, n_vocab]

    @property
    def logprobs(self) -> Array:
        """Log-probability of each chosen token, ``[batch]``, in nats.

        It is the model's own, before temperature and filters: it can be compared across samplers,
        and its sum over the steps is the log-probability of the text.
        """
        return log_softmax(self.logits)[np.arange(len(self.ids)), self.ids]  # [batch]


def auto_regress(
    model: GPT,
    rows: list[list[int]],
    n_new: int,
    sampler: Sampler,
    rngs: Sequence[np.random.Generator],
    use_cache: bool = True,
    trace: Trace | None = None,
) -> Iterator[Step]:
    """Read, choose, append, and again: inference, one token at a time.

    Article: "One Difference From BERT" and "Evaluation Time: Processing One Token at a Time". With
    a cache every token is read once; without one, again and again, and the result is the same.

    Args:
        rows: the tokens of each text; new ones are appended to these lists.
        n_new: how many tokens to make for each row.
        rngs: each row's own random generator.
        trace: written anew by each step; what the cache holds would be missing in it.
    """
    cache = None
    for _ in range(n_new):
        if cache is None:  # at first, after a slide, and always where there is to be no cache
            unread, mask = left_padded(rows)  # [batch, seq]
            cache = KVCache(model.config, len(rows)) if use_cache else None
        # [batch, 1, n_vocab]
        logits = model(unread, cache=cache, trace=trace, attention_mask=mask, logits_to_keep=1)
        logits = logits[:, -1]  # [batch, n_vocab]
        ids = sampler(logits, rows, rngs)  # [batch]
        yield Step(ids, logits)
        for row, chosen in zip(rows, ids.tolist(), strict=True):
            row.append(chosen)
            if slide(row, model.config.n_ctx):
                cache = None
        unread = ids[:, None]  # [batch, 1]
        if mask is not None:
            mask = np.pad(mask, [(0, 0), (0, 1)], constant_values=True)  # [batch, total + 1]


def slide(row: list[int], n_ctx: int) -> bool:
    """Forget the older half of a row if it has outgrown the context, and say whether it had.

    The newer half must be read again: its keys and values belong to its old positions.
    """
    outgrown = len(row) > n_ctx
    if outgrown:
        del row[: -max(1, n_ctx // 2)]
    return outgrown


def left_padded(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Pad rows on the left to ``[batch, seq]``; return the mask too, which is False at padding.

    The mask is None if all rows are equally long.

    >>> ids, mask = left_padded([[5], [6, 7]])
    >>> ids.tolist(), mask.tolist()
    ([[0, 5], [6, 7]], [[False, True], [True, True]])
    """
    lengths = np.array([[len(row)] for row in rows])  # [batch, 1]
    seq = lengths.max()
    mask = np.arange(seq) >= seq - lengths  # [batch, seq]
    ids = np.zeros(mask.shape, np.int64)  # [batch, seq]
    ids[mask] = np.concatenate(rows)
    return ids, None if mask.all() else mask
