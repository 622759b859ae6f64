"""PyTorch's files, in both forms that torch.save has written, read without PyTorch.

The zip (since PyTorch 1.6; see archive.py) has these members, all of them in one folder:

    data.pkl         a pickle of the object saved, in which tensors only point to storages
    data/0 data/1    the storages, each a row of numbers; the archive has a checksum of each
    byteorder        "little"; missing in older files

The legacy form (the official .bin files) is five pickles one after the other, then the storages:

    a magic number, a version, a dict of machine properties, the object, the keys of the storages
    for each key     int64 count, then the numbers

Nothing in a pickle is run (see unpickler.py), and no tensor is read here: the table of contents
says where each lies. The meaning of the tensors is not this file's business (see names.py).
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from gptlite.checkpoints.pytorch.archive import ZIP_MAGIC, Span, list_members, read_member
from gptlite.checkpoints.pytorch.unpickler import MAX_BYTES, Storage, Tensor, Unpickled, unpickle
from gptlite.checkpoints.stored import READ_AS, Checksum, Stored
from gptlite.checkpoints.strict_json import shown
from gptlite.errors import CheckpointError

LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the first pickle, whole

# Training scripts put the state dict under one of these keys, beside the optimizer's and the rest.
_NESTED = ("model", "state_dict", "model_state_dict")

_KEPT = ("model_args",)  # nanoGPT's sizes

_BYTES = {
    **dict.fromkeys(["BOOL", "U8", "I8"], 1),
    **dict.fromkeys(["I16", "F16", "BF16"], 2),
    **dict.fromkeys(["I32", "F32"], 4),
    **dict.fromkeys(["I64", "F64"], 8),
}

ROOM = 1 << 24  # bytes of memory that even a small file's tensors may take


def read_contents(path: Path) -> tuple[dict[str, Stored], dict[str, object]]:
    """List the tensors of a state dict, by name, and the plain values saved beside it.

    Returns:
        {name: Stored}, under the names in the file; and nanoGPT's ``model_args``, if a training
        checkpoint has them beside the state dict: numbers, strings, bools, None.

    Raises:
        CheckpointError: the file has neither of PyTorch's forms; its pickle holds more than data,
            or no state dict; a tensor lies outside its storage, or a storage outside the file.
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
    # Views may share a storage, as wte and lm_head do; many more views of one would only fill the
    # memory. Each becomes float32; one that is not in C order has its storage read whole first.
    readable = [item for item in contents.values() if item.dtype in READ_AS]
    total = 4 * sum(math.prod(item.shape) for item in readable)
    total += size if any(item.strides is not None for item in readable) else 0
    if total > 4 * size + ROOM:
        raise CheckpointError(f"{path}: {total} bytes of tensors in a file of {size}")
    return contents, extra


# ---- The two forms ------------------------------------------------------------------------------


def _read_legacy(file: BinaryIO, size: int, path: Path) -> tuple[Unpickled, dict[str, Span]]:
    """Read the five pickles; return the object's, and where the bytes of each storage lie."""
    file.seek(0)
    data = file.read(MAX_BYTES)
    where = str(path)
    version = unpickle(data, where, len(LEGACY_MAGIC))
    if version.value != 1001 or type(version.value) is not int:
        raise CheckpointError(f"{path}: expected version 1001 of the legacy form, found another")
    machine = unpickle(data, where, version.end)
    if not isinstance(machine.value, dict) or machine.value.get("little_endian") is not True:
        raise CheckpointError(f"{path}: expected little_endian True, found something else")
    pickled = unpickle(data, where, machine.end)
    keys = unpickle(data, where, pickled.end)
    if type(keys.value) is not list or not all(type(key) is str for key in keys.value):
        raise CheckpointError(f"{path}: expected a list of the storages' keys, found none")
    end = keys.end
    spans: dict[str, Span] = {}
    for key in keys.value:
        where = f"{path}: storage {shown(key)}"
        if key not in pickled.storages or key in spans:
            raise CheckpointError(f"{where}: expected each storage of the pickle once")
        storage = pickled.storages[key]
        file.seek(end)
        found = int.from_bytes(file.read(8), "little", signed=True)
        if found != storage.numel:
            raise CheckpointError(f"{where}: expected {storage.numel} numbers, found {found}")
        spans[key] = Span(end + 8, storage.numel * _BYTES[storage.dtype])
        end += 8 + spans[key].size
        if end > size:
            raise CheckpointError(f"{where}: expected at least {end} bytes of file, found {size}")
    if end != size:
        raise CheckpointError(f"{path}: expected {end} bytes, found {size}")
    return pickled, spans


