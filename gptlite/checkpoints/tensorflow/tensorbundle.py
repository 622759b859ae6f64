"""TensorFlow's checkpoints (V2, "TensorBundle"), read and written without TensorFlow.

    PREFIX.index                   a sorted table: name -> kind, shape, place and checksum
    PREFIX.data-00000-of-00001     the numbers, one tensor after the other; or several such files

The values of the table are protocol buffers with these fields:

    BundleHeaderProto   (key "")  1 num_shards, 2 endianness, 3 version
    BundleEntryProto    1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size, 6 crc32c, 7 slices
    TensorShapeProto    2 dim {1 size}, 3 unknown_rank

https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto
"""

import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gptlite.checkpoints.stored import Checksum, Shape, Stored, refuse_pointer
from gptlite.checkpoints.strict_json import shown
from gptlite.checkpoints.tensorflow.crc32c import crc32c, masked, unmasked
from gptlite.checkpoints.tensorflow.sstable import MOST_BYTES, read_table, write_table
from gptlite.checkpoints.tensorflow.varint import decode_varint, encode_varint
from gptlite.errors import CheckpointError
from gptlite.files import with_progress, write_atomically
from gptlite.layers import Array

# DataType -> its name here, bytes of one number. Other kinds are listed as ``DT_n``.
KINDS = {
    1: ("F32", 4),
    2: ("F64", 8),
    3: ("I32", 4),
    4: ("U8", 1),
    5: ("I16", 2),
    6: ("I8", 1),
    7: ("STRING", None),
    8: ("C64", 8),
    9: ("I64", 8),
    10: ("BOOL", 1),
    14: ("BF16", 2),
    17: ("U16", 2),
    19: ("F16", 2),
    22: ("U32", 4),
    23: ("U64", 8),
}
FLOAT = 1
HEADER = bytes.fromhex("08011a020801")  # one shard, little-endian, version 1
_MAX_DIMENSIONS = 32  # as in NumPy before 2.0

# The ways in which a protocol buffer writes a field, and then how each field above is written.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_HEADER_FIELDS = {1: _VARINT, 2: _VARINT}
_ENTRY_FIELDS = {
    **{1: _VARINT, 2: _BYTES, 3: _VARINT, 4: _VARINT},
    **{5: _VARINT, 6: _FIXED32, 7: _BYTES},
}
_SHAPE_FIELDS = {2: _BYTES, 3: _VARINT}
_DIM_FIELDS = {1: _VARINT}


class BundleEntry(NamedTuple):
    """One tensor as the index describes it (BundleEntryProto).

    Attributes:
        dtype: the number of its DataType, see ``KINDS``.
        shape: the length of each of its axes.
        shard: the number of the file that it lies in.
        offset: its first byte in that file.
        size: how many bytes it has.
        crc: the checksum of its bytes, unmasked.
    """

    dtype: int
    shape: Shape
    shard: int
    offset: int
    size: int
    crc: int


# ---- Reading ------------------------------------------------------------------------------------


