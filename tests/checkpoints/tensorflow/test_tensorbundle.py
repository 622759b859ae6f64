"""TensorFlow's checkpoints: what TensorFlow wrote, what is written here, and what is damaged."""

import math
import random
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundles import naively, packed, read, same_bits, table_of
from fuzz import times
from gptlite.checkpoints.names import openai_name
from gptlite.checkpoints.stored import read_into
from gptlite.checkpoints.tensorflow.crc32c import crc32c, masked
from gptlite.checkpoints.tensorflow.sstable import (
    MOST_BYTES,
    MOST_ENTRIES,
    encode_block,
    read_table,
    separator,
    write_table,
)
from gptlite.checkpoints.tensorflow.tensorbundle import (
    HEADER,
    BundleEntry,
    build_index,
    encode_entry,
    read_contents,
    write_bundle,
)
from gptlite.checkpoints.tensorflow.varint import decode_varint, encode_varint
from gptlite.config import PRESETS, parameter_shapes
from gptlite.errors import CheckpointError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "tensorflow"
DATA = "x.data-00000-of-00001"


def refusal(prefix: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(prefix)
    message = str(caught.value)
    assert message.startswith(str(prefix.parent)) and "\n" not in message and len(message) < 600
    return message


# ---- The table ----------------------------------------------------------------------------------

TABLES = st.dictionaries(st.binary(max_size=6), st.binary(max_size=8), max_size=60)


@given(TABLES)
def test_a_table_written_and_read(table: dict[bytes, bytes]) -> None:
    entries = sorted(table.items())
    assert read_table(write_table(entries)) == entries


def test_a_table_of_several_blocks() -> None:
    entries = [(b"key%05d" % n, bytes(1000)) for n in range(700)]
    data = write_table(entries)
    assert read_table(data) == entries
    assert len(data) > 2 * 262_144


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_a_separator_separates(a: bytes, b: bytes) -> None:
    low, high = sorted([a, b])
    if low < high:
        assert low <= separator(low, high) < high
    assert a <= separator(a, None)


@pytest.mark.parametrize(
    ("last", "following", "expected"),
    [
        (b"abc", b"abz", b"abd"),
        (b"abc", b"abd", b"abc"),  # nothing is between them
        (b"ab", b"abc", b"ab"),
        (b"a\xff", b"b", b"a\xff"),
        (b"a\xff\x01", b"c", b"b"),
        (b"\xff\xfe", None, b"\xff\xff"),
        (b"\xff\xff", None, b"\xff\xff"),
        (b"model/wte", None, b"n"),
    ],
)
def test_separators_as_leveldb_has_them(
    last: bytes, following: bytes | None, expected: bytes
) -> None:
    assert separator(last, following) == expected


@given(st.integers(0, 2**64 - 1))
def test_a_varint_comes_back(n: int) -> None:
    data = encode_varint(n)
    assert decode_varint(b"x" + data + b"y", 1) == (n, 1 + len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 12, b"\xff" * 9 + b"\x02"])
def test_a_varint_that_is_wrong(data: bytes) -> None:
    with pytest.raises(ValueError, match="at most 64 bits at byte 0"):
        decode_varint(data, 0)


def test_a_compressed_table() -> None:
    entries = [(b"", HEADER), (b"a", b"x" * 50), (b"ab", b"y")]
    content = encode_block(entries, interval=16)[0]
    assert read_table(table_of(packed(content), compression=1)) == entries


def flood(n: int, key: int) -> bytes:
    """A block that unpacks to n keys, each with nearly all of the first, which is long."""
    return b"".join(
        [
            *(b"\0", encode_varint(key), b"\0", b"k" * key),
            *(encode_varint(key) + b"\4\0" + n.to_bytes(4, "big") for n in range(n)),
            struct.pack("<2I", 0, 1),
        ]
    )


