"""The interpreter of pickles: what it makes, and all that it does not do."""

import pickle
import random
import struct
import time
import tracemalloc
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import times
from gptlite.checkpoints.pytorch import unpickler
from gptlite.checkpoints.pytorch.unpickler import Blank, Storage, Tensor, unpickle
from gptlite.errors import CheckpointError
from pickles import named, storage, text, tuple_of

OPCODES = sorted(unpickler._OPCODES)


ORDERED = named("collections.OrderedDict") + b")R"
PAIR = tuple_of(b"K\x02", b"K\x03")  # (2, 3)
SIX = tuple_of(storage(), b"K\x00", PAIR, tuple_of(b"K\x03", b"K\x01"), b"\x89", ORDERED)
TENSOR = named("torch._utils._rebuild_tensor_v2") + SIX + b"R"


def value_of(body: bytes) -> Any:
    return unpickle(b"\x80\x02" + body + b".", "x.pt").value


def refusal(data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        unpickle(data, "x.pt")
    message = str(caught.value)
    assert message.startswith("x.pt: pickle, before byte ")
    assert "\n" not in message and len(message) < 400
    return message


# ---- What it makes ------------------------------------------------------------------------------


def test_plain_data_is_what_python_makes_of_it() -> None:
    value: dict[Any, Any] = {
        "small": [0, 255, 256, 65535, -1, 2**31, -(2**63), 2**64, 7**300],
        "floats": (0.5, -1e300, float("inf")),
        "flags": [True, False, None],
        "text": ["", "ünï", "x" * 300, "\U0001f600"],
        "nested": {"a": {"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}},
        **{3: "int", 0.5: "float", None: "none"},
    }
    assert unpickle(pickle.dumps(value, 2), "x.pt").value == value
    ordered = OrderedDict(a=1, b=OrderedDict())
    assert unpickle(pickle.dumps(ordered, 2), "x.pt").value == ordered


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**63), 2**63 - 1), inner)
    ),
)


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_any_plain_data(value: Any) -> None:
    data = pickle.dumps(value, 2)
    found = unpickle(b"before" + data + b"behind", "x.pt", 6)
    assert found.value == value and found.end == 6 + len(data)


def test_a_list_that_holds_itself() -> None:
    value = value_of(b"]q\0h\0a")
    assert value[0] is value


def test_python_2_s_strings() -> None:
    assert value_of(b"U\x02ab") == "ab"
    assert value_of(b"U\x02\xff\xfe") == b"\xff\xfe"
    assert value_of(b"T\x03\0\0\0abc") == "abc"
    kind = named("torch.FloatStorage")
    found = value_of(tuple_of(b"U\x07storage", kind, b"U\x010", b"U\x03cpu", b"K\x06") + b"Q")
    assert found == Storage("0", "F32", 6)
    pairs = b"](](" + text("a") + b"K\x01e](" + text("b") + b"K\x02ee"
    assert value_of(named("collections.OrderedDict") + pairs + b"\x85R") == {"a": 1, "b": 2}


def test_tensors_are_described() -> None:
    expected = Tensor(Storage("0", "F32", 6), 0, (2, 3), (3, 1))
    assert value_of(TENSOR) == expected
    with_none = SIX[:-1] + b"Nt"
    assert value_of(named("torch._utils._rebuild_tensor_v2") + with_none + b"R") == expected
    old = tuple_of(storage(), b"K\x00", PAIR, tuple_of(b"K\x03", b"K\x01"))
    assert value_of(named("torch._utils._rebuild_tensor") + old + b"R") == expected
    parameter = named("torch._utils._rebuild_parameter") + tuple_of(TENSOR, b"\x88", ORDERED)
    assert value_of(parameter + b"R") == expected
    assert value_of(named("torch.Size") + PAIR + b"\x85R") == (2, 3)
    found = unpickle(b"\x80\x02" + TENSOR + b".", "x.pt")
    assert found.storages == {"0": Storage("0", "F32", 6)}


