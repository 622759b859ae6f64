"""PyTorch's files, both forms that torch.save has written, without PyTorch.

The zip (since PyTorch 1.6) is an archive without compression, all of it in one folder:

    data.pkl         a pickle of the object saved, in which tensors only point to storages
    data/0 data/1    the storages, each a row of numbers; of each the archive has a checksum
    byteorder        "little"; missing in older files

The legacy form (the official .bin files) is five pickles one after the other, then the storages:

    a magic number, a version, a dict of machine properties, the object, the keys of the storages
    for each key     int64 count, then the numbers

Nothing in a pickle is run (see unpickler.py), and no tensor is read here: the table of contents
says where each lies. What the tensors mean is not this file's business (see names.py).
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gptlite.checkpoints.pytorch.unpickler import MAX_BYTES, Storage, Tensor, Unpickled, unpickle
from gptlite.checkpoints.stored import READ_AS, Checksum, Stored
from gptlite.checkpoints.strict_json import shown
from gptlite.errors import CheckpointError

ZIP_MAGIC = b"PK\3\4"
LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the first pickle, whole

# Where training scripts put the state dict, beside the optimizer's and the rest.
_NESTED = ("model", "state_dict", "model_state_dict")

_KEPT = ("model_args",)  # nanoGPT's sizes

_BYTES = {
    **dict.fromkeys(["BOOL", "U8", "I8"], 1),
    **dict.fromkeys(["I16", "F16", "BF16"], 2),
    **dict.fromkeys(["I32", "F32"], 4),
    **dict.fromkeys(["I64", "F64"], 8),
}

ROOM = 1 << 24  # bytes that even a small file's tensors may take
_MAX_DIRECTORY = 1 << 23  # bytes of a zip's table of contents; gpt2-xl's has 40 thousand


class _Span(NamedTuple):
    """Bytes of the file, and their checksum where it has one."""

    begin: int
    size: int
    crc32: int | None = None


def read_contents(path: Path) -> tuple[dict[str, Stored], dict[str, object]]:
    """The tensors of a state dict, by name, and the plain values saved beside it.

    Returns:
        {name: Stored}, names as they are in the file; and of what a training checkpoint keeps
        beside the state dict, nanoGPT's ``model_args`` if there: numbers, strings, bools, None.

    Raises:
        CheckpointError: neither form of PyTorch's; a pickle with anything but data in it; no state
            dict in it; a tensor that does not lie within its storage, or a storage within the file.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(len(LEGACY_MAGIC))
        if head == LEGACY_MAGIC:
            pickled, spans = _read_legacy(file, size, path)
        elif head.startswith(ZIP_MAGIC):
            pickled, spans = _read_zip(file, size, path)
        else:
            raise CheckpointError(
                f"{path}: expected a file by torch.save, found one that begins with {head[:8]!r}"
            )
    for storage in pickled.storages.values():
        _check_storage(storage, spans, path)
    state, extra = _state_dict(pickled.value, path)
    contents = {}
    for name, tensor in state.items():
        contents[name] = _stored(name, tensor, spans[tensor.storage.key], path)
    # Views may share a storage, as wte and lm_head do; more of that only serves to fill the memory.
    # They become float32; and one that is not in C order is read whole before.
    readable = [item for item in contents.values() if item.dtype in READ_AS]
    total = 4 * sum(math.prod(item.shape) for item in readable)
    total += size if any(item.strides is not None for item in readable) else 0
    if total > 4 * size + ROOM:
        raise CheckpointError(f"{path}: {total} bytes of tensors in a file of {size}")
    return contents, extra


# ---- The two forms ------------------------------------------------------------------------------


def _read_legacy(file: BinaryIO, size: int, path: Path) -> tuple[Unpickled, dict[str, _Span]]:
    file.seek(0)
    data = file.read(MAX_BYTES)
    source = str(path)
    version = unpickle(data, source, len(LEGACY_MAGIC))
    if version.value != 1001 or type(version.value) is not int:
        raise CheckpointError(f"{path}: expected version 1001 of the legacy form, found another")
    machine = unpickle(data, source, version.end)
    if not isinstance(machine.value, dict) or machine.value.get("little_endian") is not True:
        raise CheckpointError(f"{path}: expected little_endian True, found something else")
    pickled = unpickle(data, source, machine.end)
    keys = unpickle(data, source, pickled.end)
    if type(keys.value) is not list or not all(type(key) is str for key in keys.value):
        raise CheckpointError(f"{path}: expected a list of the storages' keys, found none")
    end = keys.end
    spans: dict[str, _Span] = {}
    for key in keys.value:
        where = f"{path}: storage {shown(key)}"
        if key not in pickled.storages or key in spans:
            raise CheckpointError(f"{where}: expected each storage of the pickle once")
        storage = pickled.storages[key]
        file.seek(end)
        found = int.from_bytes(file.read(8), "little", signed=True)
        if found != storage.numel:
            raise CheckpointError(f"{where}: expected {storage.numel} numbers, found {found}")
        spans[key] = _Span(end + 8, storage.numel * _BYTES[storage.dtype])
        end += 8 + spans[key].size
        if end > size:
            raise CheckpointError(f"{where}: expected at least {end} bytes of file, found {size}")
    if end != size:
        raise CheckpointError(f"{path}: expected {end} bytes, found {size}")
    return pickled, spans


