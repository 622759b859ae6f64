"""``x @ weight``, where NumPy has no BLAS: in a browser ``einsum`` is several times as fast."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

HAS_BLAS = sys.platform != "emscripten"


def matrix_product(x: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float32]:
    """Multiply ``[rows, n_in]`` by ``[n_in, n_out]``.

    NumPy's own ``matmul`` walks down the columns of ``weight``, which lie apart in memory;
    ``einsum`` walks along the rows.
    """
    if HAS_BLAS:
        y: NDArray[np.float32] = x @ weight  # [rows, n_out]
    else:
        wide = np.asarray(weight, np.float32)  # [n_in, n_out]: float16 weights, all at once
        y = np.einsum("ij,jk->ik", x, wide)  # [rows, n_out]
    return y
