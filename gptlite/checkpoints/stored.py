"""Where a tensor's numbers lie in a file, and the one way in which they are read.

Every format comes down to this: a table of contents that says, for each tensor, at which byte of
which file its numbers begin, of what kind they are and in what shape. A reader of a format makes
the table, ``{name: Stored}``; here the numbers go from the file into the array that will hold them.
"""

import zlib
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.strict_json import shown
from gptlite.checkpoints.tensorflow.crc32c import crc32c
from gptlite.errors import CheckpointError

Shape = tuple[int, ...]

# Numbers read at a time: a block is checked and converted while it is in the processor's cache.
BLOCK = 1 << 20

# What NumPy reads each kind of number as. It has no bfloat16, the upper half of a float32.
READ_AS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


CHECKSUMS = {"crc32c": crc32c, "crc32": zlib.crc32}  # TensorFlow's; a zip's


class Checksum(NamedTuple):
    """What a format says of the bytes from a tensor's first on.

    Attributes:
        kind: one of ``CHECKSUMS``.
        value: what they add up to.
        n_bytes: how many they are; more than the tensor's where others follow in the same row.
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
        shape: its sizes.
        strides: numbers from one element to the next along each axis; None for C order.
        checksum: of its bytes, where the format has one.
    """

    path: Path
    begin: int
    dtype: str
    shape: Shape
    strides: tuple[int, ...] | None = None
    checksum: Checksum | None = None


Contents = Mapping[str, Stored]

_POINTER = b"version https://git-lfs"


def refuse_pointer(path: Path) -> None:
    """Call a file that Git keeps elsewhere by its name: its few lines only say what it would hold.

    Raises:
        CheckpointError: it is such a pointer. OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise CheckpointError(
                f"{path}: expected a file of weights, found a Git LFS pointer to one "
                "('git lfs pull' fetches it)"
            )


def read_into(out: NDArray[np.floating[Any]], name: str, stored: Stored) -> None:
    """Fill an array with a tensor's numbers, converted to the array's own kind of number.

    Each number is written once, straight to its place. (A view into the mapped file would not even
    do that, but the official safetensors files begin their tensors at odd addresses, and NumPy
    copies an unaligned matrix anew at every multiplication: three times as slow for one token.)

    Args:
        out: float32 or float16, of ``stored.shape``; any strides, so a transposed view will do.
        name: of the tensor, for the message of an error.

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
    # In C order there is no need of axes, of which the first may be all too short.
    flat = out.flags.c_contiguous and stored.strides is None
    rows = out.reshape(-1) if flat else out  # [rows, ...]
    # Numbers that do not lie in C order are few files' way, and are read in one piece.
    step = len(rows) if stored.strides else max(1, BLOCK // rows[0].size)  # rows in a block
    add = CHECKSUMS[stored.checksum.kind] if stored.checksum else None
    crc = 0
    with open(stored.path, "rb", buffering=0) as file:
        file.seek(stored.begin)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]  # [block, ...]
            found = _room_for(part, stored)
            if _fill(file, found) != found.nbytes:
                raise CheckpointError(f"{where}: the file ends within it")
            if add is not None:
                crc = add(found.data, crc)
            if found is not part:
                _convert(found, stored, part, where)
        if stored.checksum is not None:
            _check(file, crc, stored.begin + stored.checksum.n_bytes, stored.checksum, where)


def _check(file: FileIO, crc: int, end: int, checksum: Checksum, where: str) -> None:
    """Compare the checksum of what was read, and of what follows up to ``end``."""
    while (left := end - file.tell()) > 0 and (block := file.read(min(left, 4 * BLOCK))):
        crc = CHECKSUMS[checksum.kind](block, crc)
    if crc != checksum.value:
        raise CheckpointError(
            f"{where}: expected {checksum.kind} {checksum.value:08x}, found {crc:08x}: "
            "its bytes are damaged"
        )


def _room_for(part: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """The array that the file's bytes go into: ``part`` itself where they may stay as they are."""
    kind = np.dtype(READ_AS[stored.dtype])
    if stored.strides is not None:
        last = sum((n - 1) * s for n, s in zip(stored.shape, stored.strides, strict=True))
        return np.empty(last + 1, kind)  # [span]
    if stored.dtype != "BF16" and kind == part.dtype and part.flags.c_contiguous:
        return part
    return np.empty(part.shape, kind)  # [block, ...]


def _convert(found: NDArray[Any], stored: Stored, part: NDArray[Any], where: str) -> None:
    """Write what was read to its place, as the kind of number that is wanted there."""
    if stored.strides is not None:
        steps = [stride * found.itemsize for stride in stored.strides]
        found = np.lib.stride_tricks.as_strided(found, part.shape, steps)  # [block, ...], a view
    step = max(1, BLOCK // part[0].size)  # rows at a time, where the block is all there is
    for start in range(0, len(part), step):
        piece = found[start : start + step]  # [rows, ...]
        if stored.dtype == "BF16":
            piece = (piece.astype(np.uint32) << 16).view(np.float32)  # [rows, ...]
        try:
            with np.errstate(over="raise"):
                part[start : start + step] = piece
        except FloatingPointError:
            largest = np.abs(piece[np.isfinite(piece)]).max()
            raise CheckpointError(f"{where}: {largest} is too large for {part.dtype}") from None


def _fill(file: FileIO, array: NDArray[Any]) -> int:
    """Read until the array is full or the file at its end: one call may give less than asked."""
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    filled = 0
    while filled < len(view) and (n := file.readinto(view[filled:])):
        filled += n
    return filled