def _read_zip(file: BinaryIO, size: int, path: Path) -> tuple[Unpickled, dict[str, _Span]]:
    records = _zip_records(file, size, path)
    pickles = [name for name in records if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1 or pickles[0].count("/") != 1:
        raise CheckpointError(
            f"{path}: expected one data.pkl in one folder, found {shown(pickles)}"
        )
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in records:
        order = _record(file, records[f"{folder}byteorder"], path)
        if order != b"little":
            raise CheckpointError(f"{path}: expected byteorder little, found {order[:8]!r}")
    pickled = unpickle(_record(file, records[pickles[0]], path), f"{path}: {shown(pickles[0])}")
    spans = {
        key: records[f"{folder}data/{key}"]
        for key in pickled.storages
        if f"{folder}data/{key}" in records
    }
    return pickled, spans


def _record(file: BinaryIO, span: _Span, path: Path) -> bytes:
    if span.size > MAX_BYTES:
        raise CheckpointError(
            f"{path}: expected a pickle of at most {MAX_BYTES} bytes, found {span.size}"
        )
    file.seek(span.begin)
    data = file.read(span.size)
    if span.crc32 is not None and (found := zlib.crc32(data)) != span.crc32:
        raise CheckpointError(
            f"{path}: the record at byte {span.begin}: expected crc32 {span.crc32:08x}, "
            f"found {found:08x}"
        )
    return data


# ---- Zip ----------------------------------------------------------------------------------------


def _zip_records(file: BinaryIO, size: int, path: Path) -> dict[str, _Span]:
    """Where the bytes of each file in an archive lie.

    Stricter than the standard library's zipfile, and sparing: that needs ten times the table's
    bytes, and believes sizes that reach beyond the archive. Source: PKWARE's APPNOTE.
    """
    directory = _zip_directory(file, size, path)
    file.seek(directory.begin)
    table = file.read(directory.size)
    records: dict[str, _Span] = {}
    at = 0
    while at < len(table):
        fields = table[at : at + 46]
        if len(fields) < 46 or not fields.startswith(b"PK\1\2"):
            raise CheckpointError(f"{path}: zip: entry {len(records)} of the table is damaged")
        flags, method = struct.unpack_from("<HH", fields, 8)
        crc, packed, unpacked, n_name, n_extra, n_comment = struct.unpack_from("<3I3H", fields, 16)
        (begin,) = struct.unpack_from("<I", fields, 42)
        at += 46
        raw, extra = table[at : at + n_name], table[at + n_name : at + n_name + n_extra]
        at += n_name + n_extra + n_comment
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise CheckpointError(f"{path}: zip: expected names in UTF-8, found others") from None
        if name.partition("/")[2].startswith(("code/", "constants.pkl")):
            raise CheckpointError(f"{path}: expected a state dict, found a TorchScript program")
        where = f"{path}: zip: record {shown(name)}"
        # 0xffffffff stands for a number that needs 64 bits; those follow, in this order.
        wide = _wide_numbers(extra)
        unpacked, packed, begin = (
            next(wide, -1) if number == 0xFFFFFFFF else number
            for number in (unpacked, packed, begin)
        )
        if name in records:
            raise CheckpointError(f"{where}: is there twice")
        if method != 0 or packed != unpacked:
            raise CheckpointError(f"{where}: expected no compression, found method {method}")
        if flags & 0x2041:  # encrypted in one of three ways
            raise CheckpointError(f"{where}: expected no encryption, found flags {flags:#x}")
        begin = _data_begin(file, begin, raw, directory.begin, where)
        if unpacked < 0 or begin + unpacked > directory.begin:
            raise CheckpointError(
                f"{where}: expected it to end before byte {directory.begin}, "
                f"found {unpacked} bytes from {begin}"
            )
        # PyTorch can be told to save without checksums, and writes 0 then.
        records[name] = _Span(begin, unpacked, crc or None)
    return records


def _zip_directory(file: BinaryIO, size: int, path: Path) -> _Span:
    """Where the table of an archive lies: the end of the file says so."""
    end = size - 22
    file.seek(max(0, end))
    tail = file.read(22)
    if len(tail) < 22 or not tail.startswith(b"PK\5\6") or tail[20:] != b"\0\0":
        raise CheckpointError(f"{path}: zip: expected its table at the end, found none")
    n_bytes, begin = struct.unpack_from("<II", tail, 12)
    file.seek(max(0, end - 76))
    wide = file.read(76)  # in a large archive: the same with 64 bits, and a pointer to that
    if len(wide) == 76 and wide.startswith(b"PK\6\6") and wide[56:60] == b"PK\6\7":
        n_bytes, begin = struct.unpack_from("<QQ", wide, 40)
        end -= 76
    if begin + n_bytes != end or n_bytes > _MAX_DIRECTORY:
        raise CheckpointError(
            f"{path}: zip: expected a table of at most {_MAX_DIRECTORY} bytes that ends at byte "
            f"{end}, found {n_bytes} bytes from {begin}"
        )
    return _Span(begin, n_bytes)


def _data_begin(file: BinaryIO, begin: int, name: bytes, limit: int, where: str) -> int:
    """The byte after a record's own header, whose length the table does not say."""
    if 0 <= begin <= limit:
        file.seek(begin)
        header = file.read(30 + len(name))
        if header.startswith(b"PK\3\4") and header[30:] == name:
            n_name, n_extra = struct.unpack_from("<HH", header, 26)
            if n_name == len(name):
                return begin + len(header) + int(n_extra)
    raise CheckpointError(f"{where}: expected its header at byte {begin}, found none")


def _wide_numbers(extra: bytes) -> Iterator[int]:
    """The numbers in the field of an entry that is for those of 64 bits."""
    at = 0
    while at + 4 <= len(extra):
        kind, n = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + n]
            yield from struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8])
            return
        at += 4 + n


