"""Running shards of a batch side by side: NumPy lets go of the interpreter while it computes.

A thread that takes its shard through the whole model keeps its arrays in its own core's cache, and
the element-wise work is shared out as well as the matrix products. That beats a BLAS that splits
each single product over all cores, so BLAS is told to use one thread meanwhile.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

# (getter, setter) as the BLAS builds that NumPy is linked with name them.
BLAS_FUNCTIONS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)


def cpu_count() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def blas_controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions that get and set the number of threads of NumPy's BLAS; None if not found."""
    package = Path(np.__file__).parent
    bundled = [
        path
        for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs")
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if "blas" in path.name or "mkl" in path.name
    ]
    for library in [*map(str, bundled), None]:  # None: whatever the process has loaded already
        try:
            handle = ctypes.CDLL(library)
        except (OSError, TypeError):
            continue
        for getter, setter in BLAS_FUNCTIONS:
            if hasattr(handle, getter) and hasattr(handle, setter):
                return getattr(handle, getter), getattr(handle, setter)
    return None


@contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Within the block NumPy's BLAS uses ``n`` threads. Where that cannot be set: as it was."""
    controls = blas_controls()
    if controls is None:
        yield
        return
    get, set_ = controls
    before = get()
    set_(n)
    try:
        yield
    finally:
        set_(before)
