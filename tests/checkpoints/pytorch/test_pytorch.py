"""PyTorch's checkpoints: what torch.save wrote, what it never would, and what is damaged."""

import io
import json
import pickle
import random
import struct
import time
import tracemalloc
import warnings
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import times
from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.pytorch.contents import _BYTES, LEGACY_MAGIC, read_contents
from gptlite.checkpoints.pytorch.unpickler import _OPCODES
from gptlite.checkpoints.reading import weights_file
from gptlite.checkpoints.stored import READ_AS, Stored, read_into
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from gptlite.model import GPT
from pickles import integer, named, storage, text, tuple_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "torch"
CONFIG = GPTConfig(n_vocab=300, n_ctx=16, n_embd=8, n_head=2, n_layer=2)


# ---- Files by hand ------------------------------------------------------------------------------


def tensor(
    shape: list[int], strides: list[int], offset: int = 0, held: bytes | None = None
) -> bytes:
    arguments = tuple_of(
        held or storage(),
        integer(offset),
        tuple_of(*map(integer, shape)),
        tuple_of(*map(integer, strides)),
        b"\x89",
        named("collections.OrderedDict") + b")R",
    )
    return named("torch._utils._rebuild_tensor_v2") + arguments + b"R"


def dict_of(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(n) + v for n, v in values.items()) + b"u"


def state(**tensors: bytes) -> bytes:
    return b"\x80\x02" + dict_of(**tensors) + b"."


DATA = np.arange(6, dtype=np.float32)


def archive(pickled: bytes, records: dict[str, np.ndarray] | None = None, **more: bytes) -> bytes:
    """A zip file as torch.save writes it, around any pickle."""
    files = {"x/data.pkl": pickled, "x/byteorder": b"little"}
    files |= {f"x/data/{k}": a.tobytes() for k, a in ({"0": DATA} | (records or {})).items()}
    return zipped(files | more)


