"""The safetensors format: what is written, what is read, and what is refused."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fuzz import times
from gptlite.checkpoints.safetensors import read_contents, write_tensors
from gptlite.checkpoints.stored import Stored, read_into
from gptlite.checkpoints.strict_json import MAX_BYTES
from gptlite.errors import CheckpointError

WEIGHTS = ("F32", "F16", "BF16")
BYTES_OF = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "BOOL": 1, "F64": 8, "I64": 8}


def packed(header: object, data: bytes = b"") -> bytes:
    """A file with this header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a file that can be read as float32."""
    return {n: tensor(n, s) for n, s in read_contents(path).items() if s.dtype in WEIGHTS}


def tensor(name: str, stored: Stored) -> np.ndarray:
    array = np.empty(stored.shape, np.float32)
    read_into(array, name, stored)
    return array


def naively(data: bytes) -> dict[str, np.ndarray]:
    """The same, for a file that is known to be good: written without a look at the code."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, item in header.items():
        begin, end = item["data_offsets"]
        raw = data[start + begin : start + end]
        if item["dtype"] == "BF16":  # a float32 whose lower half is zero
            raw = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw), 2))
        if item["dtype"] in WEIGHTS:
            numbers = np.frombuffer(raw, "<f2" if item["dtype"] == "F16" else "<f4")
            tensors[name] = numbers.astype(np.float32).reshape(item["shape"])
    return tensors


def same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[n].shape == b[n].shape and a[n].tobytes() == b[n].tobytes() for n in a
    )


# ---- Writing and reading ------------------------------------------------------------------------


def test_a_file_byte_by_byte(tmp_path: Path) -> None:
    tensors = {"b": np.float32([[1, 2]]), "a": np.float32([-1])}
    write_tensors(tmp_path / "x.safetensors", tensors)
    header = (
        b'{"__metadata__":{"format":"pt"},'
        b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"b":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}'
    )
    header += b" " * (-len(header) % 8)
    expected = bytes([len(header), 0, 0, 0, 0, 0, 0, 0]) + header
    expected += b"\x00\x00\x80\xbf" + b"\x00\x00\x80\x3f\x00\x00\x00\x40"
    assert (tmp_path / "x.safetensors").read_bytes() == expected
    assert same_bits(read(tmp_path / "x.safetensors"), tensors)
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
            lambda name: name != "__metadata__"
        ),
        hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
        max_size=6,
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("round") / "x.safetensors"
    write_tensors(path, tensors)
    data = path.read_bytes()
    assert int.from_bytes(data[:8], "little") % 8 == 0
    assert same_bits(read(path), tensors)
    assert same_bits(naively(data), tensors)


def test_float16(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    array = np.float32([[1.5, -65504.0, 65519.9], [1e-7, np.inf, 0.1]])
    write_tensors(path, {"x": array}, "float16")
    assert read_contents(path)["x"].dtype == "F16"
    assert same_bits(read(path), {"x": array.astype(np.float16).astype(np.float32)})


def test_float16_refuses_what_it_cannot_hold_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"old")
    tensors = {"good": np.float32([1]), "h.0.wide": np.float32([1, -65520, np.inf])}
    with pytest.raises(ValueError, match=r"'h\.0\.wide': 65520\.0 does not fit float16"):
        write_tensors(path, tensors, "float16")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_another_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'float32' or 'float16', not 'bfloat16'"):
        write_tensors(tmp_path / "x.safetensors", {}, "bfloat16")
    assert list(tmp_path.iterdir()) == []


