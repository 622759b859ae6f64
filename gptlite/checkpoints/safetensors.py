"""The safetensors format: a JSON table of tensors, then their bytes.

    8 bytes    N, the length of the header, little-endian
    N bytes    the header, UTF-8 JSON padded with spaces:
               {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
    the rest   the tensors, little-endian, C order, one after the other without a gap

A file may come from anywhere, so the header is believed only after every check below; it is read
more strictly than by the reference implementation, which lets the last of two equal names win. What
the tensors mean is not this file's business (see names.py).
"""

import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.strict_json import parse_object, shown
from gptlite.errors import CheckpointError
from gptlite.files import write_atomically
from gptlite.layers import Array

MAX_HEADER_BYTES = 25_000_000  # as huggingface_hub; gpt2-xl's header has 70 thousand
_MAX_DIMENSIONS = 32  # as NumPy before 2.0

_BITS = {
    **dict.fromkeys(["F4"], 4),
    **dict.fromkeys(["F6_E2M3", "F6_E3M2"], 6),
    **dict.fromkeys(["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"], 8),
    **dict.fromkeys(["F8_E4M3FNUZ", "F8_E5M2FNUZ"], 8),
    **dict.fromkeys(["U16", "I16", "F16", "BF16"], 16),
    **dict.fromkeys(["U32", "I32", "F32"], 32),
    **dict.fromkeys(["U64", "I64", "F64", "C64"], 64),
}


class Entry(NamedTuple):
    """One tensor as the header describes it; ``begin`` and ``end`` count from the file's start."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(file: BufferedReader) -> dict[str, Entry]:
    """The tensors of an open safetensors file, by name, checked against the file's size.

    Raises:
        CheckpointError: anything in the file is not as the format wants it.
    """
    size = os.fstat(file.fileno()).st_size
    if size < 8:
        raise CheckpointError(f"{file.name}: expected at least 8 bytes, found {size}")
    length = int.from_bytes(_read(file, 8), "little")
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(
            f"{file.name}: header of {length} bytes, expected at most {MAX_HEADER_BYTES}"
        )
    if 8 + length > size:
        raise CheckpointError(f"{file.name}: header of {length} bytes in a file of {size}")
    text = _read(file, length).rstrip(b" ")
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise CheckpointError(f"{file.name}: header is not a JSON object")
    header = parse_object(text, f"{file.name}: header")
    _check_metadata(header.pop("__metadata__", {}), file.name)
    entries = {name: _entry(name, item, 8 + length, file.name) for name, item in header.items()}
    _check_layout(entries, 8 + length, size, file.name)
    return entries


def read_tensor(file: BufferedReader, name: str, entry: Entry) -> Array:
    """One tensor as float32 in memory of its own.

    The bytes are read straight into a fresh array. A view into the mapped file would save that, but
    the official files begin their tensors at odd addresses, and NumPy copies an unaligned matrix
    anew at every multiplication: three times as slow for one token.

    Returns:
        float32 ``entry.shape``

    Raises:
        CheckpointError: the tensor is not F32, F16 or BF16, or the file ends before it does.
    """
    if entry.dtype not in ("F32", "F16", "BF16"):
        raise CheckpointError(
            f"{file.name}: tensor {shown(name)}: expected F32, F16 or BF16, found {entry.dtype}"
        )
    stored = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[entry.dtype]
    array: NDArray[Any] = np.empty(entry.shape, dtype=stored)
    file.seek(entry.begin)
    if file.readinto(array.data) != array.nbytes:
        raise CheckpointError(f"{file.name}: tensor {shown(name)}: the file ends within it")
    if entry.dtype == "BF16":  # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False)


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Array], dtype: str = "float32"
) -> None:
    """Write tensors as a safetensors file, byte for byte as the reference implementation would.

    Args:
        dtype: ``"float32"`` or ``"float16"``, what the numbers are stored as.

    Raises:
        ValueError: another dtype, or a number too large for float16.
        OSError: the file cannot be written.
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype must be 'float32' or 'float16', not {dtype!r}")
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
        for name in sorted(tensors):
            file.write(_stored_as(name, tensors[name], stored).tobytes())


def _stored_as(name: str, array: Array, stored: str) -> NDArray[np.floating[Any]]:
    with np.errstate(over="ignore"):
        result = array.astype(stored, copy=False)
    if np.any(np.isinf(result) & np.isfinite(array)):
        largest = np.abs(array[np.isfinite(array)]).max()
        raise ValueError(f"tensor {name!r}: {largest} does not fit {np.dtype(stored).name}")
    return result


def _read(file: BufferedReader, n: int) -> bytes:
    data = file.read(n)
    if len(data) != n:
        raise CheckpointError(f"{file.name}: the file ends within its header")
    return data


def _check_metadata(metadata: Any, path: str) -> None:
    is_text = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not is_text:
        raise CheckpointError(f"{path}: __metadata__: expected an object of strings")


def _entry(name: str, item: Any, start: int, path: str) -> Entry:
    """One item of the header, checked by itself; ``start`` is where the tensors' bytes begin."""
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
    return Entry(dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _are_sizes(value: Any) -> bool:
    """Whether this is a list of true ints that are not negative (JSON also has 2.0 and true)."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _check_layout(entries: Mapping[str, Entry], start: int, size: int, path: str) -> None:
    """Each tensor begins where the one before it ends, and the last ends where the file does."""
    end = start
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != end:
            raise CheckpointError(
                f"{path}: tensor {shown(name)}: expected to begin at byte {end}, "
                f"found {entry.begin}"
            )
        end = entry.end
    if end != size:
        raise CheckpointError(f"{path}: expected {end} bytes, found {size}")