def zipped(files: dict[str, bytes], **options: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return out.getvalue()


def legacy(pickled: bytes, records: dict[str, np.ndarray] | None = None) -> bytes:
    """A file as torch.save wrote it before PyTorch 1.6, around any pickle."""
    records = {"0": DATA} | (records or {})
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    out = LEGACY_MAGIC + pickle.dumps(1001, 2) + pickle.dumps(machine, 2) + pickled
    out += pickle.dumps(list(records), 2)
    for array in records.values():
        out += struct.pack("<q", array.size) + array.tobytes()
    return out


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a file that can be read as float32."""
    return numbers_of(read_contents(path)[0])


def numbers_of(contents: dict[str, Stored]) -> dict[str, np.ndarray]:
    found = {}
    for name, stored in contents.items():
        if stored.dtype in READ_AS:
            found[name] = np.empty(stored.shape, np.float32)
            read_into(found[name], name, stored)
    return found


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert len(message) < len(str(path)) + 400
    return message


# ---- Written by torch ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hub_zip.bin", "hub_legacy.bin", "nanogpt.pt", "mingpt.pt"])
def test_written_by_torch(name: str, tmp_path: Path) -> None:
    """Conv1D's or nn.Linear's layout, zip or legacy, with and without masks and an optimizer."""
    if name != "nanogpt.pt":  # which has its sizes within
        sizes = {key: getattr(CONFIG, key) for key in ("n_vocab", "n_ctx", "n_embd")}
        sizes |= {"n_head": CONFIG.n_head, "n_layer": CONFIG.n_layer}
        (tmp_path / "hparams.json").write_text(json.dumps(sizes))
    path = tmp_path / name
    path.write_bytes((FIXTURES / name).read_bytes())
    assert weights_file(tmp_path) == path
    config, parameters = read_checkpoint(path)
    exact = name == "nanogpt.pt"
    assert config == (replace(CONFIG, activation_function="gelu") if exact else CONFIG)
    with np.load(FIXTURES / "expected.npz") as expected:
        assert set(expected.files) == set(parameters)
        for key in expected.files:
            assert parameters[key].tobytes() == expected[key].tobytes()


def test_names_and_sizes_are_left_as_they_are() -> None:
    contents, extra = read_contents(FIXTURES / "nanogpt.pt")
    assert len(contents) == 2 + 2 * 12 + 2 + 1
    assert contents["transformer.h.1.mlp.c_fc.weight"].shape == (32, 8)
    assert contents["lm_head.weight"] == contents["transformer.wte.weight"]
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 16, "vocab_size": 300}
    assert extra == {"model_args": sizes | {"bias": True, "dropout": 0.0}}
    for name in ("hub_zip.bin", "hub_legacy.bin"):
        contents, extra = read_contents(FIXTURES / name)
        assert len(contents) == 2 + 2 * 12 + 2 + 2 and extra == {}
        assert contents["h.0.attn.bias"].shape == (1, 1, 16, 16)
        assert all(stored.strides is None for stored in contents.values())


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_where_training_scripts_put_the_state_dict(key: str, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(archive(state(**{key: dict_of(a=tensor([6], [1])), "model_args": b"N"})))
    assert read(path)["a"].tolist() == DATA.tolist()
    assert read_contents(path)[1] == {}


def test_nanogpt_s_padding_is_kept_and_never_chosen(tmp_path: Path) -> None:
    d, shapes = 2, {"transformer.wte.weight": [50304, 2], "lm_head.weight": [50304, 2]}
    shapes |= {"transformer.wpe.weight": [3, d], "transformer.ln_f.weight": [d]}
    for leaf, shape in {
        "ln_1": [d],
        "attn.c_attn": [3 * d, d],
        "attn.c_proj": [d, d],
        "ln_2": [d],
        "mlp.c_fc": [4 * d, d],
        "mlp.c_proj": [d, 4 * d],
    }.items():
        shapes[f"transformer.h.0.{leaf}.weight"] = shape
    rng = np.random.default_rng(0)
    arrays = {n: rng.standard_normal(s, np.float32) for n, s in shapes.items()}
    arrays["lm_head.weight"] = arrays["transformer.wte.weight"]
    tensors = {
        n: tensor(list(a.shape), [s // 4 for s in a.strides], held=storage(n, a.size))
        for n, a in arrays.items()
    }
    sizes = {"n_layer": 1, "n_head": 1, "n_embd": d, "block_size": 3, "vocab_size": 50304}
    model_args = dict_of(**{name: integer(size) for name, size in sizes.items()})
    path = tmp_path / "ckpt.pt"
    path.write_bytes(archive(state(model=dict_of(**tensors), model_args=model_args), arrays))
    config, parameters = read_checkpoint(path)
    assert config == GPTConfig(50257, 3, d, 1, 1, n_padding=47)
    whole = arrays["transformer.wte.weight"]
    assert np.array_equal(parameters["wte.weight"], whole)
    assert GPT(config, parameters)([1, 2]).shape == (1, 2, 50257)
    c_attn = arrays["transformer.h.0.attn.c_attn.weight"]
    assert np.array_equal(parameters["h.0.attn.c_attn.weight"], c_attn.T)
    assert not parameters["h.0.attn.c_attn.bias"].any()  # nanoGPT's bias=False
    good = path.read_bytes()
    for row in (0, 50256, 50257, 50303):  # the checksum is of the padding, too
        path.write_bytes(with_flip(good, good.index(whole.tobytes()) + 4 * d * row))
        with pytest.raises(
            CheckpointError, match=r"wte\.weight'?: expected crc32 [0-9a-f]{8}, found"
        ):
            read_checkpoint(path)


# ---- Geometry -----------------------------------------------------------------------------------

FORMS = pytest.mark.parametrize("form", [archive, legacy])


@FORMS
def test_views_of_a_storage(form: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    tensors = {
        "rows": tensor([2, 3], [3, 1]),
        "turned": tensor([3, 2], [1, 3]),
        "every": tensor([3], [2]),
        "late": tensor([2], [1], 4),
        "scalar": tensor([], [], 5),
        "empty": tensor([0, 3], [3, 1]),
        "empty at the end": tensor([0], [1], 6),
        "column": tensor([2, 1], [3, 7], 2),
        "again": tensor([2, 2], [2, 0], 1),
        "far": tensor([1, 6], [2**62, 1]),
    }
    path.write_bytes(form(state(**tensors)))
    assert {name: array.tolist() for name, array in read(path).items()} == {
        "rows": [[0, 1, 2], [3, 4, 5]],
        "turned": [[0, 3], [1, 4], [2, 5]],
        "every": [0, 2, 4],
        "late": [4, 5],
        "scalar": 5,
        "empty": [],
        "empty at the end": [],
        "column": [[2], [5]],
        "again": [[1, 1], [3, 3]],
        "far": [[0, 1, 2, 3, 4, 5]],
    }
    contents = read_contents(path)[0]
    strided = {name for name, stored in contents.items() if stored.strides is not None}
    assert strided == {"turned", "every", "column", "again"}


@FORMS
def test_kinds_of_numbers(form: Any, tmp_path: Path) -> None:
    kinds = {"Half": "F16", "BFloat16": "BF16", "Double": "F64", "Long": "I64", "Int": "I32"}
    kinds |= {"Short": "I16", "Char": "I8", "Byte": "U8", "Bool": "BOOL", "Float": "F32"}
    sizes = {"Half": "e", "BFloat16": "e", "Double": "d", "Long": "q", "Int": "i", "Short": "h"}
    records = {kind: np.zeros(6, sizes.get(kind, "b")) for kind in kinds if kind != "Float"}
    tensors = {k: tensor([2, 3], [3, 1], held=storage(k, 6, f"torch.{k}Storage")) for k in records}
    path = tmp_path / "x.pt"
    path.write_bytes(form(state(Float=tensor([6], [1]), **tensors), records))
    assert {name: stored.dtype for name, stored in read_contents(path)[0].items()} == kinds


GEOMETRY = {
    "past the end": ([7], [1], 0, "expected it within its storage of 6"),
    "an offset past the end": ([1], [1], 6, "expected it within its storage of 6"),
    "an empty one past the end": ([0], [1], 7, "expected it within its storage of 6"),
    "an offset far past the end": ([1], [1], 2**63 - 1, "expected it within its storage"),
    "strides past the end": ([2, 2], [5, 1], 0, "expected it within its storage"),
    "a bomb of stride 0": ([10**9], [0], 0, "expected it within its storage"),
    "a bomb of two": ([10**5, 10**5], [0, 0], 0, "expected it within its storage"),
    "a negative size": ([-1], [1], 0, "expected a tensor's storage, offset"),
    "a negative stride": ([2], [-1], 3, "expected a tensor's storage, offset"),
    "a negative offset": ([2], [1], -1, "expected a tensor's storage, offset"),
    "fewer strides": ([2, 3], [3], 0, "expected a tensor's storage, offset"),
    "an overflow": ([2**62, 2**62], [1, 1], 0, "expected it within its storage"),
    "an overflow to zero": ([2**32, 2**32], [1, 1], 0, "expected it within its storage"),
    "an overflow of strides": ([2], [2**62], 0, "expected it within its storage"),
    "nine axes": ([1] * 9, [1] * 9, 0, "at most 8 sizes"),
}


@FORMS
@pytest.mark.parametrize("case", GEOMETRY)
def test_geometry_that_is_wrong(form: Any, case: str, tmp_path: Path) -> None:
    shape, strides, offset, message = GEOMETRY[case]
    assert message in refusal(tmp_path / "x.pt", form(state(a=tensor(shape, strides, offset))))


@FORMS
def test_one_storage_cannot_stand_for_a_whole_model(form: Any, tmp_path: Path) -> None:
    """10,000 tensors of 1 MB, all of them the same."""
    big = np.zeros(250_000, np.float32)
    shared = tensor([500, 500], [500, 1], held=storage("1", big.size))
    tensors = {f"a{i}": b"h\0" for i in range(10_000)}
    data = form(state(a=shared + b"q\0", b=tensor([6], [1]), **tensors), {"1": big})
    assert "bytes of tensors in a file of" in refusal(tmp_path / "x.pt", data)


@FORMS
def test_a_half_takes_no_more_than_it_may_when_it_is_read(form: Any, tmp_path: Path) -> None:
    """Tensors of bfloat16, with axes swapped or not: each number doubles, beside the storage."""
    halves = np.zeros(8_000_000, np.uint16)
    held = storage("0", halves.size, "torch.BFloat16Storage")
    for shape, strides in ([2000, 4000], [1, 2000]), ([1, 8_000_000], [8_000_000, 1]):
        path = tmp_path / "x.pt"
        path.write_bytes(form(state(a=tensor(shape, strides, held=held)), {"0": halves}))
        tracemalloc.start()
        read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * path.stat().st_size


# ---- Pickles that would do something ------------------------------------------------------------

HOSTILE = {
    "a call": (named("posix.system") + text("exit 3") + b"\x85R", "a call of 'posix.system'"),
    "a name": (named("builtins.eval"), "'builtins.eval' is not data"),
    "attributes": (tensor([1], [1]) + b"}b", "found one for Tensor"),
    "a storage of two kinds": (
        tensor([1], [1], held=storage(kind="torch.HalfStorage")),
        "expected 6 F32 as before, found 6 F16",
    ),
    "a number": (b"K\1", "'b': expected a tensor, found a value of type int"),
    "a blank": (named("argparse.Namespace") + b")\x81", "'b': expected a tensor, found a value"),
}


@FORMS
@pytest.mark.parametrize("case", HOSTILE)
def test_a_pickle_that_is_no_state_dict(form: Any, case: str, tmp_path: Path) -> None:
    body, message = HOSTILE[case]
    data = form(state(a=tensor([1], [1]), b=body))
    assert message in refusal(tmp_path / "x.pt", data)


# ---- Archives that are wrong --------------------------------------------------------------------

GOOD = state(a=tensor([2, 3], [3, 1]))
SOUND = archive(GOOD)
TABLE = SOUND.index(b"PK\1\2")  # the first entry is that of data.pkl
STORAGE_ENTRY = SOUND.rindex(b"PK\1\2")


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def with_flip(data: bytes, at: int) -> bytes:
    return with_bytes(data, at, bytes([data[at] ^ 4]))


def deflated() -> bytes:
    files = {"x/data.pkl": GOOD, "x/data/0": bytes(10**7)}
    return zipped(files, compression=zipfile.ZIP_DEFLATED)


def twice() -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as file:
        warnings.simplefilter("ignore")
        for name, data in [("x/data.pkl", GOOD), ("x/data/0", DATA), ("x/data/0", DATA)]:
            file.writestr(name, bytes(data))
    return out.getvalue()


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "no pickle": (SOUND.replace(b"data.pkl", b"data.pkx"), "expected one data.pkl in one folder"),
    "two pickles": (archive(GOOD, **{"y/data.pkl": GOOD}), "found ['x/data.pkl', 'y/data.pkl']"),
    "no folder": (zipped({"data.pkl": GOOD, "data/0": bytes(24)}), "expected one data.pkl in one"),
    "a program": (archive(GOOD, **{"x/code/a.py": b""}), "a TorchScript program"),
    "constants": (archive(GOOD, **{"x/constants.pkl": b""}), "a TorchScript program"),
    "big-endian": (archive(GOOD, **{"x/byteorder": b"bigger"}), "expected byteorder little"),
    "compressed": (deflated(), "record 'x/data.pkl': expected no compression, found method 8"),
    "a method of its own": (with_bytes(SOUND, TABLE + 10, b"\x63"), "found method 99"),
    "encrypted": (with_bytes(SOUND, TABLE + 8, b"\1"), "expected no encryption, found flags 0x1"),
    "a record twice": (twice(), "record 'x/data/0': is there twice"),
    "no storage": (zipped({"x/data.pkl": GOOD}), "storage '0': expected it in the file"),
    "a short storage": (archive(GOOD, {"0": DATA[:5]}), "expected 24 bytes, found 20"),
    "a long storage": (archive(GOOD, {"0": np.zeros(7, "f")}), "expected 24 bytes, found 28"),
    "a list": (archive(b"\x80\x02]."), "expected a state dict, found a value of type list"),
    "no name": (archive(b"\x80\x02}K\1" + tensor([1], [1]) + b"s."), "expected names of tensors"),
    "an empty pickle": (archive(b""), "cut short"),
    "bytes after": (SOUND + b"x", "expected its table at the end"),
    "a comment": (SOUND[:-2] + b"\1\0x", "expected its table at the end"),
    "only the magic": (b"PK\3\4", "expected its table at the end"),
    "a table elsewhere": (with_bytes(SOUND, len(SOUND) - 6, b"\0"), "expected a table of at most"),
    "a table of 4 GB": (with_bytes(SOUND, len(SOUND) - 10, b"\xff" * 8), "expected a table of"),
    "a damaged entry": (with_bytes(SOUND, STORAGE_ENTRY, b"PK\1\3"), "entry 2 of the table"),
    "a name in no encoding": (with_bytes(SOUND, TABLE + 46, b"\xff"), "names in UTF-8"),
    "another name at the record": (with_bytes(SOUND, 30, b"y"), "expected its header at byte 0"),
    "a record at the wrong place": (
        with_bytes(SOUND, STORAGE_ENTRY + 42, b"\1"),
        "record 'x/data/0': expected its header at byte",
    ),
    "a record far away": (
        with_bytes(SOUND, STORAGE_ENTRY + 42, b"\xfe\xff\xff\xff"),
        "expected its header at byte 4294967294",
    ),
    "a record that needs 64 bits, and has none": (
        with_bytes(SOUND, STORAGE_ENTRY + 42, b"\xff" * 4),
        "expected its header at byte -1",
    ),
    "a record of 4 GB": (
        with_bytes(SOUND, STORAGE_ENTRY + 20, b"\xfe\xff\xff\xff" * 2),
        "found 4294967294 bytes from",
    ),
    "a web page": (b"<!DOCTYPE html><html>", "expected a file by torch.save"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "by torch.save"),
    "a tar file": (b"storages" + bytes(92) + b"0000644", "expected a file by torch.save"),
    "nothing": (b"", "expected a file by torch.save, found one that begins with b''"),
    "a pickle that is no checkpoint": (pickle.dumps({"a": 1}, 2), "expected a file by torch.save"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_is_wrong(case: str, tmp_path: Path) -> None:
    data, message = ARCHIVES[case]
    assert message in refusal(tmp_path / "x.pt", data)


def test_a_bit_that_flipped_in_an_archive_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    tensors = {
        "whole": tensor([2, 3], [3, 1]),
        "turned": tensor([3, 2], [1, 3]),
        "beginning": tensor([2], [1]),
        "every": tensor([2], [2]),
    }
    for name, held in tensors.items():
        good = archive(state(a=held))
        path.write_bytes(good)
        read(path)
        for at in range(DATA.nbytes):
            path.write_bytes(with_flip(good, good.index(DATA.tobytes()) + at))
            with pytest.raises(CheckpointError, match=r"tensor 'a': expected crc32 [0-9a-f]{8}, f"):
                read(path)
        within = good.index(b"storage") + 1
        assert "expected crc32" in refusal(path, with_flip(good, within)), name
    # The checksum of a tensor that begins within its storage is not known.
    good = archive(state(a=tensor([2], [1], 1)))
    path.write_bytes(with_flip(good, good.index(DATA.tobytes()) + 4))
    assert read(path)["a"].tolist() != [1, 2]


def test_an_archive_without_checksums(tmp_path: Path) -> None:
    """As torch.serialization.set_crc32_options(False) leaves it: 0 everywhere."""
    data, at = bytearray(SOUND), 0
    while (at := data.find(b"PK\1\2", at) + 1) > 0:
        data[at + 15 : at + 19] = bytes(4)
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    assert read(path)["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_an_archive_with_numbers_of_64_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an archive of more than 4 GB: in the table's entries, and for the table's place."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    data = archive(GOOD)
    assert b"PK\6\6" in data and data.count(b"\xff" * 4) > 8
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    assert read(path)["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    # A field of another kind; one with two numbers only; another place.
    at = data.rindex(b"PK\1\2") + 46 + len("x/data/0")
    assert data[at : at + 4] == b"\1\0\x18\0"  # three numbers
    assert "expected its header at byte -1" in refusal(path, with_bytes(data, at, b"\2"))
    assert "expected its header at byte -1" in refusal(path, with_bytes(data, at + 2, b"\x10"))
    damaged = with_bytes(data, at + 20, b"\xff" * 8)
    assert f"expected its header at byte {2**64 - 1}" in refusal(path, damaged)


# ---- Legacy files that are wrong ----------------------------------------------------------------

LEGACIES: dict[str, tuple[bytes, str]] = {
    "the magic number alone": (LEGACY_MAGIC, "cut short"),
    "another version": (legacy(GOOD).replace(b"M\xe9\x03.", b"M\xea\x03.", 1), "version 1001"),
    "big-endian": (legacy(GOOD).replace(b"\x88", b"\x89", 1), "expected little_endian True"),
    "a machine that is a list": (
        LEGACY_MAGIC + pickle.dumps(1001, 2) + pickle.dumps([], 2) + GOOD,
        "expected little_endian True",
    ),
    "no list of keys": (
        LEGACY_MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2) + 2 * GOOD,
        "expected a list of the storages' keys",
    ),
    "bytes after": (legacy(GOOD) + b"x", "bytes, found"),
    "bytes missing": (legacy(GOOD)[:-1], "storage '0': expected at least"),
    "a storage missing": (legacy(GOOD)[:-32], "storage '0': expected 6 numbers, found 0"),
    "more numbers": (legacy(GOOD, {"0": np.zeros(7, "f")}), "expected 6 numbers, found 7"),
    "2**60 numbers": (
        legacy(state(a=tensor([2], [1], held=storage("0", 2**60))))[:-32]
        + struct.pack("<q", 2**60)
        + bytes(24),
        "storage '0': expected at least 4611686018427",
    ),
    "-1 numbers": (legacy(GOOD)[:-32] + b"\xff" * 8 + bytes(24), "found -1"),
    "another key": (legacy(GOOD, {"1": DATA}), "storage '1': expected each storage of the pickle"),
    "a key too few": (
        legacy(state(a=tensor([2], [1]), b=tensor([2], [1], held=storage("1")))),
        "storage '1': expected it in the file, found none",
    ),
    "a key twice": (
        legacy(GOOD).replace(pickle.dumps(["0"], 2), pickle.dumps(["0", "0"], 2)) + bytes(32),
        "storage '0': expected each storage of the pickle once",
    ),
}


@pytest.mark.parametrize("case", LEGACIES)
def test_a_legacy_file_that_is_wrong(case: str, tmp_path: Path) -> None:
    data, message = LEGACIES[case]
    assert message in refusal(tmp_path / "x.pt", data)


# ---- What it costs ------------------------------------------------------------------------------

LONG_DICT = b"}(" + b"".join(text(str(i)) + b"N" for i in range(15_000)) + b"u"
REBUILD = named("torch._utils._rebuild_tensor_v2")
MANY_AXES = tensor([1] * 7 + [6], [2**62] * 7 + [1])[len(REBUILD) : -1]
GREEDY = {
    "many storages": state(
        **{f"a{i}": tensor([1], [1], held=storage(f"a{i}", 1)) for i in range(2_000)}
    ),
    "many views of many axes": b"\x80\x02}("
    + (text("a") + REBUILD + b"q\0" + MANY_AXES + b"q\1R")
    + b"".join(text(f"{i}") + b"h\0h\1R" for i in range(15_000))
    + b"u.",
    "long dicts": b"\x80\x02}("
    + text("model_args")
    + LONG_DICT
    + b"q\0"
    + b"".join(text(f"a{i}") + b"h\0" for i in range(15_000))
    + text("model")
    + dict_of(a=tensor([1], [1]))
    + b"u.",
}


@FORMS
@pytest.mark.parametrize("case", GREEDY)
def test_time_and_memory_are_bounded(form: Any, case: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(form(GREEDY[case]))
    start = time.process_time()
    tracemalloc.start()
    try:
        read_contents(path)
    except CheckpointError as error:
        assert "\n" not in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * path.stat().st_size + (64 << 20)
    # Seconds for a slow machine that counts every byte; what is quadratic would take many minutes.
    assert time.process_time() - start < 20


def test_a_long_table_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(zipped({f"x/{i}": b"" for i in range(20_000)}))
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"expected one data\.pkl"):
        read_contents(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * path.stat().st_size + (8 << 20)


# ---- Accidents ----------------------------------------------------------------------------------

HALVES = np.arange(3, dtype=np.float16)
SMALL = state(
    a=tensor([2, 3], [3, 1]),
    b=tensor([2], [1], held=storage("1", 3, "torch.HalfStorage")),
    c=tensor([3, 2], [1, 3]),
)
OPCODES = sorted(_OPCODES)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """``data`` after one to three small accidents."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(max(1, len(result)))
        match rng.randrange(6):
            case 0:
                result[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del result[at : at + rng.randrange(1, 9)]
            case 2:
                result[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                result[at : at + 1] = rng.choice(OPCODES)
            case 4:
                result[at : at + 1] = bytes([result[at] ^ 1 << rng.randrange(8)] if result else [])
            case 5:
                if rng.random() < 0.2:
                    del result[at:]
    return bytes(result)


def described(path: Path, data: bytes) -> dict[str, Stored] | None:
    """The table of contents of a file, or None if it is refused."""
    path.write_bytes(data)
    try:
        contents, _ = read_contents(path)
    except CheckpointError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return None
    for name, stored in contents.items():
        strides = stored.strides or np.empty(stored.shape, "b").strides
        last = sum((n - 1) * s for n, s in zip(stored.shape, strides, strict=True))
        if 0 not in stored.shape:
            assert stored.begin + (last + 1) * _BYTES[stored.dtype] <= len(data), name
    return contents


def loads(path: Path, data: bytes) -> bool:
    """Whether a file is read; if so, what is read is what lies in it, where it says."""
    contents = described(path, data)
    if contents is None:
        return False
    try:
        arrays = numbers_of(contents)
    except CheckpointError as error:  # of the archive's checksums
        assert str(error).startswith(f"{path}: tensor ") and "crc32" in str(error)
        return False
    for name, stored in contents.items():
        strides = stored.strides or np.empty(stored.shape, "b").strides
        if stored.dtype in READ_AS:
            numbers = []
            for index in np.ndindex(stored.shape):
                at = sum(n * s for n, s in zip(index, strides, strict=True))
                begin = stored.begin + at * _BYTES[stored.dtype]
                numbers.append(data[begin : begin + _BYTES[stored.dtype]])
            if stored.dtype == "BF16":
                numbers = [b"\0\0" + number for number in numbers]
            kind = "<f2" if stored.dtype == "F16" else "<f4"
            expected = np.frombuffer(b"".join(numbers), kind).astype(np.float32)
            assert arrays[name].tobytes() == expected.tobytes()
    return True


def test_10_000_accidents_to_archives(tmp_path: Path) -> None:
    rng = random.Random(1)
    path, good = tmp_path / "x.pt", archive(SMALL, {"1": HALVES})
    loaded = sum(loads(path, mutated(good, rng)) for _ in range(times(10_000)))
    assert times(500) < loaded < times(8_000)  # both ways are taken


def with_pickle(good: bytes, pickled: bytes, other: bytes) -> bytes:
    """An archive in which all is as it should be except for the pickle, cut or filled to fit."""
    other = other[: len(pickled)].ljust(len(pickled), b".")
    result = with_bytes(good, good.index(pickled), other)
    checksum = result.index(b"PK\1\2") + 16  # in the first entry of the table, the pickle's
    return with_bytes(result, checksum, struct.pack("<I", zlib.crc32(other)))


def test_10_000_accidents_to_pickles_in_good_archives(tmp_path: Path) -> None:
    rng = random.Random(2)
    path, good = tmp_path / "x.pt", archive(SMALL, {"1": HALVES})
    loaded = sum(
        loads(path, with_pickle(good, SMALL, mutated(SMALL, rng))) for _ in range(times(10_000))
    )
    assert times(500) < loaded < times(8_000)


def test_2_000_accidents_to_a_pickle_that_torch_wrote(tmp_path: Path) -> None:
    rng = random.Random(3)
    path, good = tmp_path / "x.pt", (FIXTURES / "nanogpt.pt").read_bytes()
    assert described(path, good)
    with zipfile.ZipFile(FIXTURES / "nanogpt.pt") as file:
        pickled = file.read("nanogpt/data.pkl")
    loaded = sum(
        described(path, with_pickle(good, pickled, mutated(pickled, rng))) is not None
        for _ in range(times(2_000))
    )
    assert times(50) < loaded < times(1_800)


def test_20_000_accidents_to_legacy_files(tmp_path: Path) -> None:
    rng = random.Random(0)
    path, good = tmp_path / "x.pt", legacy(SMALL, {"1": HALVES})
    assert loads(path, good)
    loaded = sum(
        loads(path, LEGACY_MAGIC + mutated(good[len(LEGACY_MAGIC) :], rng))
        for _ in range(times(20_000))
    )
    assert times(200) < loaded < times(15_000)


@FORMS
def test_every_truncation_is_refused(form: Any, tmp_path: Path) -> None:
    data = form(SMALL, {"1": HALVES})
    for length in range(len(data)):
        refusal(tmp_path / "x.pt", data[:length])


@settings(max_examples=times(100), deadline=None)
@given(form=st.sampled_from([archive, legacy]), edits=st.data())
def test_any_accident(
    tmp_path_factory: pytest.TempPathFactory, form: Any, edits: st.DataObject
) -> None:
    data = bytearray(form(SMALL, {"1": HALVES}))
    for _ in range(edits.draw(st.integers(1, 4))):
        at = edits.draw(st.integers(0, len(data)))
        data[at : at + edits.draw(st.integers(0, 12))] = edits.draw(st.binary(max_size=12))
    loads(tmp_path_factory.getbasetemp() / "any.pt", bytes(data))