def test_an_array_of_any_layout_is_written_in_c_order(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    columns = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    write_tensors(tmp_path / "x.safetensors", {"x": array, "y": columns})
    assert same_bits(read(tmp_path / "x.safetensors"), {"x": array, "y": columns})


def test_half_precisions_by_hand(tmp_path: Path) -> None:
    header = {"half": entry("F16", [3], 0, 6), "brain": entry("BF16", [2, 2], 6, 14)}
    half = bytes.fromhex("003c0100ff7b")  # 1, the smallest subnormal, the largest
    brain = bytes.fromhex("803f80bf497f4940")
    path = tmp_path / "x.safetensors"
    path.write_bytes(packed(header, half + brain))
    tensors = read(path)
    assert tensors["half"].tolist() == [1.0, 2.0**-24, 65504.0]
    expected = np.uint32([[0x3F800000, 0xBF800000], [0x7F490000, 0x40490000]]).view(np.float32)
    assert tensors["brain"].tolist() == expected.tolist()
    assert all(array.dtype == np.float32 for array in tensors.values())


@pytest.mark.parametrize("padding", range(8))
def test_arrays_are_aligned_and_their_own_wherever_the_file_has_them(
    tmp_path: Path, padding: int
) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    header = json.dumps({"x": entry("F32", [2, 3], 0, 24)}).encode() + b" " * padding
    path = tmp_path / "x.safetensors"
    path.write_bytes(packed(header, array.tobytes()))
    result = read(path)["x"]
    assert result.tolist() == array.tolist()
    flags = result.flags
    assert flags.aligned and flags.c_contiguous and flags.owndata and flags.writeable


def test_a_dtype_that_is_no_weight_can_lie_in_the_file_but_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(packed({"x": entry("I64", [1], 0, 8)}, bytes(8)))
    stored = read_contents(path)["x"]
    with pytest.raises(CheckpointError, match="'x': expected F32, F16 or BF16, found I64"):
        tensor("x", stored)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    size = 1_000_000  # more than what is read ahead
    path.write_bytes(packed({"x": entry("F32", [size // 4], 0, size)}, bytes(size)))
    stored = read_contents(path)["x"]
    with open(path, "r+b") as other:
        other.truncate(stored.begin + size - 1)
    with pytest.raises(CheckpointError, match="ends within"):
        tensor("x", stored)


# ---- Files that are wrong -----------------------------------------------------------------------

GOOD = entry("F32", [2], 0, 8)
DATA = bytes(8)
HUGE = 2**62

HOSTILE = {
    "empty": (b"", "at least 8 bytes, found 0"),
    "seven bytes": (bytes(7), "at least 8 bytes, found 7"),
    "only a length": (bytes(8), "not a JSON object"),
    "length 2**63": ((2**63).to_bytes(8, "little") + b"{}", "header of 9223372036854775808 bytes"),
    "length 2**64 - 1": (b"\xff" * 8 + b"{}", "header of 18446744073709551615 bytes"),
    "length past the end": ((3).to_bytes(8, "little") + b"{}", "header of 3 bytes in a file of 10"),
    "length over the limit": (
        (MAX_BYTES + 1).to_bytes(8, "little") + b"{}",
        f"expected at most {MAX_BYTES}",
    ),
    "a web page": (b"<!DOCTYPE html><html>not found</html>", "header of"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "header of"),
    "an array": (packed(b"[]"), "not a JSON object"),
    "a space before": (packed(b" {}"), "not a JSON object"),
    "a byte order mark": (packed(b"\xef\xbb\xbf{}"), "not a JSON object"),
    "newline as padding": (packed(b"{}\n"), "not a JSON object"),
    "NUL as padding": (packed(b"{}\0"), "not a JSON object"),
    "two objects": (packed(b"{}{}"), "not valid JSON"),
    "not UTF-8": (packed(b'{"\xff": 1}'), "not valid JSON"),
    "UTF-16": (packed("{}".encode("utf-16-le")), "not a JSON object"),
    "deep nesting": (packed(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "too deeply"),
    "deep objects": (packed(b'{"x":' * 100_000 + b"1" + b"}" * 100_000), "too deeply"),
    "long integer": (packed(b'{"x":' + b"9" * 1_000_000 + b"}"), "integer of 1000000 digits"),
    "NaN": (packed(b'{"x":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', DATA), "NaN"),
    "Infinity": (packed(b'{"x":{"dtype":"F32","shape":[],"data_offsets":[0,Infinity]}}'), "Infin"),
    "1e400": (packed(b'{"x":{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}}', DATA), "sizes"),
    "a name twice": (
        packed(f'{{"x":{json.dumps(GOOD)},"x":{json.dumps(GOOD)}}}'.encode(), DATA),
        "key 'x' is given twice",
    ),
    "a field twice": (
        packed(b'{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', DATA),
        "key 'dtype' is given twice",
    ),
    "metadata a list": (packed({"__metadata__": []}), "__metadata__: expected an object"),
    "metadata null": (packed({"__metadata__": None}), "__metadata__: expected an object"),
    "metadata a number": (packed({"__metadata__": {"a": 1}}), "__metadata__: expected an object"),
    "entry a list": (packed({"x": []}), "'x': expected dtype, shape and data_offsets, found []"),
    "entry without shape": (packed({"x": {"dtype": "F32", "data_offsets": [0, 8]}}, DATA), "shape"),
    "entry with more": (packed({"x": GOOD | {"more": 1}}, DATA), "expected dtype, shape and"),
    "dtype unknown": (packed({"x": entry("F31", [2], 0, 8)}, DATA), "unknown dtype 'F31'"),
    "dtype lower case": (packed({"x": entry("f32", [2], 0, 8)}, DATA), "unknown dtype 'f32'"),
    "dtype a list": (packed({"x": entry(["F32"], [2], 0, 8)}, DATA), "unknown dtype ['F32']"),
    "dtype null": (packed({"x": entry(None, [2], 0, 8)}, DATA), "unknown dtype None"),
    "shape a number": (packed({"x": entry("F32", 2, 0, 8)}, DATA), "shape: expected"),
    "shape null": (packed({"x": entry("F32", None, 0, 8)}, DATA), "shape: expected"),
    "shape a string": (packed({"x": entry("F32", "2", 0, 8)}, DATA), "shape: expected"),
    "shape a float": (packed({"x": entry("F32", [2.0], 0, 8)}, DATA), "shape: expected"),
    "shape true": (packed({"x": entry("F32", [True, 2], 0, 8)}, DATA), "shape: expected"),
    "shape negative": (packed({"x": entry("F32", [-1, -2], 0, 8)}, DATA), "shape: expected"),
    "shape of 33 ones": (packed({"x": entry("F32", [2] + [1] * 32, 0, 8)}, DATA), "at most 32"),
    "shape overflows 64 bits": (packed({"x": entry("F32", [HUGE, 4], 0, 0)}), "bits, found 0"),
    "shape overflows a float": (packed({"x": entry("F32", [HUGE] * 32, 0, 8)}, DATA), "found 64"),
    "size too large for the shape": (packed({"x": entry("F32", [1], 0, 8)}, DATA), "found 64"),
    "size too small for the shape": (packed({"x": entry("F32", [3], 0, 8)}, DATA), "found 64"),
    "half a byte": (packed({"x": entry("F4", [3], 0, 1)}, b"0"), "is 12 bits, found 8"),
    "offsets one": (packed({"x": GOOD | {"data_offsets": [8]}}, DATA), "expected [begin, end]"),
    "offsets three": (packed({"x": GOOD | {"data_offsets": [0, 8, 8]}}, DATA), "[begin, end]"),
    "offsets backwards": (packed({"x": entry("F32", [2], 8, 0)}, DATA), "expected [begin, end]"),
    "offsets negative": (packed({"x": entry("F32", [2], -8, 0)}, DATA), "expected [begin, end]"),
    "offsets a float": (packed({"x": entry("F32", [2], 0.0, 8)}, DATA), "expected [begin, end]"),
    "offsets false": (packed({"x": entry("F32", [2], False, 8)}, DATA), "expected [begin, end]"),
    "offsets 2**63": (packed({"x": entry("F32", [0], 2**63, 2**63)}), "expected [begin, end]"),
    "offsets far away": (packed({"x": entry("F32", [0], HUGE, HUGE)}), "expected to begin at"),
    "hole at the start": (packed({"x": entry("F32", [2], 4, 12)}, bytes(12)), "expected to begin"),
    "hole between": (
        packed({"x": GOOD, "y": entry("F32", [1], 12, 16)}, bytes(16)),
        "'y': expected to begin at byte",
    ),
    "overlap": (
        packed({"x": GOOD, "y": entry("F32", [2], 4, 12)}, bytes(12)),
        "'y': expected to begin at byte",
    ),
    "the same bytes twice": (packed({"x": GOOD, "y": GOOD}, DATA), "'y': expected to begin"),
    "bytes missing": (packed({"x": GOOD}, bytes(7)), "bytes, found"),
    "bytes after": (packed({"x": GOOD}, bytes(9)), "bytes, found"),
    "bytes without tensors": (packed({}, b"0"), "bytes, found"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file(tmp_path: Path, case: str) -> None:
    data, message = HOSTILE[case]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and message in text
    assert "\n" not in text and len(text) < len(str(path)) + 300


@pytest.mark.parametrize("depth", range(900, 1000, 3))
def test_nesting_near_the_limit_of_recursion(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(packed(b'{"x":' + b"[" * depth + b"]" * depth + b"}"))
    with pytest.raises(CheckpointError):
        read(path)


def test_a_name_from_the_file_is_shown_short_and_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(packed({"a\nb\x1b[31m" + "c" * 1_000_000: entry("?", [], 0, 0)}))
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert "tensor 'a\\nb\\x1b[31mc" in str(caught.value) and len(str(caught.value)) < 400


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"x": np.ones((2, 3), np.float32), "y": np.ones((), np.float32)})
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read(path)


# ---- Mutations ----------------------------------------------------------------------------------

SMALL = packed(
    b'{"__metadata__":{"format":"pt"},"h.0.w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
    b'"b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]},'
    b'"m":{"dtype":"BOOL","shape":[1,1,2,2],"data_offsets":[32,36]},'
    b'"z":{"dtype":"BF16","shape":[1,2],"data_offsets":[36,40]}}   ',
    bytes(range(40)),
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """``data`` after one to three small accidents, most of them in the header."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(result)) if rng.random() < 0.3 else rng.randrange(8, len(data) - 40)
        at = min(at, len(result) - 1)
        match rng.randrange(9):
            case 0:
                result[at] ^= 1 << rng.randrange(8)
            case 1:
                result[at] = rng.randrange(256)
            case 2:
                del result[at : at + rng.randrange(1, 9)]
            case 3:
                result[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 4:
                del result[at:]
            case 5:
                result[at] = rng.choice(b'0123456789{}[]",:-. eE')
            case 6:
                token = rng.choice(
                    [b"null", b"true", b"NaN", b"-1", b"1e9", b"9" * 25, b"[[", b'"']
                )
                result[at : at + len(token)] = token
            case 7:
                result[:8] = rng.choice(
                    [rng.randbytes(8), rng.randrange(400).to_bytes(8, "little")]
                )
            case 8:  # a digit for another, so that the JSON stays good
                digits = [i for i in range(8, len(result)) if 48 <= result[i] <= 57]
                if digits:
                    result[rng.choice(digits)] = rng.choice(b"0123456789")
        if not result:
            break
    return bytes(result)


@pytest.mark.parametrize("seed", range(8))
def test_a_mutation_is_refused_or_read_exactly(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "x.safetensors"
    loaded = 0
    for _ in range(2500):
        data = mutated(SMALL, rng)
        path.write_bytes(data)
        try:
            tensors = read(path)
        except CheckpointError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        else:
            assert same_bits(tensors, naively(data))
            loaded += 1
    assert 30 < loaded < 1400  # both ways are taken


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 50)
    | st.integers()
    | st.floats()
    | st.sampled_from(["F32", "F16", "BF16", "U8", "F64", "", "dtype", "shape", "data_offsets"])
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
SIZES = st.lists(st.integers(0, 4) | JSON, max_size=4)
ENTRIES = JSON | st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*BYTES_OF, "F4", "F6_E2M3", "X"]) | JSON,
        "shape": SIZES,
        "data_offsets": st.lists(st.sampled_from([0, 4, 8, 16]), min_size=2, max_size=2) | SIZES,
    }
)


@settings(max_examples=times(300), deadline=None, derandomize=True)
@given(
    header=st.dictionaries(st.sampled_from(["a", "b", "c", "__metadata__", "\ud800"]), ENTRIES),
    size=st.sampled_from([0, 4, 8, 16]),
)
def test_any_json_for_a_header(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any], size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    data = packed(header, bytes(range(size)))
    path.write_bytes(data)
    try:
        tensors = read(path)
    except CheckpointError:
        return
    assert same_bits(tensors, naively(data))


@settings(max_examples=times(200), deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BYTES_OF)),
            st.lists(st.integers(0, 3), max_size=3),
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_every_good_file_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: list[tuple[str, list[int]]],
    rng: random.Random,
) -> None:
    """Any dtypes and shapes, entries in any order: strictness must not refuse what is right."""
    header, end = {}, 0
    for i, (dtype, shape) in enumerate(tensors):
        begin, end = end, end + math.prod(shape) * BYTES_OF[dtype]
        header[f"t{i}"] = entry(dtype, shape, begin, end)
    shuffled = list(header.items())
    rng.shuffle(shuffled)
    data = packed(dict(shuffled), rng.randbytes(end))
    path = tmp_path_factory.getbasetemp() / "good.safetensors"
    path.write_bytes(data)
    assert set(read_contents(path)) == set(header)
    assert same_bits(read(path), naively(data))