def _read_zip(file: BinaryIO, size: int, path: Path) -> tuple[Unpickled, dict[str, Span]]:
    """Read the archive's pickle; return it, and where the bytes of each storage lie."""
    members = list_members(file, size, path)
    pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1 or pickles[0].count("/") != 1:
        raise CheckpointError(
            f"{path}: expected one data.pkl in one folder, found {shown(pickles)}"
        )
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in members:
        order = read_member(file, members[f"{folder}byteorder"], MAX_BYTES, path)
        if order != b"little":
            raise CheckpointError(f"{path}: expected byteorder little, found {order[:8]!r}")
    data = read_member(file, members[pickles[0]], MAX_BYTES, path)
    pickled = unpickle(data, f"{path}: {shown(pickles[0])}")
    spans = {
        key: members[f"{folder}data/{key}"]
        for key in pickled.storages
        if f"{folder}data/{key}" in members
    }
    return pickled, spans


# ---- The object that the pickle describes -------------------------------------------------------


def _check_storage(storage: Storage, spans: Mapping[str, Span], path: Path) -> None:
    """Refuse a storage that the file lacks, or that has a different size there."""
    where = f"{path}: storage {shown(storage.key)}"
    if storage.key not in spans:
        raise CheckpointError(f"{where}: expected it in the file, found none")
    expected, found = storage.numel * _BYTES[storage.dtype], spans[storage.key].size
    if expected != found:
        raise CheckpointError(f"{where}: expected {expected} bytes, found {found}")


def _state_dict(value: object, path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Find the state dict in the saved object, and nanoGPT's sizes beside it."""
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
    """Say whether a value is a dict of names and plain values: numbers, strings, bools, None."""
    plain = (bool, int, float, str, type(None))
    return isinstance(value, dict) and all(
        type(k) is str and type(v) in plain for k, v in value.items()
    )


def _stored(name: str, tensor: Tensor, span: Span, path: Path) -> Stored:
    """Describe a tensor, whose numbers must all lie within its storage (``span`` in the file).

    Raises:
        CheckpointError: a number lies outside the storage.
    """
    storage, offset, shape, strides = tensor
    numel, in_c_order = 1, []
    for n in reversed(shape):
        in_c_order.append(numel)
        numel *= n
    in_c_order.reverse()
    # Along an axis of length 1 there is no step to take, whatever the file says.
    steps = [s if n > 1 else c for n, s, c in zip(shape, strides, in_c_order, strict=True)]
    last = offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    # numel is checked too: with a stride of 0, any number of elements would lie in the storage.
    if numel > storage.numel or offset > storage.numel or (numel and last >= storage.numel):
        raise CheckpointError(
            f"{path}: tensor {shown(name)}: expected it within its storage of {storage.numel} "
            f"numbers, found shape {shown(list(shape))}, strides {shown(steps)}, "
            f"offset {offset}"
        )
    begin = span.begin + offset * _BYTES[storage.dtype]
    is_c_order = numel == 0 or steps == in_c_order
    checksum = None
    if span.crc32 is not None and offset == 0:  # a tensor that begins later has no checksum
        checksum = Checksum("crc32", span.crc32, span.size)
    return Stored(path, begin, storage.dtype, shape, None if is_c_order else tuple(steps), checksum)