def test_the_state_of_an_ordered_dict_is_ignored() -> None:
    state = b"}" + text("_metadata") + b"}s"
    assert value_of(ORDERED + text("a") + b"K\x01s" + state + b"b") == {"a": 1}


@dataclass
class Options:
    """As nanoGPT's followers save their GPTConfig: an object of a class of their own."""

    n_layer: int = 2


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Namespace(lr=0.1, betas=[0.9]), "argparse.Namespace"),
        (Options(), f"{__name__}.Options"),
        (np.float64(0.5), "multiarray.scalar"),
        (np.arange(3), "multiarray._reconstruct"),
        (Counter([1, 1]), "collections.Counter"),
        (defaultdict(list, a=[1]), "collections.defaultdict"),
        (PosixPath("a/b"), "PosixPath"),
        ({1, 2}, "__builtin__.set"),
        (b"\xff", "_codecs.encode"),
        (np.random.RandomState(0).get_state()[1], "multiarray._reconstruct"),
    ],
)
def test_what_training_leaves_becomes_a_blank(value: Any, name: str) -> None:
    found = unpickle(pickle.dumps({"a": value, "b": 1}, 2), "x.pt").value
    assert isinstance(found, dict)
    assert type(found["a"]) is Blank and found["a"].name.endswith(name) and found["b"] == 1


# ---- What it does not do ------------------------------------------------------------------------

