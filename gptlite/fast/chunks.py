"""Attention for a long text: ``block.attend``, called for a few queries at a time.

The scores of 1,024 queries would be 1,024 x 1,024 numbers in each head, half of them hidden by the
mask. The scores of a few queries stay in the processor's cache from the product to the sum, and no
scores are computed for keys that none of these queries may see.
"""

from collections.abc import Callable

import numpy as np

from gptlite.layers import Array
from gptlite.trace import Record, unrecorded

QUERIES = 64

Attend = Callable[[Array, Array, Array, Array | None, Record], Array]


def attend_in_chunks(
    attend: Attend, q: Array, k: Array, v: Array, padding: Array | None, record: Record
) -> Array:
    """Compute ``attend(q, k, v, padding, record)``; whole where a trace is to record the scores.

    Args:
        q: ``[batch, head, seq, head_dim]``.
        k, v: ``[batch, head, total, head_dim]``.
        padding: ``[batch, 1, 1, total]``, or None.

    Returns:
        ``[batch, head, seq, head_dim]``.
    """
    seq, total = q.shape[2], k.shape[2]
    if seq <= QUERIES or record is not unrecorded:
        return attend(q, k, v, padding, record)  # [batch, head, seq, head_dim]
    z = np.empty_like(q)  # [batch, head, seq, head_dim]
    for start in range(0, seq, QUERIES):
        end = min(start + QUERIES, seq)
        seen = total - seq + end  # the keys after these are hidden from all of these queries
        padding_seen = None if padding is None else padding[..., :seen]  # [batch, 1, 1, seen]
        some = q[:, :, start:end]  # [batch, head, queries, head_dim]
        keys, values = k[:, :, :seen], v[:, :, :seen]  # [batch, head, seen, head_dim]
        # [batch, head, queries, head_dim]
        z[:, :, start:end] = attend(some, keys, values, padding_seen, record)
    return z