def read_contents(prefix: Path) -> dict[str, Stored]:
    """List the variables of a checkpoint, by name, checked against the sizes of its files.

    Args:
        prefix: the path without ``.index``.

    Raises:
        CheckpointError: a file is missing, too short or damaged; a variable is partitioned, or
            shares bytes with another; the numbers are big-endian.
        OSError: a file cannot be read.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    if not index.is_file():
        if prefix.is_file():
            raise CheckpointError(
                f"{prefix}: V1 checkpoints are not supported, and {index.name} of a V2 is missing"
            )
        raise CheckpointError(f"{prefix.parent}: missing {index.name}")
    n_shards, entries = read_index(index)
    files: dict[int, tuple[Path, int]] = {}  # shard -> its file, and where its last tensor ends
    contents: dict[str, Stored] = {}
    by_place = sorted(entries, key=lambda name: entries[name][2:5])  # shard, offset, size
    for name in by_place:
        dtype, shape, shard, offset, size, crc = entries[name]
        if shard not in files:
            files[shard] = (_shard_path(prefix, shard, n_shards), 0)
            if not files[shard][0].is_file():
                raise CheckpointError(f"{prefix.parent}: missing {files[shard][0].name}")
        path, end = files[shard]
        # Without this check a small file could hold a thousand large tensors, all the same bytes.
        if offset < end:
            raise CheckpointError(
                f"{index}: tensor {shown(name)}: expected to begin at byte {end} of {path.name} "
                f"or later, found {offset}"
            )
        files[shard] = (path, offset + size)
        checksum = Checksum("crc32c", crc, size)
        contents[name] = Stored(path, offset, _kind(dtype), shape, checksum=checksum)
    for path, end in files.values():
        if (found := os.path.getsize(path)) < end:
            refuse_pointer(path)
            raise CheckpointError(
                f"{path}: expected at least {end} bytes ({index.name} says so), found {found}"
            )
    return {name: contents[name] for name in entries}


def read_index(path: Path) -> tuple[int, dict[str, BundleEntry]]:
    """Read the number of shards and the tensors, by name, from an ``.index`` file.

    Raises:
        CheckpointError: the file is damaged, or has a partitioned variable.
        OSError: the file cannot be read.
    """
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise CheckpointError(f"{path}: expected at most {MOST_BYTES} bytes, found {size}")
    refuse_pointer(path)
    try:
        return parse_index(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None


def parse_index(data: bytes) -> tuple[int, dict[str, BundleEntry]]:
    """Parse the number of shards and the tensors, by name, from the bytes of an ``.index`` file.

    Raises:
        ValueError: the bytes are damaged, or have a partitioned variable.
    """
    table = read_table(data)
    if not table or table[0][0]:
        raise ValueError("expected a header first, found none")
    n_shards = parse_header(table[0][1])
    entries = {}
    for key, value in table[1:]:
        # The key of a piece of a partitioned variable: "\0", then the variable's name and more.
        if key.startswith(b"\0"):
            name = key[1:].split(b"\0")[0].decode("utf-8", "backslashreplace")
            raise ValueError(f"partitioned variable {shown(name)}: these are not supported")
        try:
            name = key.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"expected a name in UTF-8, found {shown(key)}") from None
        try:
            entries[name] = parse_entry(value)
        except ValueError as error:
            raise ValueError(f"tensor {shown(name)}: {error}") from None
        if entries[name].shard >= n_shards:
            raise ValueError(
                f"tensor {shown(name)}: expected a shard from 0 to {n_shards - 1}, "
                f"found {entries[name].shard}"
            )
    return n_shards, entries


def parse_header(data: bytes) -> int:
    """Parse the number of shards from the header.

    Raises:
        ValueError: the header is damaged, or says that the numbers are big-endian.
    """
    numbers, _ = parse_message(data, _HEADER_FIELDS)
    if numbers[2] != 0:
        raise ValueError("expected little-endian numbers, found big-endian ones")
    if not 0 < numbers[1] < 100_000:
        raise ValueError(f"expected 1 to 99999 shards, found {numbers[1]}")
    return numbers[1]


def parse_entry(data: bytes) -> BundleEntry:
    """Parse one entry of the index.

    Raises:
        ValueError: the entry is damaged, contradicts itself, or is a partitioned variable's.
    """
    numbers, messages = parse_message(data, _ENTRY_FIELDS)
    if messages[7]:
        raise ValueError("partitioned variable: these are not supported")
    shape = parse_shape(b"".join(messages[2]))
    dtype, shard, offset, size = (numbers[field] for field in (1, 3, 4, 5))
    if max(offset, size) >= 1 << 63:  # as int64, negative
        raise ValueError(f"expected an offset and a size below 2**63, found {offset} and {size}")
    _, item = KINDS.get(dtype, ("", None))
    if item is not None and size != math.prod(shape) * item:
        raise ValueError(
            f"{_kind(dtype)} {shown(list(shape))} is {shown(math.prod(shape) * item)} bytes, "
            f"found {size}"
        )
    return BundleEntry(dtype, shape, shard, offset, size, unmasked(numbers[6]))


def parse_shape(data: bytes) -> Shape:
    """Parse the sizes in a TensorShapeProto.

    Raises:
        ValueError: the shape is damaged, of unknown rank, or has a negative size.
    """
    numbers, messages = parse_message(data, _SHAPE_FIELDS)
    if numbers[3]:
        raise ValueError("expected a shape, found one of unknown rank")
    if len(messages[2]) > _MAX_DIMENSIONS:
        raise ValueError(f"shape: expected at most {_MAX_DIMENSIONS} sizes, found more")
    shape = tuple(parse_message(dim, _DIM_FIELDS)[0][1] for dim in messages[2])
    if any(size >= 1 << 63 for size in shape):  # as int64, negative
        raise ValueError(f"shape: expected sizes below 2**63, found {shown(list(shape))}")
    return shape


def parse_message(
    data: bytes, wanted: Mapping[int, int]
) -> tuple[dict[int, int], dict[int, list[bytes]]]:
    """Parse the fields of a protocol buffer.

    Args:
        wanted: number of a field -> the way it is written; any other field is skipped.

    Returns:
        The wanted fields that are numbers, 0 where the message has none; and the wanted fields that
        are bytes, each as many times as the message has it.

    Raises:
        ValueError: the message is damaged, a field is written in some other way, or a number
            appears twice.
    """
    numbers: dict[int, int] = {}
    messages: dict[int, list[bytes]] = {n: [] for n, wire in wanted.items() if wire == _BYTES}
    at = 0
    while at < len(data):
        tag, at = decode_varint(data, at)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = decode_varint(data, at)
            content = b""
        else:
            if wire == _BYTES:
                length, at = decode_varint(data, at)
            elif wire in (_FIXED32, _FIXED64):
                length = 4 if wire == _FIXED32 else 8
            else:
                raise ValueError(f"field {field} is of unknown wire type {wire}")
            content = data[at : at + length]
            at += length
            if at > len(data):
                raise ValueError(f"field {field} runs past the end")
            value = int.from_bytes(content, "little") if wire != _BYTES else 0
        if field not in wanted:
            continue
        if wire != wanted[field] or field in numbers:
            raise ValueError(f"field {field} is there twice, or of wire type {wire}")
        if wire == _BYTES:
            messages[field].append(content)
        else:
            numbers[field] = value
    return {n: numbers.get(n, 0) for n, wire in wanted.items() if wire != _BYTES}, messages


def _kind(dtype: int) -> str:
    return KINDS[dtype][0] if dtype in KINDS else f"DT_{dtype}"


def _shard_path(prefix: Path, shard: int, n_shards: int) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{n_shards:05}")


# ---- Writing ------------------------------------------------------------------------------------


def write_bundle(prefix: Path, tensors: Mapping[str, Array]) -> None:
    """Write a checkpoint of one shard that TensorFlow reads: the numbers first, then the index.

    Args:
        prefix: the path without ``.index``.
        tensors: name -> array, written as float32.

    Raises:
        OSError: a file cannot be written.
    """
    entries: dict[str, BundleEntry] = {}
    offset = 0
    total = sum(4 * array.size for array in tensors.values())
    with write_atomically(_shard_path(prefix, 0, 1)) as file:
        for name in with_progress(sorted(tensors, key=str.encode), "saving", total):
            array = np.asarray(tensors[name], "<f4", order="C")
            file.write(array.data)
            entries[name] = BundleEntry(
                FLOAT, array.shape, 0, offset, array.nbytes, crc32c(array.data)
            )
            offset += array.nbytes
    with write_atomically(prefix.with_name(f"{prefix.name}.index")) as file:
        file.write(build_index(entries.items()))


def build_index(entries: Iterable[tuple[str, BundleEntry]]) -> bytes:
    """Build the index of a checkpoint of one shard, from entries sorted by their names' bytes."""
    table = [(name.encode(), encode_entry(entry)) for name, entry in entries]
    return write_table([(b"", HEADER), *table])


def encode_entry(entry: BundleEntry) -> bytes:
    """Write the protocol buffer of one entry; a number that is 0 is left out.

    >>> encode_entry(BundleEntry(1, (1, 64, 192), 0, 768, 49152, unmasked(0x4602A4D1))).hex()
    '0801120d1202080112020840120308c0012080062880800335d1a40246'
    """
    dims = b"".join(_message(2, _number(1, size)) for size in entry.shape)
    out = _number(1, entry.dtype) + _message(2, dims) + _number(3, entry.shard)
    out += _number(4, entry.offset) + _number(5, entry.size)
    return out + bytes([6 << 3 | _FIXED32]) + struct.pack("<I", masked(entry.crc))


def _number(field: int, value: int) -> bytes:
    return encode_varint(field << 3 | _VARINT) + encode_varint(value) if value else b""


def _message(field: int, content: bytes) -> bytes:
    return encode_varint(field << 3 | _BYTES) + encode_varint(len(content)) + content
