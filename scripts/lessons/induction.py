"""Induction: how much a head looks at the token that followed the same token before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gptlite.model import GPT
from gptlite.trace import Trace


def repeated(n_tokens: int, n: int, rows: int, seed: int = 0) -> NDArray[np.int64]:
    """Draw rows of ``n`` different tokens below ``n_tokens``, each twice over, ``[rows, 2n]``."""
    rng = np.random.default_rng(seed)
    half = np.stack([rng.permutation(n_tokens)[:n] for _ in range(rows)])  # [rows, n]
    return np.hstack([half, half])


def induction_scores(model: GPT, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Measure each head's attention to the token after the last occurrence of the current one.

    Args:
        ids: rows that are the same twice over, ``[rows, 2n]``.

    Returns:
        Mean attention over the rows and their second halves, ``[n_layer, n_head]``.
    """
    trace, n = Trace(), ids.shape[1] // 2
    model(ids, trace=trace)
    second = np.arange(n, 2 * n - 1)
    scores = [
        trace[f"h.{i}.attn.weights"][:, :, second, second - n + 1].mean(axis=(0, 2), dtype=float)
        for i in range(model.config.n_layer)
    ]
    return np.stack(scores)
