"""``x @ weight``, arranged for the machine: for a few rows, and where NumPy has no BLAS."""

import sys
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.fast.lanes import lanes, side_by_side

Array = NDArray[np.float32]

HAS_BLAS = sys.platform != "emscripten"
FEW = 6  # rows: for more, what BLAS does pays
LEAST = 1 << 19  # numbers in a weight: a smaller one is not worth sharing out
BLOCK = 1 << 18  # numbers of a weight, 1 MB: they stay in a core's cache from row to row


def matrix_product(x: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float32]:
    """Multiply ``[rows, n_in]`` by ``[n_in, n_out]``.

    Without BLAS, ``matmul`` walks down the columns of ``weight``, which lie apart in memory, and
    ``einsum`` along the rows.
    """
    if not HAS_BLAS:
        wide = np.asarray(weight, np.float32)  # [n_in, n_out]: float16 weights, all at once
        y: NDArray[np.float32] = np.einsum("ij,jk->ik", x, wide)  # [rows, n_out]
    elif 1 < len(x) <= FEW and weight.size >= LEAST and is_plain(weight):
        y = few_rows(x, weight)  # [rows, n_out]
    else:
        y = x @ weight  # [rows, n_out]
    return y


def is_plain(weight: NDArray[Any]) -> bool:
    """Say whether the numbers are float32 and lie in memory one after the other."""
    return type(weight) is np.ndarray and weight.dtype == np.float32 and weight.flags.forc


def few_rows(x: Array, weight: Array) -> Array:
    """Compute ``x @ weight`` for a few rows, a block of the weight at a time.

    The weight is read from memory once. BLAS, given several rows, would first write a copy of it in
    another order, which takes longer than the product. Each core has its share of the weight.
    """
    if weight.flags.c_contiguous:
        return few_rows_by_inputs(x, weight)  # [rows, n_out]
    return few_rows_by_outputs(x, weight)  # [rows, n_out]


def few_rows_by_inputs(x: Array, weight: Array) -> Array:
    """Add up the products of blocks of a weight that lies in memory row after row."""
    n_in, n_out = weight.shape
    step = max(1, BLOCK // n_out)  # rows of the weight
    bounds = shares(n_in)
    sums = np.empty((len(bounds), len(x), n_out), np.float32)  # [lane, rows, n_out]

    def work(lane: int, first: int, last: int) -> None:
        y = sums[lane]  # [rows, n_out]
        for start in range(first, last, step):
            end = min(start + step, last)
            if start == first:
                each_row(x[:, start:end], weight[start:end], y)
            else:
                y += each_row(x[:, start:end], weight[start:end])

    side_by_side([partial(work, lane, *ends) for lane, ends in enumerate(bounds)])
    for more in sums[1:]:
        sums[0] += more
    y: Array = sums[0]  # [rows, n_out]
    return y


def few_rows_by_outputs(x: Array, weight: Array) -> Array:
    """Put side by side the products of blocks of a weight that lies column after column."""
    n_in, n_out = weight.shape
    step = max(1, BLOCK // n_in)  # columns of the weight
    y = np.empty((len(x), n_out), np.float32)  # [rows, n_out]

    def work(first: int, last: int) -> None:
        for start in range(first, last, step):
            end = min(start + step, last)
            each_row(x, weight[:, start:end], y[:, start:end])

    side_by_side([partial(work, *ends) for ends in shares(n_out)])
    return y


def shares(n: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into one stretch for each lane."""
    n_lanes = min(lanes(), n)
    return list(pairwise(n * lane // n_lanes for lane in range(n_lanes + 1)))


def each_row(x: Array, block: Array, y: Array | None = None) -> Array:
    """Compute ``x @ block``, into ``y`` if given, as one matrix-vector product for each row."""
    rows = None if y is None else y[:, None]  # [rows, 1, columns]
    return np.matmul(x[:, None], block, out=rows)[:, 0]  # [rows, columns]
