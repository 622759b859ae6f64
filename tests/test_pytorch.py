"""PyTorch's checkpoints: what torch.save wrote, what it never would, and what is damaged."""

import contextlib
import io
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.pytorch import BYTES, LEGACY_START, read_contents
from gptlite.checkpoints.stored import READ_AS, read_into
from gptlite.checkpoints.unpickler import OPCODES, unpickle
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError

FIXTURES = Path(__file__).parent / "fixtures" / "torch"
FILES = ["hub_zip.bin", "hub_legacy.bin", "nanogpt.pt", "mingpt.pt"]
CONFIG = GPTConfig(n_vocab=300, n_ctx=16, n_embd=8, n_head=2, n_layer=2)


# ---- Pickles by hand ----------------------------------------------------------------------------


def text(string: str) -> bytes:
    return b"X" + struct.pack("<I", len(string)) + string.encode()


def integer(n: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", n)


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def named(name: str) -> bytes:
    module, _, leaf = name.rpartition(".")
    return f"c{module}\n{leaf}\n".encode()


def storage(key: str = "0", numel: int = 6, kind: str = "torch.FloatStorage") -> bytes:
    return tuple_of(text("storage"), named(kind), text(key), text("cpu"), integer(numel)) + b"Q"


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


def state(**tensors: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(text(n) + t for n, t in tensors.items()) + b"u."


DATA = np.arange(6, dtype=np.float32)


def archive(
    pickled: bytes, records: dict[str, bytes] | None = None, more: dict[str, bytes] | None = None
) -> bytes:
    """A zip file of torch.save's form, around any pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("x/data.pkl", pickled)
        file.writestr("x/byteorder", "little")
        for key, data in (records if records is not None else {"0": DATA.tobytes()}).items():
            file.writestr(f"x/data/{key}", data)
        for name, data in (more or {}).items():
            file.writestr(name, data)
    return out.getvalue()


def legacy(pickled: bytes, records: dict[str, np.ndarray] | None = None) -> bytes:
    records = {"0": DATA} if records is None else records
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    out = LEGACY_START + pickle.dumps(1001, 2) + pickle.dumps(machine, 2) + pickled
    out += pickle.dumps(list(records), 2)
    for array in records.values():
        out += struct.pack("<q", array.size) + array.tobytes()
    return out


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a file that can be had as float32."""
    found = {}
    for name, stored in read_contents(path)[0].items():
        if stored.dtype in READ_AS:
            found[name] = np.empty(stored.shape, np.float32)
            read_into(found[name], name, stored)
    return found


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 600
    return message


# ---- Written by torch ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_written_by_torch(name: str, tmp_path: Path) -> None:
    """Conv1D or nn.Linear layout, zip or legacy, with and without masks and an optimizer."""
    if name.startswith("hub"):  # sizes beside the file; the others carry theirs or have none
        GPT_config = {"vocab_size": 300, "n_ctx": 16, "n_embd": 8, "n_head": 2, "n_layer": 2}
        (tmp_path / "config.json").write_text(str(GPT_config).replace("'", '"'))
    if name.startswith("mingpt"):
        hparams = {"n_vocab": 300, "n_ctx": 16, "n_embd": 8, "n_head": 2, "n_layer": 2}
        (tmp_path / "hparams.json").write_text(str(hparams).replace("'", '"'))
    path = tmp_path / name
    path.write_bytes((FIXTURES / name).read_bytes())
    config, parameters = read_checkpoint(path)
    assert config == CONFIG
    with np.load(FIXTURES / "expected.npz") as expected:
        assert set(expected.files) == set(parameters)
        for key in expected.files:
            assert parameters[key].tobytes() == expected[key].tobytes()


def test_nanogpt_s_padding_is_cut_off(tmp_path: Path) -> None:
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
    tensors = b"".join(
        text(n) + tensor(list(a.shape), [s // 4 for s in a.strides], held=storage(n, a.size))
        for n, a in arrays.items()
    )
    sizes = {"n_layer": 1, "n_head": 1, "n_embd": d, "block_size": 3, "vocab_size": 50304}
    model_args = b"}(" + b"".join(text(n) + integer(s) for n, s in sizes.items()) + b"u"
    pickled = b"\x80\x02}(" + text("model") + b"}(" + tensors + b"u" + text("model_args")
    path = tmp_path / "ckpt.pt"
    path.write_bytes(
        archive(pickled + model_args + b"u.", {n: a.tobytes() for n, a in arrays.items()})
    )
    config, parameters = read_checkpoint(path)
    assert config == GPTConfig(50257, 3, d, 1, 1)
    whole = arrays["transformer.wte.weight"]
    assert np.array_equal(parameters["wte.weight"], whole[:50257])
    c_attn = arrays["transformer.h.0.attn.c_attn.weight"]
    assert np.array_equal(parameters["h.0.attn.c_attn.weight"], c_attn.T)
    assert not parameters["h.0.attn.c_attn.bias"].any()  # nanoGPT's bias=False


# ---- Strides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [archive, legacy])
def test_views_of_a_storage(form: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(
        form(
            state(
                whole=tensor([6], [1]),
                rows=tensor([2, 3], [3, 1]),
                turned=tensor([3, 2], [1, 3]),
                every=tensor([3], [2]),
                late=tensor([2], [1], 4),
                scalar=tensor([], [], 5),
                empty=tensor([0, 3], [3, 1]),
                column=tensor([2, 1], [3, 7], 2),
                again=tensor([2, 2], [2, 0], 1),
            )
        )
    )
    found = {name: array.tolist() for name, array in read(path).items()}
    assert found == {
        "whole": [0, 1, 2, 3, 4, 5],
        "rows": [[0, 1, 2], [3, 4, 5]],
        "turned": [[0, 3], [1, 4], [2, 5]],
        "every": [0, 2, 4],
        "late": [4, 5],
        "scalar": 5,
        "empty": [],
        "column": [[2], [5]],
        "again": [[1, 1], [3, 3]],
    }


GEOMETRY = {
    "past the end": ([7], [1], 0, "reaches past its storage of 6"),
    "an offset past the end": ([1], [1], 6, "reaches past its storage of 6"),
    "strides past the end": ([2, 2], [5, 1], 0, "reaches past"),
    "a bomb of stride 0": ([10**9], [0], 0, "reaches past"),
    "a bomb of two": ([10**5, 10**5], [0, 0], 0, "reaches past"),
    "a negative size": ([-1], [1], 0, "expected offset, sizes and strides"),
    "a negative stride": ([2], [-1], 3, "expected offset, sizes and strides"),
    "a negative offset": ([2], [1], -1, "expected offset, sizes and strides"),
    "fewer strides": ([2, 3], [3], 0, "expected offset, sizes and strides"),
    "an overflow": ([2**62, 2**62], [1, 1], 0, "reaches past"),
    "an overflow of strides": ([2], [2**62], 0, "reaches past"),
    "33 axes": ([1] * 33, [1] * 33, 0, "at most 32 sizes"),
}


@pytest.mark.parametrize("form", [archive, legacy])
@pytest.mark.parametrize("case", GEOMETRY)
def test_geometry_that_is_wrong(form: Any, case: str, tmp_path: Path) -> None:
    shape, strides, offset, message = GEOMETRY[case]
    assert message in refusal(tmp_path / "x.pt", form(state(a=tensor(shape, strides, offset))))


# ---- Pickles that would do something -------------------------------------------------------------

MARKER = "/tmp/gptlite-was-here"
CALL = tuple_of(text(f"touch {MARKER}")) + b"R"
REFUSED = {
    "os.system": (named("os.system") + CALL, "a call of 'os.system'"),
    "posix.system": (named("posix.system") + CALL, "a call of 'posix.system'"),
    "builtins.eval": (named("builtins.eval") + CALL, "a call of 'builtins.eval'"),
    "python 2": (named("__builtin__.apply") + CALL, "a call of '__builtin__.apply'"),
    "a dotted name": (named("torch.serialization.os.system") + CALL, "torch.serialization.os"),
    "a stack global": (text("os") + text("system") + b"\x93" + CALL, "opcode b'\\x93'"),
    "a loader of torch's": (named("torch.load") + CALL, "a call of 'torch.load'"),
    "a new object": (named("os.system") + b")\x81", "a call of 'os.system'"),
    "a new dict": (named("collections.OrderedDict") + b")\x81", "a call of 'collections.Ord"),
    "a new object by keywords": (named("os.system") + b")}\x92", "opcode b'\\x92'"),
    "an instance": (b"(" + text("touch") + b"ios\nsystem\n", "opcode b'i'"),
    "an object": (b"(" + named("os.system") + text("touch") + b"o", "opcode b'o'"),
    "an extension": (b"\x82\x01", "opcode b'\\x82'"),
    "a reference by name": (b"Pstorage\n", "opcode b'P'"),
    "a call of a tensor": (tensor([1], [1]) + b")R", "a call of TensorRecord"),
    "a call of a text": (text("print") + b")R", "a call of 'print'"),
    "arguments that are no tuple": (named("torch.Size") + b"]R", "expected arguments, found []"),
    "more arguments": (
        named("torch.Size") + tuple_of(b")", b")") + b"R",
        "2 arguments for torch.Size",
    ),
    "attributes of a function": (
        named("torch._utils._rebuild_tensor_v2") + b"}" + text("__defaults__") + b")sb",
        "attributes of _Global",
    ),
    "attributes of a storage": (storage() + b"}" + text("dtype") + text("O") + b"sb", "attributes"),
    "attributes of a tensor": (tensor([1], [1]) + b"}b", "attributes of TensorRecord"),
    "an item of a tensor": (tensor([1], [1]) + text("a") + b"Ns", "expected a dict to add to"),
    "an item of a list": (b"]" + text("a") + b"Ns", "expected a dict to add to"),
    "an item of no name": (b"})Ns", "expected a name for a key, found ()"),
    "a list as a key": (b"}]Ns", "expected a name for a key, found []"),
    "appended to a dict": (b"}Na", "expected a list to add to"),
    "a memo of 2**28": (b"Nr" + struct.pack("<I", 2**28) + b"j" + struct.pack("<I", 5), "memo 5"),
    "a long integer": (b"\x8b" + struct.pack("<i", 2**30) + b"0", "an integer of 1073741824 bytes"),
    "an integer of length -1": (b"\x8b" + struct.pack("<i", -1), "an integer of -1 bytes"),
    "a text past the end": (b"X\xff\xff\xff\xff", "ends too early"),
    "a name past the end": (b"cos", "ends too early"),
    "nothing to pop": (b"(a", "nothing on the stack"),
    "a mark popped": (b"N(a", "nothing on the stack"),
    "no mark": (b"Nuu", "no mark"),
    "an odd number of items": (b"}(Nu", "a key without a value"),
    "a storage of no kind": (storage(kind="torch.save"), "expected a kind of storage"),
    "a storage elsewhere": (storage(kind="os.FloatStorage"), "expected a kind of storage"),
    "a storage of -1": (storage(numel=-1), "expected a storage's key and length"),
    "a storage of 2**63": (
        tuple_of(
            *(text("storage"), named("torch.FloatStorage"), text("0"), text("cpu")),
            b"\x8a\x09" + (2**63).to_bytes(9, "little"),
        )
        + b"Q",
        "expected a storage's key and length",
    ),
    "a storage of two kinds": (
        storage() + storage(kind="torch.HalfStorage"),
        "6 numbers F32 at first, then 6 F16",
    ),
    "a reference to no storage": (text("x") + b"Q", "expected a reference to a storage"),
    "a tensor of no storage": (tensor([1], [1], held=b"N"), "expected a storage, found None"),
    "protocol 5": (b"\x80\x05", "pickle protocol 5"),
}


@pytest.mark.parametrize("form", [archive, legacy])
@pytest.mark.parametrize("case", REFUSED)
def test_a_pickle_that_would_do_something(form: Any, case: str, tmp_path: Path) -> None:
    body, message = REFUSED[case]
    data = form(b"\x80\x02}(" + text("a") + tensor([1], [1]) + text("b") + body + b"u.")
    assert message in refusal(tmp_path / "x.pt", data)
    assert not Path(MARKER).exists()


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_an_exploit_as_python_would_write_it(protocol: int, tmp_path: Path) -> None:
    class Exploit:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, (f"open({MARKER!r}, 'w')",)

    refusal(tmp_path / "x.pt", archive(pickle.dumps({"a": Exploit()}, protocol)))
    assert not Path(MARKER).exists()


def test_what_training_leaves_is_named_and_not_made() -> None:
    options = named("argparse.Namespace") + b")\x81}" + text("lr") + b"K\x01sb"
    scalar = named("numpy.core.multiarray.scalar") + tuple_of(
        named("numpy.dtype") + tuple_of(text("f8"), b"\x89", b"\x88") + b"R", b"C\x08" + bytes(8)
    )
    pickled = b"\x80\x02}(" + text("a") + options + text("b") + scalar + b"R" + b"u."
    value = unpickle(pickled).value
    assert value["a"].name == "argparse.Namespace"
    assert value["b"].name == "numpy.core.multiarray.scalar"


def test_plain_data_is_read_as_python_reads_it() -> None:
    """Every kind of value that a checkpoint's options may have."""
    value: dict[Any, Any] = {
        "small": [0, 255, 256, 65535, -1, 2**31, -(2**63), 2**63 - 1],
        "floats": (0.5, -1e300, float("inf")),
        "flags": [True, False, None],
        "text": ["", "ünï", "x" * 300, "\ud800"],
        "nested": {"a": {"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}},
        "bytes": [b"", b"x" * 300],
        3: "a number for a key",
    }
    assert unpickle(pickle.dumps(value, 3)).value == value
    ordered = OrderedDict(a=1, b=2)
    assert unpickle(pickle.dumps(ordered, 2)).value == ordered


# ---- Archives that are wrong ---------------------------------------------------------------------

GOOD = state(a=tensor([2, 3], [3, 1]))


def deflated() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", GOOD)
        file.writestr("x/data/0", bytes(10**7))
    return out.getvalue()


def twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return archive(GOOD, more={"x/data/0": bytes(24)})


ARCHIVES: dict[str, tuple[Any, str]] = {
    "no pickle": (lambda: archive(GOOD).replace(b"data.pkl", b"data.pkx"), "found 0"),
    "two pickles": (lambda: archive(GOOD, more={"y/data.pkl": GOOD}), "found 2"),
    "a program": (lambda: archive(GOOD, more={"x/code/a.py": b""}), "TorchScript"),
    "constants": (lambda: archive(GOOD, more={"x/constants.pkl": b""}), "TorchScript"),
    "big-endian": (lambda: archive(GOOD).replace(b"little", b"biggie"), "big-endian"),
    "compressed": (deflated, "expected it as it is, found it packed"),
    "a member twice": (twice, "is there twice"),
    "no storage": (lambda: archive(GOOD, {}), "expected storage '0', found none"),
    "a short storage": (lambda: archive(GOOD, {"0": bytes(20)}), "expected 24 bytes, found 20"),
    "a long storage": (lambda: archive(GOOD, {"0": bytes(28)}), "expected 24 bytes, found 28"),
    "a list": (lambda: archive(b"\x80\x02]."), "expected a dict of tensors, found []"),
    "a dict of numbers": (lambda: archive(b"\x80\x02}" + text("a") + b"K\1s."), "found 'a': 1"),
    "an empty pickle": (lambda: archive(b""), "ends too early"),
    "bytes after": (lambda: archive(GOOD) + b"x", "does not end as one"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_is_wrong(case: str, tmp_path: Path) -> None:
    make, message = ARCHIVES[case]
    assert message in refusal(tmp_path / "x.pt", make())


LEGACIES: dict[str, tuple[bytes, str]] = {
    "the magic number alone": (LEGACY_START, "ends too early"),
    "bytes after": (legacy(GOOD) + b"x", "bytes, found"),
    "bytes missing": (legacy(GOOD)[:-1], "expected 6 numbers in 23 bytes, found 6"),
    "more numbers": (legacy(GOOD, {"0": np.zeros(7, "f")}), "expected 6 numbers"),
    "another key": (legacy(GOOD, {"1": DATA}), "storage '1' is there twice, or no tensor's"),
    "no key": (legacy(GOOD, {}), "expected storage '0', found none"),
    "another version": (legacy(GOOD).replace(b"M\xe9\x03.", b"M\xea\x03.", 1), "version 1001"),
    "big-endian": (legacy(GOOD).replace(b"\x88", b"\x89", 1), "big-endian"),
    "a pickle that is no checkpoint": (pickle.dumps({"a": 1}, 2), "expected a file of torch.save"),
}


@pytest.mark.parametrize("case", LEGACIES)
def test_a_legacy_file_that_is_wrong(case: str, tmp_path: Path) -> None:
    data, message = LEGACIES[case]
    assert message in refusal(tmp_path / "x.pt", data)


@pytest.mark.parametrize("opcode", [b"}", b"]", b"N", b"(", b"}q\0", b"N\x85", b")"])
def test_no_opcode_takes_up_more_memory_than_it_may(opcode: bytes, tmp_path: Path) -> None:
    data = archive(b"\x80\x02" + opcode * 10**6 + b".")
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(CheckpointError):
        read_contents(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(data) + (64 << 20)


# ---- Mutations -----------------------------------------------------------------------------------

SMALL = state(
    a=tensor([2, 3], [3, 1]),
    b=tensor([2], [1], held=storage("1", 3, "torch.HalfStorage")),
    c=tensor([3, 2], [1, 3]),
)
HALVES = np.arange(3, dtype=np.float16)


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
                result[at : at + 1] = rng.choice(list(OPCODES))
            case 4:
                result[at:at] = rng.choice(list(OPCODES))
            case 5:
                if rng.random() < 0.2:
                    del result[at:]
    return bytes(result)


def check_mutation(path: Path, data: bytes) -> bool:
    """Whether a file loads; what it describes must then lie within it."""
    path.write_bytes(data)
    try:
        contents, _ = read_contents(path)
        arrays = read(path)
    except CheckpointError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return False
    for name, stored in contents.items():
        if stored.strides is None:
            numel = int(np.prod(stored.shape))
            assert stored.begin + numel * BYTES[stored.dtype] <= len(data)
            if stored.dtype == "F32" and numel:
                raw = data[stored.begin : stored.begin + 4 * numel]
                assert arrays[name].tobytes() == raw
    return True


@pytest.mark.parametrize("form", ["zip", "pickle in a zip", "legacy"])
def test_a_mutation_is_refused_or_read_exactly(form: str, tmp_path: Path) -> None:
    """30,000 accidents: to the container, to the pickle in a good one, and to the older form."""
    rng = random.Random(form)
    path, records = tmp_path / "x.pt", {"0": DATA.tobytes(), "1": HALVES.tobytes()}
    good = legacy(SMALL, {"0": DATA, "1": HALVES}) if form == "legacy" else archive(SMALL, records)
    loaded = 0
    for _ in range(10_000):
        if form == "pickle in a zip":
            # A good archive, but for the checksum of the pickle, which torch does not check either.
            inner = mutated(SMALL, rng)[: len(SMALL)].ljust(len(SMALL), b".")
            data = good.replace(SMALL, inner)
        else:
            data = mutated(good, rng)
        loaded += check_mutation(path, data)
    assert 50 < loaded < 9_500  # both ways are taken


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(list(OPCODES))
        | st.binary(max_size=4)
        | st.sampled_from(
            [text("a"), integer(3), storage(), tensor([2], [1]), named("torch.Size"), b")", b"}"]
        ),
        max_size=30,
    )
)
def test_any_opcodes(parts: list[bytes]) -> None:
    with contextlib.suppress(ValueError):
        unpickle(b"".join(parts) + b".")