CALL = tuple_of(text("touch {marker}")) + b"R"
REFUSED = {
    # Calls and names.
    "os.system": (named("os.system") + CALL, "a call of 'os.system', which is not data"),
    "posix.system": (named("posix.system") + CALL, "a call of 'posix.system'"),
    "nt.system": (named("nt.system") + CALL, "a call of 'nt.system'"),
    "eval": (named("builtins.eval") + CALL, "a call of 'builtins.eval'"),
    "python 2's eval": (named("__builtin__.eval") + CALL, "a call of '__builtin__.eval'"),
    "getattr": (named("__builtin__.getattr") + CALL, "a call of '__builtin__.getattr'"),
    "through torch": (
        b"ctorch\nserialization.os.system\n" + CALL,
        "a call of 'torch.serialization.os.system'",
    ),
    "torch.load": (named("torch.load") + CALL, "a call of 'torch.load'"),
    "a class after an object of it": (
        named("os.system") + b")\x81" + named("os.system") + CALL,
        "a call of 'os.system'",
    ),
    "a name of no use": (named("os.system"), "'os.system' is not data"),
    "a name in a dict": (b"}" + text("a") + named("os.system") + b"s", "'os.system' is not data"),
    "a name taken off": (b"}" + named("os.system") + b"b", "found one for dict"),
    "a name without end": (b"cos" + b"s" * 300 + b"\n", "expected a name of less than 256 bytes"),
    "a name in no encoding": (b"c\xff\nsystem\n", "expected text in UTF-8"),
    # Other ways to make something.
    "a stack global": (text("os") + text("system") + b"\x93", r"opcode b'\x93'"),
    "an object by keywords": (named("a.b") + b")}\x92", r"opcode b'\x92'"),
    "an instance": (b"(" + text("touch") + b"ios\nsystem\n", "opcode b'i'"),
    "an object": (b"(" + named("os.system") + text("touch") + b"o", "opcode b'o'"),
    "an extension": (b"\x82\x01", r"opcode b'\x82'"),
    "an extension of 2 bytes": (b"\x83\x01\x00", r"opcode b'\x83'"),
    "an extension of 4 bytes": (b"\x84\x01\x00\x00\x00", r"opcode b'\x84'"),
    "a persistent id in text": (b"Pstorage\n", "opcode b'P'"),
    "a buffer": (b"\x97", r"opcode b'\x97'"),
    "an object of no class": (text("os.system") + b")\x81", "expected a class"),
    "a call of a tensor": (TENSOR + b")R", "expected a function to call, found Tensor"),
    "a call of text": (text("os.system") + b")R", "expected a function to call, found str"),
    "a call of a blank": (named("a.B") + b")\x81)R", "expected a function to call, found 'a.B'"),
    "no tuple of arguments": (named("torch.Size") + b"]R", "expected a tuple of arguments"),
    # Attributes and items.
    "attributes of a function": (
        named("torch._utils._rebuild_tensor_v2") + b"}" + text("__defaults__") + b")sb",
        "expected no state to set, found one for 'torch._utils._rebuild_tensor_v2'",
    ),
    "attributes of a storage": (
        storage() + b"}" + text("dtype") + text("O") + b"sb",
        "found one for Storage",
    ),
    "attributes of a kind of storage": (
        named("torch.FloatStorage") + b"}" + text("dtype") + text("O") + b"sb",
        "found one for 'torch.FloatStorage'",
    ),
    "attributes of a tensor": (TENSOR + b"}b", "found one for Tensor"),
    "attributes of a list": (b"]}b", "found one for list"),
    "attributes of a dict": (b"}}b", "found one for dict"),
    "an item of a tensor": (TENSOR + text("a") + b"Ns", "to put items in, found Tensor"),
    "an item of a list": (b"]K\0Ns", "to put items in, found list"),
    "appended to a dict": (b"}Na", "a list to append to, found dict"),
    "appended to a tensor": (TENSOR + b"(Ne", "a list to append to, found Tensor"),
    "a tuple as a key": (b"})Ns", "expected a plain key, found tuple"),
    "a list as a key": (b"}]Ns", "expected a plain key, found list"),
    "a long key": (b"}\x8a\x09" + bytes(8) + b"\1Ns", "expected a plain key, found int"),
    "half an item": (b"}(Nu", "keys and values in pairs"),
    # Memory and the stack.
    "nothing remembered": (b"Nr" + struct.pack("<I", 2**28) + b"h\5", "under 5"),
    "text past the end": (b"X\xff\xff\xff\xff", "cut short"),
    "text of surrogates": (b"X\3\0\0\0\xed\xa0\x80", "expected text in UTF-8"),
    "a long integer": (b"\x8b" + struct.pack("<i", 2**30), r"opcode b'\x8b'"),
    "nothing on the stack": (b"a", "expected a value on the stack"),
    "nothing above the mark": (b"N(a", "expected a value on the stack"),
    "nothing to remember": (b"N(q\0", "expected a value on the stack"),
    "no mark": (b"Nt", "expected a mark"),
    "a mark at the end": (b"(N", "expected one value on the stack at the end"),
    "two values at the end": (b"NN", "expected one value on the stack at the end"),
    "no value at the end": (b"", "expected a value on the stack"),
    # Storages and tensors.
    "a reference to text": (text("0") + b"Q", "expected a storage with its kind"),
    "a storage of no kind": (storage(kind="torch.save"), "expected a storage with its kind"),
    "another's storage": (storage(kind="os.FloatStorage"), "expected a storage with its kind"),
    "a storage of -1": (storage(numel=-1), "expected a storage with its kind"),
    "a storage of 2**63": (storage(numel=2**63), "expected a storage with its kind"),
    "a part of a storage": (
        storage()[:-2] + tuple_of(text("1"), b"K\0", b"K\1") + b"tQ",
        "storage",
    ),
    "a storage of two kinds": (
        storage() + storage(kind="torch.HalfStorage"),
        "storage '0': expected 6 F32 as before, found 6 F16",
    ),
    "a storage of two sizes": (storage() + storage(numel=7), "found 7 F32"),
    "a tensor of nothing": (named("torch._utils._rebuild_tensor_v2") + b")R", "storage, offset"),
    "a tensor of text": (TENSOR.replace(storage(), text("0")), "expected a tensor's storage"),
    "a tensor with options": (
        TENSOR[:-2] + b"}" + text("neg") + b"\x88stR",
        "a tensor with options of its own",
    ),
    "an offset of True": (TENSOR.replace(b"QK\0", b"Q\x88"), "expected a tensor's storage"),
    "an offset of -1": (TENSOR.replace(b"QK\0", b"QJ\xff\xff\xff\xff"), "a tensor's storage"),
    "sizes in a list": (TENSOR.replace(PAIR, b"](K\2K\3e"), "expected a tensor's storage"),
    "a size of -2": (TENSOR.replace(b"K\2", b"J\xfe\xff\xff\xff"), "expected a tensor's storage"),
    "a size of 2.0": (TENSOR.replace(b"K\2", b"G@" + bytes(7)), "expected a tensor's storage"),
    "a size of 2**70": (TENSOR.replace(b"K\2", b"\x8a\x09" + bytes(8) + b"\x40"), "a tensor's"),
    "a size too few": (TENSOR.replace(PAIR, b"K\6\x85"), "expected a tensor's storage"),
    "nine sizes": (TENSOR.replace(PAIR, tuple_of(*[b"K\1"] * 9)), "at most 8 sizes"),
    "a parameter of text": (
        named("torch._utils._rebuild_parameter") + tuple_of(text("a"), b"\x88", b"N") + b"R",
        "expected a parameter's tensor",
    ),
    "a torch.Size of text": (named("torch.Size") + text("a") + b"\x85R", "a torch.Size"),
    "an OrderedDict of text": (named("collections.OrderedDict") + text("a") + b"\x85R", "pairs"),
    "an OrderedDict of two": (named("collections.OrderedDict") + b"]]\x86R", "pairs"),
    "a pair of three": (named("collections.OrderedDict") + b"]](NNNea\x85R", "pairs"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    body, message = REFUSED[case]
    assert message in refusal(b"\x80\x02" + body + b".")


@pytest.mark.parametrize("protocol", range(6))
def test_an_exploit_as_python_writes_it(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "was-here"

    class Exploit:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, (f"__import__('os').mkdir({str(marker)!r})",)

    data = pickle.dumps({"a": Exploit()}, protocol)
    refusal(data)
    assert not marker.exists()
    pickle.loads(data)  # it would have worked
    assert marker.exists()


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
def test_other_protocols(protocol: int) -> None:
    assert "expected a pickle of protocol 2" in refusal(pickle.dumps({"a": 1}, protocol))


def test_the_tables_are_never_changed() -> None:
    """No file may leave a trace in those that are read after it."""
    before = [dict(unpickler.STORAGES), set(unpickler.IGNORED), dict(unpickler._CALLS)]
    for body, _ in REFUSED.values():
        refusal(b"\x80\x02" + body + b".")
    assert before == [unpickler.STORAGES, unpickler.IGNORED, unpickler._CALLS]


# ---- What it costs ------------------------------------------------------------------------------

BIG = (1 << 20) // 4
LIST = b"](NNeq\2](" + b"h\2" * 50_000 + b"eq\0"
GREEDY = {
    "dicts": b"}" * BIG,
    "lists": b"]" * BIG,
    "marks": b"(" * BIG,
    "tuples": b"N" + b"\x85" * BIG,
    "floats": b"G@234567\0" * BIG,
    "ordered dicts": b"ccollections\nOrderedDict\nq\0" + b"h\0)R" * (BIG // 3),
    "memo": b"N" + b"".join(b"r" + struct.pack("<I", i * 8191) for i in range(BIG)),
    "memo of 2**32 - 1": b"Nr\xff\xff\xff\xff" * BIG,
    "ends": b"}(" + b"u}(" * BIG,
    "deep": b"]" * BIG + b"a" * (BIG // 8),
    "text": b"X\xff\xff\xff\0" + b"a" * 0xFFFFFF,
    "wide text": b"X\xf0\xff\xff\0" + b"a" * 0xFFFFEC + "\U0001f600".encode() + b"00",
    "no name": b"c" + b"a" * (1 << 24),
    # Each of these doubles what Python would have to look at.
    "doubled tuples": b")" + b"q\0h\0\x86" * 60_000,
    "doubled lists": b"]" + b"q\0](h\0h\0e" * 40_000 + b"a",
    # One long list, looked at again and again.
    "a list of pairs": LIST + (named("collections.OrderedDict") + b"q\1" + b"h\1h\0\x85R" * 40_000),
    "sizes": b"("
    + b"K\1" * 50_000
    + b"tq\0"
    + named("torch.Size")
    + b"q\1"
    + b"h\1h\0\x85R" * 40_000,
    # Ints with equal hashes, were they longer; these share only their last bits.
    "keys": b"}("
    + b"".join(b"\x8a\x08" + struct.pack("<q", i << 44) + b"N" for i in range(120_000))
    + b"u",
}


@pytest.mark.parametrize("case", GREEDY)
def test_time_and_memory_are_bounded(case: str) -> None:
    data = b"\x80\x02" + GREEDY[case] + b"."
    start = time.process_time()
    tracemalloc.start()
    try:
        unpickle(data, "x.pt")
    except CheckpointError as error:
        assert len(str(error)) < 400
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(data) + (64 << 20)
    # Seconds for a slow machine that counts every byte; what is quadratic would take many minutes.
    assert time.process_time() - start < 20


def test_more_steps_than_any_checkpoint_takes() -> None:
    assert "more than 300000 steps" in refusal(b"\x80\x02" + b"N" * 300_000 + b".")


# ---- Accidents ----------------------------------------------------------------------------------

GOOD = (
    b"\x80\x02"
    + ORDERED
    + b"q\0("
    + text("a")
    + TENSOR
    + text("b")
    + named("argparse.Namespace")
    + b")\x81}"
    + text("lr")
    + b"G?"
    + bytes(7)
    + b"sb"
    + text("c")
    + b"](K\1M\2\0J\3\0\0\0\x8a\1\4\x88\x89NU\1xet"[:-1]
    + text("d")
    + b"h\0u."
)
ALLOWED = {dict, list, tuple, str, bytes, int, float, bool, type(None)}
ALLOWED |= {Blank, Storage, Tensor, unpickler.Name, unpickler.OrderedDict}


def check_inert(value: object) -> None:
    """Nothing but plain data and descriptions, however deep."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        assert type(item) in ALLOWED
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, (list, tuple)):
            waiting += item


def outcome(data: bytes) -> bool:
    """Whether a pickle is read; if so, it made nothing but data."""
    try:
        found = unpickle(data, "x.pt")
    except CheckpointError as error:
        assert str(error).startswith("x.pt: ") and "\n" not in str(error)
        return False
    check_inert(found.value)
    assert found.end <= len(data)
    return True


@pytest.mark.parametrize("seed", range(4))
def test_accidents(seed: int) -> None:
    rng = random.Random(seed)
    assert outcome(GOOD)
    read = 0
    for _ in range(times(5000)):
        data = bytearray(GOOD)
        for _ in range(rng.choice([1, 1, 2, 3])):
            at = rng.randrange(2, len(data))
            match rng.randrange(5):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    data[at : at + 1] = rng.choice(OPCODES)
                case 2:
                    data[at:at] = rng.choice(OPCODES)
                case 3:
                    del data[at : at + rng.randrange(1, 9)]
                case 4:
                    other = rng.randrange(2, len(data))
                    data[at:at] = data[other : other + rng.randrange(1, 30)]
        read += outcome(bytes(data))
    assert times(100) < read < times(4000)  # both ways are taken


PARTS = [text("a"), b"K\3", storage(), TENSOR, PAIR, ORDERED, named("torch.Size"), named("a.B")]
PARTS += [named("argparse.Namespace"), named("os.system"), named("collections.OrderedDict"), b"q\0"]
PARTS += [b"h\0", b"(", b")", b"}", b"]", b"R", b"b", b"u", b"e", b"s", b"a", b"\x81", b"N", b"t"]


@settings(max_examples=times(300), deadline=None)
@given(st.lists(st.sampled_from(PARTS) | st.sampled_from(OPCODES) | st.binary(max_size=3)))
def test_any_opcodes(parts: list[bytes]) -> None:
    outcome(b"\x80\x02" + b"".join(parts) + b".")


def test_many_opcodes_that_are_likely_to_go_on() -> None:
    rng = random.Random(7)
    read = sum(
        outcome(b"\x80\x02" + b"".join(rng.choices(PARTS, k=rng.randrange(1, 8))) + b".")
        for _ in range(times(20_000))
    )
    assert read > times(1000)
