"""A view of the KV cache: the keys that a step found there, and those that it added."""

from collections.abc import Sequence

import numpy as np

from gptlite.cache import KVCache
from gptlite.views.heat_map import HeatMap
from gptlite.views.panels import Panels


def cache_step(cache: KVCache, tokens: Sequence[str], before: int) -> Panels:
    """Show the cache before and after a step: the length of the keys at each position and block.

    Article: "Evaluation Time: Processing One Token at a Time".

    Args:
        cache: the cache after the step.
        tokens: a label for each position in the cache.
        before: how many positions the cache held before the step (its ``length`` then).

    Raises:
        ValueError: there are not as many tokens as positions, or ``before`` is not among them.
    """
    if len(tokens) != cache.length:
        raise ValueError(f"expected {cache.length} tokens, found {len(tokens)}")
    if not 0 <= before <= cache.length:
        raise ValueError(f"before must lie in 0 to {cache.length}, not {before}")
    keys = cache.keys[:, 0, :, : cache.length]  # [n_layer, head, total, head_dim]
    lengths = np.sqrt(np.einsum("lhtd,lhtd->lt", keys, keys))  # [n_layer, total]
    blocks = [f"block {i}" for i in range(len(lengths))]
    high = float(lengths.max(initial=0.0))
    title = f"before: {before} positions"
    kept = HeatMap(title, lengths[:, :before], blocks, tokens[:before], low=0.0, high=high)
    names = [*tokens[:before], *(f"+{token}" for token in tokens[before:])]
    title = f"after: {cache.length} positions"
    full = HeatMap(title, lengths, blocks, names, low=0.0, high=high)
    numbers = 2 * keys.size
    note = (
        f"Columns marked + were computed in this step, the others were kept. Keys and values: "
        f"2 × {len(blocks)} × {keys.shape[1]} × {cache.length} × {keys.shape[3]} = {numbers:,} "
        f"numbers, {4 * numbers:,} bytes."
    )
    return Panels("The cache, by the length of its keys", [[kept], [full]], note)