# ---- What the pickle described ------------------------------------------------------------------


def _check_storage(storage: Storage, spans: Mapping[str, _Span], path: Path) -> None:
    where = f"{path}: storage {shown(storage.key)}"
    if storage.key not in spans:
        raise CheckpointError(f"{where}: expected it in the file, found none")
    expected, found = storage.numel * _BYTES[storage.dtype], spans[storage.key].size
    if expected != found:
        raise CheckpointError(f"{where}: expected {expected} bytes, found {found}")


def _state_dict(value: object, path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The state dict in what was saved, and the sizes beside it."""
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a state dict, found {_kind(value)}")
    extra: dict[str, object] = {}
    for key in _NESTED:
        nested = value.get(key)
        if isinstance(nested, dict):
            extra = {k: value[k] for k in _KEPT if k in value and _is_plain(value[k])}
            value = nested
            break
    state: dict[str, Tensor] = {}
    for name, tensor in value.items():
        if type(name) is not str:
            raise CheckpointError(f"{path}: expected names of tensors, found {_kind(name)}")
        if type(tensor) is not Tensor:
            raise CheckpointError(
                f"{path}: {shown(name)}: expected a tensor, found {_kind(tensor)}"
            )
        state[name] = tensor
    return state, extra


def _kind(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def _is_plain(value: object) -> bool:
    """Whether this is a dict of numbers, strings, bools and None, by name."""
    plain = (bool, int, float, str, type(None))
    return isinstance(value, dict) and all(
        type(k) is str and type(v) in plain for k, v in value.items()
    )


def _stored(name: str, tensor: Tensor, span: _Span, path: Path) -> Stored:
    """A tensor whose numbers all lie within its storage, whose bytes are those of the span."""
    storage, offset, shape, strides = tensor
    numel, in_c_order = 1, []
    for n in reversed(shape):
        in_c_order.append(numel)
        numel *= n
    in_c_order.reverse()
    # Along an axis of 1 there is no step to make, whatever the file says.
    steps = [s if n > 1 else c for n, s, c in zip(shape, strides, in_c_order, strict=True)]
    last = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    # The count as well: with a stride of 0, any number of elements would lie within.
    if numel > storage.numel or offset > storage.numel or (numel and last >= storage.numel):
        raise CheckpointError(
            f"{path}: tensor {shown(name)}: expected it within its storage of {storage.numel} "
            f"numbers, found shape {shown(list(shape))}, strides {shown(steps)}, "
            f"offset {offset}"
        )
    begin = span.begin + offset * _BYTES[storage.dtype]
    is_c_order = numel == 0 or steps == in_c_order
    checksum = None
    if span.crc32 is not None and offset == 0:  # what begins within a storage has none
        checksum = Checksum("crc32", span.crc32, span.size)
    return Stored(path, begin, storage.dtype, shape, None if is_c_order else tuple(steps), checksum)
