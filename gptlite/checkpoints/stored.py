"""The place of a tensor's numbers in a file, and the one way in which the numbers are read.

Every format comes down to a table of contents: for each tensor, the file, the byte at which its
numbers begin, their kind and their shape. A reader of a format makes that table, ``{name:
Stored}``; here the numbers go from the file into the array that will hold them.
"""

import zlib
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.strict_json import LFS_POINTER, shown
from gptlite.checkpoints.tensorflow.crc32c import crc32c
from gptlite.errors import CheckpointError

Shape = tuple[int, ...]

# Numbers read at a time: a block is checked and converted before it leaves the processor's caches.
BLOCK = 1 << 20

# Kind of number -> NumPy's dtype. NumPy has no bfloat16, which is the upper half of a float32.
READ_AS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}

CHECKSUMS = {"crc32c": crc32c, "crc32": zlib.crc32}  # TensorFlow's, and the zip's


class Checksum(NamedTuple):
    """The checksum of the bytes from a tensor's first byte on, as the format states it.

    Attributes:
        kind: one of ``CHECKSUMS``.
        value: the checksum itself.
        n_bytes: how many bytes it covers: more than the tensor's if the storage goes on after it.
    """

    kind: str
    value: int
    n_bytes: int


class Stored(NamedTuple):
    """One tensor as a table of contents describes it.

    Attributes:
        path: the file it lies in.
        begin: the byte of that file at which its first number begins.
        dtype: the kind of its numbers, as safetensors calls it: ``F32``, ``F16``, ``BF16``; other
            kinds may be listed, but not read.
        shape: the length of each of its axes.
        strides: along each axis, numbers from one element to the next; None for C order.
        checksum: the checksum of its bytes, where the format has one.
        rest: the place of its last numbers, where it goes on in another file.
    """

    path: Path
    begin: int
    dtype: str
    shape: Shape
    strides: tuple[int, ...] | None = None
    checksum: Checksum | None = None
    rest: "Stored | None" = None


Contents = Mapping[str, Stored]


def refuse_pointer(path: Path) -> None:
    """Refuse a Git LFS pointer: a few lines in place of a file that Git keeps elsewhere.

    Raises:
        CheckpointError: the file is such a pointer. OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise CheckpointError(
                f"{path}: expected a file of weights, found a Git LFS pointer to one "
                "('git lfs pull' fetches it)"
            )


def read_into(out: NDArray[np.floating[Any]], name: str, stored: Stored) -> None:
    """Fill an array with a tensor's numbers, converted to the array's own kind of number.

    Each number is written once, straight to its place. (A view into the mapped file would write
    none, but the official safetensors files begin their tensors at odd addresses, and NumPy copies
    an unaligned matrix anew at every multiplication.)

    Args:
        out: float32 or float16, of ``stored.shape``; any strides, so a transposed view will do.
        name: the tensor's name, for error messages.
        stored: the tensor's entry in the table of contents.

    Raises:
        CheckpointError: the numbers are of a kind that is not read, the file ends within them,
            their checksum is wrong, or one is too large for float16.
        OSError: the file cannot be read.
    """
    where = f"{stored.path}: tensor {shown(name)}"
    if stored.dtype not in READ_AS:
        raise CheckpointError(f"{where}: expected F32, F16 or BF16, found {stored.dtype}")
    if out.size == 0:
        return
    if stored.rest is not None:
        numbers = out.reshape(-1)  # [n]; a view, as only C-ordered tensors go on elsewhere
        n = out.size - stored.rest.shape[0]
        read_into(numbers[:n], name, stored._replace(shape=(n,), rest=None))
        read_into(numbers[n:], name, stored.rest)
        return
    # In C order the axes do not matter, and one long row makes blocks of any size.
    flat = out.flags.c_contiguous and stored.strides is None
    rows = out.reshape(-1) if flat else out  # [rows, ...]
    # Few files have numbers in any order but C's; their tensors are read in one piece.
    step = len(rows) if stored.strides else max(1, BLOCK // rows[0].size)  # rows in a block
    add = CHECKSUMS[stored.checksum.kind] if stored.checksum else None
    crc = 0
    with open(stored.path, "rb", buffering=0) as file:
        file.seek(stored.begin)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]  # [block, ...]
            found = _buffer_for(block, stored)
            if _read_fully(file, found) != found.nbytes:
                raise CheckpointError(f"{where}: the file ends within it")
            if add is not None:
                crc = add(found.data, crc)
            if found is not block:
                _convert(found, stored, block, where)
        if stored.checksum is not None:
            _compare(file, crc, stored.begin + stored.checksum.n_bytes, stored.checksum, where)


def _compare(file: FileIO, crc: int, end: int, checksum: Checksum, where: str) -> None:
    """Carry the checksum of the bytes read so far on to ``end``, and compare it with the file's."""
    while (left := end - file.tell()) > 0 and (block := file.read(min(left, 4 * BLOCK))):
        crc = CHECKSUMS[checksum.kind](block, crc)
    if crc != checksum.value:
        raise CheckpointError(
            f"{where}: expected {checksum.kind} {checksum.value:08x}, found {crc:08x}: "
            "its bytes are damaged"
        )


def _buffer_for(block: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """Return the array to read the bytes into: ``block`` itself if they need no conversion."""
    kind = np.dtype(READ_AS[stored.dtype])
    if stored.strides is not None:
        last = sum((n - 1) * s for n, s in zip(stored.shape, stored.strides, strict=True))
        return np.empty(last + 1, kind)  # [span]
    if stored.dtype != "BF16" and kind == block.dtype and block.flags.c_contiguous:
        return block
    return np.empty(block.shape, kind)  # [block, ...]


def _convert(found: NDArray[Any], stored: Stored, block: NDArray[Any], where: str) -> None:
    """Write the numbers that were read into ``block``, converted to its kind of number."""
    if stored.strides is not None:
        steps = [stride * found.itemsize for stride in stored.strides]
        found = np.lib.stride_tricks.as_strided(found, block.shape, steps)  # [block, ...], a view
    step = max(1, BLOCK // block[0].size)  # rows at a time; fewer than all where strides are given
    for start in range(0, len(block), step):
        piece = found[start : start + step]  # [rows, ...]
        if stored.dtype == "BF16":
            piece = (piece.astype(np.uint32) << 16).view(np.float32)  # [rows, ...]
        try:
            with np.errstate(over="raise"):
                block[start : start + step] = piece
        except FloatingPointError:
            largest = np.abs(piece[np.isfinite(piece)]).max()
            raise CheckpointError(f"{where}: {largest} is too large for {block.dtype}") from None


def _read_fully(file: FileIO, array: NDArray[Any]) -> int:
    """Read until the array is full or the file ends; a single ``readinto`` may read less."""
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    filled = 0
    while filled < len(view) and (n := file.readinto(view[filled:])):
        filled += n
    return filled
