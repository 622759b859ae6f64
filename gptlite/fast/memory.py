"""Arrays that save memory: ``np.zeros`` that uses it only where written, float32 in 16 bits.

To the model's code they are arrays like any other.
"""

import math
from mmap import ACCESS_COPY, mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDENED = 1 << 19  # numbers widened at a time: 2 MB, which fits in a core's cache


def reserved(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Make an array of zeros that takes up memory only where it is written, page by page.

    ``np.zeros`` asks for pages of 2 MB, and the first token would touch a page in every head:
    629 MB for gpt2-xl, where 10 are needed.

    Raises:
        MemoryError: there is not that much memory.
    """
    n_bytes = 4 * math.prod(shape)
    try:
        memory = mmap(-1, n_bytes, access=ACCESS_COPY)
    except (OSError, OverflowError):  # more than there is, or than there could be
        raise MemoryError(f"no memory for {n_bytes:,} bytes") from None
    return np.frombuffer(memory, np.float32).reshape(shape)  # [...]


class Half(np.ndarray[Any, np.dtype[np.float16]]):
    """A float16 array that computes in float32: ``array.view(Half)``.

    NumPy multiplies float16 slowly on any processor. So the array is widened where it is used: in a
    product a few columns at a time, so that the whole matrix is never in memory twice.
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute in float32: NumPy calls this for every operation with a ``Half`` in it."""
        of_matrices = ufunc is np.matmul and [np.ndim(x) for x in inputs] == [2, 2]
        if of_matrices and not options and isinstance(inputs[1], Half):
            return product(inputs[0], np.asarray(inputs[1]))  # [rows, n_out]
        if "out" in options:  # a Half there would call this again, without end
            options["out"] = tuple(np.asarray(array) for array in options["out"])  # [...]
        wide = [np.asarray(x, np.float32) if isinstance(x, Half) else x for x in inputs]
        return getattr(ufunc, method)(*wide, **options)  # [...]


def widening(array: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the same numbers, in the same memory; float16 numbers compute in float32."""
    return array.view(Half) if array.dtype == np.float16 else array  # [...]


def product(x: NDArray[np.float32], weight: NDArray[np.float16]) -> NDArray[np.float32]:
    """Multiply ``[rows, n_in]`` by ``[n_in, n_out]``, widened a few columns at a time."""
    n_in, n_out = weight.shape
    y = np.empty((len(x), n_out), np.float32)  # [rows, n_out]
    step = max(1, WIDENED // n_in)  # columns
    for start in range(0, n_out, step):
        block = weight[:, start : start + step].astype(np.float32)  # [n_in, columns]
        np.matmul(x, block, out=y[:, start : start + step])
    return y
