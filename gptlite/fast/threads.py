"""The threads of BLAS: without ``blas_threads(n)`` a block runs the same, on BLAS's default.

Training takes several shards of a batch through the whole model side by side (training/shards.py).
NumPy releases the interpreter while it computes; each thread keeps its arrays in its own core's
cache, and the element-wise work is shared out as well as the matrix products. That beats a BLAS
that splits each single product over all cores, so BLAS is told to use one thread meanwhile.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

# (getter, setter), by the names they have in the BLAS builds that NumPy is linked with.
BLAS_FUNCTIONS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
)


class Block:
    """A block of code and the number of threads that it asks for: an entry of ``_blocks``."""

    def __init__(self, n: int) -> None:
        self.n = n


_lock = Lock()
_blocks: list[Block] = []  # those that run now, the latest last; before them, what was


def cpu_count() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def blas_controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Find the functions that get and set the number of threads of NumPy's BLAS; None if absent."""
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
    """Let NumPy's BLAS use ``n`` threads within the block, where it has a switch for that.

    The switch is the whole process's. Of blocks in several threads the latest to begin counts, and
    when the last ends, BLAS is as it was before the first.
    """
    controls = blas_controls()
    if controls is None:
        yield
        return
    get, set_ = controls
    block = Block(n)

    def leave() -> None:
        with _lock:
            if block in _blocks:
                _blocks.remove(block)
            if _blocks:
                set_(_blocks[-1].n)
            if len(_blocks) == 1:
                _blocks.clear()

    try:
        with _lock:
            if not _blocks:
                _blocks.append(Block(get()))
            _blocks.append(block)
            set_(n)
        yield
    finally:
        whatever_interrupts(leave)


def whatever_interrupts(work: Callable[[], object]) -> None:
    """Do the work, from its beginning again after each Ctrl-C, which counts only then."""
    try:
        work()
    except KeyboardInterrupt:
        whatever_interrupts(work)
        raise


def forget_blocks() -> None:
    """Let BLAS be as it was before all blocks: in a copy of the process none of them runs."""
    global _lock
    _lock = Lock()  # another thread may have held it
    if _blocks and (controls := blas_controls()):
        controls[1](_blocks[0].n)
    _blocks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_blocks)
