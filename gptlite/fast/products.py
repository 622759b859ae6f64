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
        return x @ weight  # type: ignore[no-any-return]  # [rows, n_out]
    # float16 weights (fast/memory.py) are widened, all at once
    return np.einsum("ij,jk->ik", x, np.asarray(weight, np.float32))  # [rows, n_out]