ONE, EMPTY = encode_block([(b"a", b"")])[0], encode_block([])[0]
RESTARTS = struct.pack("<2I", 0, 1)
BOMB = encode_varint(MOST_BYTES + 1) + b"\0a" + b"\xfe\x01\0" * (MOST_BYTES // 64)
WRONG_TABLES = {
    "empty": (b"", "at least 48 bytes, found 0"),
    "only a footer": (table_of()[-47:], "at least 48 bytes, found 47"),
    "no magic number": (bytes(48), "expected the magic number db4775248b80fb57"),
    "an unfinished number": (b"\xff" * 40 + table_of()[-8:], "at most 64 bits"),
    "an index far away": (b"\0\0\xff\xff\x7f\1".ljust(40) + table_of()[-8:], "past the end"),
    "another compression": (table_of(EMPTY, compression=4), "unknown compression 4"),
    "not compressed": (table_of(b"\xff\x01\0", compression=1), "a compressed block of 3 bytes"),
    "a bomb": (table_of(BOMB, compression=1), f"unpacks to {MOST_BYTES + 1}"),
    "a block of three bytes": (table_of(b"abc"), "a block of 3 bytes"),
    "restarts past the start": (table_of(struct.pack("<I", 2)), "with 2 restart points"),
    "restarts without number": (table_of(b"\xff" * 4), "with 4294967295 restart points"),
    "an entry past the end": (table_of(b"\0\1\5a" + RESTARTS), "at byte 0 runs past"),
    "a key past the end": (table_of(b"\0\x7f\0a" + RESTARTS), "at byte 0 runs past"),
    "shared with nothing": (table_of(b"\1\1\0a" + RESTARTS), "at byte 0 runs past"),
    "a number that does not end": (table_of(b"\xff" * 12 + RESTARTS), "at most 64 bits"),
    "keys out of order": (table_of(encode_block([(b"b", b""), (b"a", b"")])[0]), "out of order"),
    "a key twice": (table_of(ONE, ONE), "keys out of order: b'a' after b'a'"),
    "a block twice": (table_of(EMPTY, index=[0, 0]), "expected a block at byte 8 or later"),
    "blocks out of order": (table_of(EMPTY, ONE, index=[1, 0]), "or later, found 0"),
    "long keys": (table_of(flood(200, 50_000)), f"entries and {MOST_BYTES} bytes, found more"),
    "many entries": (table_of(flood(MOST_ENTRIES, 1)), f"at most {MOST_ENTRIES} entries"),
    "many bytes": (
        table_of(*[encode_block([(k, bytes(MOST_BYTES // 2))])[0] for k in (b"a", b"b", b"c")]),
        f"entries and {MOST_BYTES} bytes, found more",
    ),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_a_table_that_is_wrong(case: str) -> None:
    data, message = WRONG_TABLES[case]
    with pytest.raises(ValueError, match=message):
        read_table(data)


# ---- The checkpoint ------------------------------------------------------------------------------


def test_written_by_tensorflow() -> None:
    """A fine-tune: OpenAI's names, an axis of 1 on matrices, an optimizer's slots beside them."""
    with np.load(FIXTURES / "expected.npz") as archive:
        expected = {name: archive[name] for name in archive.files}
    contents = read_contents(FIXTURES / "model.ckpt")
    assert set(contents) == set(expected)
    kinds = {"float32": "F32", "int64": "I64"}
    for name, array in expected.items():
        assert contents[name].dtype == kinds[array.dtype.name]
        assert contents[name].shape == array.shape
    found = read(FIXTURES / "model.ckpt")
    assert len(found) == 28 + 6
    assert all(found[name].tobytes() == expected[name].tobytes() for name in found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gpt2", 5215), ("gpt2-medium", 10399), ("gpt2-large", 15535), ("gpt2-xl", 20724)],
)
def test_an_index_is_as_long_as_openai_s(name: str, expected: int) -> None:
    """The first two are OpenAI's own; no weights are written."""
    shapes = {}
    for parameter, shape in parameter_shapes(PRESETS[name]).items():
        is_linear = len(shape) == 2 and not parameter.startswith("w")
        shapes[openai_name(parameter)] = (1, *shape) if is_linear else shape
    records, offset = [], 0
    for variable in sorted(shapes):
        size = 4 * math.prod(shapes[variable])
        records.append((variable, BundleEntry(1, shapes[variable], 0, offset, size, 0)))
        offset += size
    assert offset == 4 * PRESETS[name].n_params
    assert len(build_index(records)) == expected


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "x", VARIABLES)
    return tmp_path / "x"


VARIABLES: dict[str, Any] = {
    "model/wte": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model/h0/w": np.arange(4, dtype=np.float32).reshape(1, 2, 2).swapaxes(1, 2),
    "model/b": np.float32([1.5]),
    "scalar": np.float32(3),
    "empty": np.zeros((0, 2), np.float32),
}


def test_written_and_read(prefix: Path) -> None:
    found = read(prefix)
    assert list(found) == sorted(VARIABLES)
    for name, array in VARIABLES.items():
        assert found[name].shape == np.shape(array) and np.array_equal(found[name], array)
    assert sorted(file.name for file in prefix.parent.iterdir()) == [DATA, "x.index"]


def test_every_flipped_bit_of_the_numbers_is_found(prefix: Path) -> None:
    data = prefix.parent / DATA
    good = data.read_bytes()
    assert len(good) == 4 * 12
    for at in range(8 * len(good)):
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        data.write_bytes(bad)
        assert "its bytes are damaged" in refusal(prefix)


def test_truncations_of_the_numbers(prefix: Path) -> None:
    data = prefix.parent / DATA
    good = data.read_bytes()
    for length in range(len(good)):
        data.write_bytes(good[:length])
        assert f"expected at least 48 bytes (x.index says so), found {length}" in refusal(prefix)


def test_every_truncation_and_flipped_bit_of_the_index(prefix: Path) -> None:
    index = prefix.with_name("x.index")
    good = index.read_bytes()
    for length in range(len(good)):
        index.write_bytes(good[:length])
        refusal(prefix)
    footer = len(good) - 48
    for at in range(8 * footer):
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        index.write_bytes(bad)
        # The metaindex block is not needed, and not read.
        try:
            assert set(read(prefix)) == set(VARIABLES)
        except CheckpointError as error:
            assert "checksum" in str(error)


def test_missing_files(prefix: Path) -> None:
    (prefix.parent / DATA).unlink()
    assert refusal(prefix) == f"{prefix.parent}: missing {DATA}"
    prefix.with_name("x.index").unlink()
    assert refusal(prefix) == f"{prefix.parent}: missing x.index"
    prefix.write_bytes(b"")
    assert "V1 checkpoints are not supported, and x.index of a V2 is missing" in refusal(prefix)


def test_several_shards(tmp_path: Path) -> None:
    arrays = [np.float32([1, 2]), np.float32([3])]
    entries = [(b"", b"\x08\x02\x1a\x02\x08\x01")]
    for n, array in enumerate(arrays):
        record = BundleEntry(1, array.shape, n, 0, array.nbytes, crc32c(array.data))
        entries.append((b"v%d" % n, encode_entry(record)))
        (tmp_path / f"x.data-0000{n}-of-00002").write_bytes(array.tobytes())
    (tmp_path / "x.index").write_bytes(write_table(entries))
    found = read(tmp_path / "x")
    assert found["v0"].tolist() == [1, 2] and found["v1"].tolist() == [3]
    (tmp_path / "x.data-00001-of-00002").unlink()
    assert "missing x.data-00001-of-00002" in refusal(tmp_path / "x")


def test_kinds_that_are_not_read_do_no_harm(prefix: Path) -> None:
    """Strings and resources, which a fine-tune's file may hold."""
    entries = read_table(prefix.with_name("x.index").read_bytes())
    entries.append((b"string", bytes.fromhex("08071200 2030 2801 3500000000")))
    entries.append((b"variant", bytes.fromhex("08151200 2031 2801 3500000000")))
    with open(prefix.parent / DATA, "ab") as file:
        file.write(b"ab")
    prefix.with_name("x.index").write_bytes(write_table(entries))
    contents = read_contents(prefix)
    assert (contents["string"].dtype, contents["variant"].dtype) == ("STRING", "DT_21")
    assert set(read(prefix)) == set(VARIABLES)


def record(begin: int = 0) -> bytes:
    return encode_entry(BundleEntry(1, (2,), 0, begin, 8, crc32c(bytes(8))))


GOOD = record()
MINUS_1 = b"\xff" * 9 + b"\1"
RECORDS = {
    "partitioned": (GOOD + b"\x3a\x00", "partitioned variable: these are not supported"),
    "another shard": (GOOD + b"\x18\x01", "expected a shard from 0 to 0, found 1"),
    "a negative shard": (GOOD + b"\x18" + MINUS_1, "expected a shard from 0 to 0, found 18446"),
    "a size that does not fit": (encode_entry(BundleEntry(1, (3,), 0, 0, 8, 0)), "[3] is 12 bytes"),
    "no size": (b"\x08\x01\x12\x04\x12\x02\x08\x02", "F32 [2] is 8 bytes, found 0"),
    "a negative size": (b"\x08\x07\x28" + MINUS_1, "a size below 2**63"),
    "a negative offset": (b"\x08\x01\x20" + MINUS_1, "a size below 2**63, found 18446744073709551"),
    "far away": (
        encode_entry(BundleEntry(1, (2,), 0, 2**62, 8, 0)),
        "at least 4611686018427387912",
    ),
    "one byte too far": (encode_entry(BundleEntry(1, (2,), 0, 41, 8, 0)), "at least 49 bytes"),
    "an unknown rank": (b"\x08\x01\x12\x02\x18\x01", "found one of unknown rank"),
    "a negative axis": (
        b"\x08\x01\x12\x0d\x12\x0b\x08" + MINUS_1,
        "shape: expected sizes below 2**63, found [18446744073709551615]",
    ),
    "an overflow": (
        encode_entry(BundleEntry(1, (2**62, 4), 0, 0, 0, 0)),
        "is 73786976294838206464 bytes, found 0",
    ),
    "a long overflow": (encode_entry(BundleEntry(1, (2**62,) * 32, 0, 0, 0, 0)), "bytes, found 0"),
    "33 axes": (
        encode_entry(BundleEntry(1, (1,) * 33, 0, 0, 4, 0)),
        "at most 32 sizes, found more",
    ),
    "an offset twice": (GOOD + b"\x20\x00\x20\x00", "field 4 is there twice"),
    "a message for a number": (GOOD + b"\x22\x00", "field 4 is there twice, or of wire type 2"),
    "a number for a message": (b"\x08\x01\x10\x01", "field 2 is there twice, or of wire type 0"),
    "a checksum of eight bytes": (b"\x08\x01\x31" + bytes(8), "field 6 is there twice, or of"),
    "a group": (GOOD + b"\x0b", "field 1 is of unknown wire type 3"),
    "a field past the end": (GOOD + b"\x12\x7f", "field 2 runs past the end"),
    "a fixed one past the end": (b"\x08\x01\x35\0\0\0", "field 6 runs past the end"),
    "a number that does not end": (GOOD + b"\x20\xff", "at most 64 bits"),
    "a message of 2**64 - 1 bytes": (b"\x12" + MINUS_1, "field 2 runs past the end"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_record_that_is_wrong(case: str, prefix: Path) -> None:
    value, message = RECORDS[case]
    prefix.with_name("x.index").write_bytes(write_table([(b"", HEADER), (b"a", value)]))
    text = refusal(prefix)
    assert message in text
    assert "tensor 'a': " in text or text.startswith(f"{prefix.parent / DATA}: ")


def test_fields_that_are_new_are_passed_over(prefix: Path) -> None:
    new = bytes.fromhex("9a0601ff a006ff01 a50601020304 a9060102030405060708")
    (prefix.parent / DATA).write_bytes(bytes(8))
    prefix.with_name("x.index").write_bytes(write_table([(b"", HEADER), (b"a", new + GOOD + new)]))
    assert read(prefix)["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "expected a header first"),
        (b"\x08\x01\x10\x01", "found big-endian ones"),
        (b"", "expected 1 to 99999 shards, found 0"),
        (b"\x08" + MINUS_1, "expected 1 to 99999 shards, found 18446744073709551615"),
        (b"\x08" + encode_varint(2**40), "expected 1 to 99999 shards"),
        (b"\x0a\x00", "field 1 is there twice, or of wire type 2"),
    ],
)
def test_a_header_that_is_wrong(header: bytes | None, message: str, prefix: Path) -> None:
    entries = [(b"a", GOOD)] if header is None else [(b"", header), (b"a", GOOD)]
    prefix.with_name("x.index").write_bytes(write_table(entries))
    assert message in refusal(prefix)


def test_a_table_without_anything(prefix: Path) -> None:
    prefix.with_name("x.index").write_bytes(write_table([]))
    assert "expected a header first" in refusal(prefix)


def test_a_partitioned_variable_is_named(prefix: Path) -> None:
    """Its pieces come first, under keys that begin with a zero."""
    piece = b"\0model/wte\0\1\1\2\x80\x82\x80\x83"
    prefix.with_name("x.index").write_bytes(
        write_table([(b"", HEADER), (piece, GOOD), (b"model/wte", GOOD + b"\x3a\0")])
    )
    assert "partitioned variable 'model/wte': these are not supported" in refusal(prefix)


def test_a_name_that_is_not_text(prefix: Path) -> None:
    prefix.with_name("x.index").write_bytes(write_table([(b"", HEADER), (b"a\xff\n", GOOD)]))
    assert r"expected a name in UTF-8, found b'a\xff\n'" in refusal(prefix)


@pytest.mark.parametrize("begin", [0, 4, 7])
def test_tensors_do_not_share_bytes(prefix: Path, begin: int) -> None:
    """A thousand tensors, all of the same bytes, would be a bomb."""
    entries = [(b"", HEADER), (b"a", record()), (b"b", record(begin))]
    prefix.with_name("x.index").write_bytes(write_table(entries))
    assert f"tensor 'b': expected to begin at byte 8 of {DATA} or later, found {begin}" in refusal(
        prefix
    )
    (prefix.parent / DATA).write_bytes(bytes(32))
    entries[2] = (b"b", record(16))  # a gap, from a writer that aligns, does no harm
    prefix.with_name("x.index").write_bytes(write_table(entries))
    assert set(read(prefix)) == {"a", "b"}


def test_an_index_that_is_large(prefix: Path) -> None:
    with open(prefix.with_name("x.index"), "r+b") as file:
        file.truncate(1 << 40)  # takes up no room on the disk
    assert f"expected at most {MOST_BYTES} bytes, found 1099511627776" in refusal(prefix)


def bloated(n_axes: int) -> bytes:
    """As many tensors as are accepted, with long names, well compressed."""
    value = encode_entry(BundleEntry(1, (1,) * n_axes, 0, 0, 4, 0))
    name = "\U0001f600".encode() * 40
    length = encode_varint(len(value))
    content = [literal(b"\0\0\6" + HEADER + b"\0" + encode_varint(len(name) + 5) + length)]
    content += [literal(name + b"00000"), literal(value)]
    back = 3 + len(length) + 5 + len(value)  # from a value to the one before
    for n in range(1, MOST_ENTRIES - 1):
        content.append(literal(encode_varint(len(name)) + b"\5" + length + b"%05d" % n))
        content += [
            bytes([(min(64, len(value) - at) - 1) << 2 | 2]) + back.to_bytes(2, "little")
            for at in range(0, len(value), 64)
        ]
    block = b"".join([*content, literal(RESTARTS)])
    return table_of(encode_varint(len(naively(b"\0" + block))) + block, compression=1)


def test_not_much_time(prefix: Path) -> None:
    data = bloated(n_axes=32)
    assert len(data) < 200_000
    prefix.with_name("x.index").write_bytes(data)
    start = time.process_time()
    assert "or later, found 0" in refusal(prefix)  # all has been read by then
    assert time.process_time() - start < 5  # less than 1 where the machine is not busy


def test_not_much_memory(prefix: Path) -> None:
    prefix.with_name("x.index").write_bytes(bloated(n_axes=0))
    tracemalloc.start()
    assert "or later, found 0" in refusal(prefix)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def literal(data: bytes) -> bytes:
    """An element of a compressed block: these bytes."""
    return b"\xf4" + (len(data) - 1).to_bytes(2, "little") + data


# ---- Mutations -----------------------------------------------------------------------------------


def mutated(data: bytes, rng: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(max(1, len(result)))
        match rng.randrange(5):
            case 0:
                result[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del result[at : at + rng.randrange(1, 5)]
            case 2:
                result[at:at] = rng.randbytes(rng.randrange(1, 5))
            case 3 if result:
                result[at] ^= 1 << rng.randrange(8)
            case 4 if rng.random() < 0.2:
                del result[at:]
    return bytes(result)


def naive_table(data: bytes) -> dict[str, dict[int, Any]]:
    """The fields of every variable in an index that is known to be good and not compressed.

    Written without a look at the code: one byte at a time, no check of anything.
    """

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                return value

    def entries(begin: int, size: int) -> Iterator[tuple[bytes, int, int]]:
        nonlocal at
        end = begin + size - 4 - 4 * struct.unpack_from("<I", data, begin + size - 4)[0]
        key, at = b"", begin
        while at < end:
            shared, unshared, length = varint(), varint(), varint()
            key = key[:shared] + data[at : at + unshared]
            at += unshared + length
            following = at
            yield key, following - length, following
            at = following

    def fields(begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        nonlocal at
        at = begin
        while at < end:
            tag = varint()
            wire = tag & 7
            value = varint() if wire in (0, 2) else 0
            length = {0: 0, 1: 8, 2: value, 5: 4}[wire]
            at += length
            following = at
            yield tag >> 3, value, following - length, following
            at = following

    at = len(data) - 48
    handle = [varint() for _ in range(4)]
    table = {}
    for _, begin, _ in entries(*handle[2:]):
        after, at = at, begin
        for key, start, end in entries(varint(), varint()):
            found: dict[int, Any] = {1: 0, 2: [], 4: 0, 5: 0, 6: 0}
            for field, value, first, last in fields(start, end):
                if field == 6:
                    found[6] = struct.unpack_from("<I", data, first)[0]
                elif field == 2:
                    for number, _, dim, dim_end in fields(first, last):
                        sizes = {n: v for n, v, *_ in fields(dim, dim_end)}
                        found[2] += [sizes.get(1, 0)] if number == 2 else []
                else:
                    found[field] = value
            if key:
                table[key.decode()] = found
        at = after
    return table


@pytest.mark.parametrize("what", ["the file", "the block", "a record", "a key"])
def test_a_mutation_is_refused_or_read_exactly(what: str, prefix: Path) -> None:
    """20,000 accidents; those within a block or a record come with checksums that are right."""
    rng = random.Random(what)
    index, numbers = prefix.with_name("x.index"), (prefix.parent / DATA).read_bytes()
    good = index.read_bytes()
    entries = read_table(good)
    block = encode_block(entries, interval=16)[0]
    loaded = 0
    for _ in range(times(5_000)):
        at = rng.randrange(len(entries))
        key, value = entries[at]
        if what == "the file":
            data = mutated(good, rng)
        elif what == "the block":
            data = table_of(mutated(block, rng))
        elif what == "a record":
            value = mutated(value, rng)
            data = write_table([*entries[:at], (key, value), *entries[at + 1 :]])
        else:
            key = mutated(key, rng)
            data = write_table([*entries[:at], (key, value), *entries[at + 1 :]])
        index.write_bytes(data)
        try:
            contents = read_contents(prefix)
        except CheckpointError as error:
            assert str(error).startswith(str(prefix.parent)) and "\n" not in str(error)
            continue
        loaded += 1
        expected = naive_table(data)
        assert list(contents) == list(expected)
        for name, stored in contents.items():
            fields = expected[name]
            assert (list(stored.shape), stored.begin) == (fields[2], fields[4])
            assert stored.checksum is not None and masked(stored.checksum.value) == fields[6]
            assert (stored.dtype == "F32") == (fields[1] == 1)
            if stored.dtype == "F32":
                array = np.empty(stored.shape, np.float32)
                part = numbers[stored.begin : stored.begin + array.nbytes]
                if array.nbytes == 0 or masked(crc32c(part)) == fields[6]:
                    read_into(array, name, stored)
                    assert array.tobytes() == part
                else:
                    with pytest.raises(CheckpointError, match="damaged"):
                        read_into(array, name, stored)
    least, most = {"the file": (100, 2_000), "a key": (2_000, 4_900)}.get(what, (50, 3_000))
    assert times(least) < loaded < times(most)  # both ways are taken


def test_mutated_numbers_are_never_read_as_good(prefix: Path) -> None:
    rng = random.Random(0)
    data = prefix.parent / DATA
    good, sound = data.read_bytes(), read(prefix)
    for _ in range(times(2_000)):
        bad = mutated(good, rng)
        data.write_bytes(bad)
        if bad[: len(good)] == good:  # what is after the last tensor does no harm
            assert same_bits(read(prefix), sound)
        else:
            refusal(prefix)


@settings(max_examples=times(300), deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_any_bytes_for_a_record(tmp_path_factory: pytest.TempPathFactory, value: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / DATA).write_bytes(bytes(64))
    (folder / "x.index").write_bytes(write_table([(b"", HEADER), (b"a", value)]))
    try:
        read(folder / "x")
    except CheckpointError as error:
        assert str(error).startswith(str(folder)) and "\n" not in str(error)


@settings(max_examples=times(300), deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.sampled_from([0, 1]))
def test_any_bytes_for_a_block(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, compression: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / DATA).write_bytes(bytes(64))
    (folder / "x.index").write_bytes(table_of(content, compression=compression))
    with pytest.raises(CheckpointError):
        read(folder / "x")
