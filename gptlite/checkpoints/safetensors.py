"""The safetensors format: a JSON table of tensors, then their bytes.

    8 bytes    N, the length of the header, little-endian
    N bytes    the header, UTF-8 JSON padded with spaces:
               {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
    the rest   the tensors, little-endian, C order, one after the other without a gap

A file may come from anywhere, so the header is believed only after every check below. It is read
more strictly than by the reference implementation, which lets the last of two equal names win. The
meaning of the tensors is not this file's business (see names.py).
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.stored import Stored
from gptlite.checkpoints.strict_json import MAX_BYTES, parse_object, shown
from gptlite.checks import check_dtype
from gptlite.errors import CheckpointError
from gptlite.files import with_progress, write_atomically
from gptlite.layers import Array

_MAX_DIMENSIONS = 32  # as in NumPy before 2.0

_BITS = {
    **dict.fromkeys(["F4"], 4),
    **dict.fromkeys(["F6_E2M3", "F6_E3M2"], 6),
    **dict.fromkeys(["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"], 8),
    **dict.fromkeys(["F8_E4M3FNUZ", "F8_E5M2FNUZ"], 8),
    **dict.fromkeys(["U16", "I16", "F16", "BF16"], 16),
    **dict.fromkeys(["U32", "I32", "F32"], 32),
    **dict.fromkeys(["U64", "I64", "F64", "C64"], 64),
}


def read_contents(path: Path) -> dict[str, Stored]:
    """List the tensors of a safetensors file, by name, checked against the file's size.

    Raises:
        CheckpointError: something in the file breaks the format's rules.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise CheckpointError(f"{path}: expected at least 8 bytes, found {size}")
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_BYTES:
            raise CheckpointError(f"{path}: header of {length} bytes, expected at most {MAX_BYTES}")
        if 8 + length > size:
            raise CheckpointError(f"{path}: header of {length} bytes in a file of {size}")
        text = file.read(length).rstrip(b" ")
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise CheckpointError(f"{path}: header is not a JSON object")
    header = parse_object(text, f"{path}: header")
    _check_metadata(header.pop("__metadata__", {}), path)
    contents: dict[str, Stored] = {}
    ends: dict[str, int] = {}
    for name, item in header.items():
        contents[name], ends[name] = _entry(name, item, 8 + length, path)
    _check_layout(contents, ends, 8 + length, size, path)
    return contents


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Array], dtype: str = "float32"
) -> None:
    """Write tensors as a safetensors file, byte for byte as the reference implementation would.

    Args:
        dtype: the dtype of the stored numbers, ``"float32"`` or ``"float16"``.

    Raises:
        ValueError: any other dtype, or a number too large for float16.
        OSError: the file cannot be written.
    """
    check_dtype(dtype)
    code, stored = {"float32": ("F32", "<f4"), "float16": ("F16", "<f2")}[dtype]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}  # transformers asks for it
    end = 0
    # The reference sorts by size of the dtype, then by name; here there is one dtype.
    for name in sorted(tensors):
        shape = tensors[name].shape
        begin, end = end, end + math.prod(shape) * np.dtype(stored).itemsize
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with write_atomically(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in with_progress(sorted(tensors), "saving", end):
            file.write(_stored_as(name, tensors[name], stored).tobytes())


def _stored_as(name: str, array: Array, stored: str) -> NDArray[np.floating[Any]]:
    with np.errstate(over="ignore"):
        result = array.astype(stored, copy=False)
    if np.any(np.isinf(result) & np.isfinite(array)):
        largest = np.abs(array[np.isfinite(array)]).max()
        raise ValueError(f"tensor {name!r}: {largest} does not fit {np.dtype(stored).name}")
    return result


def _check_metadata(metadata: Any, path: Path) -> None:
    is_text = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not is_text:
        raise CheckpointError(f"{path}: __metadata__: expected an object of strings")


def _entry(name: str, item: Any, start: int, path: Path) -> tuple[Stored, int]:
    """Check one item of the header by itself; return it, and the byte at which its tensor ends.

    Args:
        start: the byte of the file at which the tensors begin.
    """
    where = f"{path}: tensor {shown(name)}"
    if not isinstance(item, dict) or set(item) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(
            f"{where}: expected dtype, shape and data_offsets, found {shown(item)}"
        )
    dtype, shape, offsets = item["dtype"], item["shape"], item["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise CheckpointError(f"{where}: unknown dtype {shown(dtype)}")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS:
        raise CheckpointError(
            f"{where}: shape: expected at most {_MAX_DIMENSIONS} sizes, found {shown(shape)}"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise CheckpointError(
            f"{where}: data_offsets: expected [begin, end], found {shown(offsets)}"
        )
    bits, found = math.prod(shape) * _BITS[dtype], 8 * (offsets[1] - offsets[0])
    if bits != found:
        raise CheckpointError(
            f"{where}: {dtype} {shown(shape)} is {shown(bits)} bits, found {found}"
        )
    return Stored(path, start + offsets[0], dtype, tuple(shape)), start + offsets[1]


def _are_sizes(value: Any) -> bool:
    """Say whether a value is a list of ints, none negative (JSON also has 2.0 and true)."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _check_layout(
    contents: Mapping[str, Stored], ends: Mapping[str, int], start: int, size: int, path: Path
) -> None:
    """Check that tensors follow one another without a gap, from the header to the file's end."""
    end = start
    for name in sorted(contents, key=lambda name: (contents[name].begin, ends[name])):
        begin = contents[name].begin
        if begin != end:
            raise CheckpointError(
                f"{path}: tensor {shown(name)}: expected to begin at byte {end}, found {begin}"
            )
        end = ends[name]
    if end != size:
        raise CheckpointError(f"{path}: expected {end} bytes, found {size}")
