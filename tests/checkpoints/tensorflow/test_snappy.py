"""Snappy's raw blocks: every kind of element, and what is damaged or says absurd things."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import naively, packed
from fuzz import times
from gptlite.checkpoints.tensorflow.snappy import decompress
from gptlite.checkpoints.tensorflow.varint import encode_varint

LIMIT = 1 << 20


@given(st.lists(st.sampled_from([b"a", b"abc", b"abcd" * 20, bytes(70), b"xyz"])))
def test_packed_and_unpacked(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert decompress(packed(data), LIMIT) == data


@given(st.binary(max_size=300), st.integers(2, 4000))
def test_far_copies(data: bytes, gap: int) -> None:
    data = data + random.Random(gap).randbytes(gap) + data
    assert decompress(packed(data), LIMIT) == data


@pytest.mark.parametrize("length", [1, 59, 60, 61, 256, 257, 65536, 65537])
def test_bytes_as_they_are(length: int) -> None:
    """A length up to 60 is in the tag, a longer one in up to four bytes after it."""
    data = random.Random(length).randbytes(length)
    smallest = 0 if length <= 60 else (length - 1).bit_length() + 7 >> 3
    for extra in range(smallest, 5):
        tag = length - 1 if extra == 0 else 59 + extra
        block = bytes([tag << 2]) + (length - 1).to_bytes(4, "little")[:extra] + data
        assert decompress(encode_varint(length) + block, LIMIT) == data


def test_a_block_by_hand() -> None:
    block = bytes.fromhex("16 0c 61626364 01 04 0e 0300 17 08000000")
    # abcd; 4 from 4 back; 4 from 3 back, over itself; 6 from 8 back
    expected = b"abcd" + b"abcd" + b"bcdb" + b"abcdbc"
    assert decompress(encode_varint(18) + block[1:], LIMIT) == expected
    assert naively(encode_varint(18) + block[1:]) == expected
    assert decompress(b"\0", LIMIT) == b""


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"", "at most 64 bits at byte 0"),
        (b"\xff" * 12, "at most 64 bits at byte 0"),
        (b"\xff\xff\xff\xff\x0f\0a", "of 7 bytes that unpacks to 4294967295"),
        (b"\xff" * 9 + b"\x01\0a", "unpacks to 18446744073709551615"),
        (b"\x02\0a", "of 2 bytes that unpacks to others"),
        (b"\x01\x04ab", "of 1 bytes that unpacks to others"),
        (b"\x05\x10ab", "ends within its bytes"),
        (b"\x05\xf4", "ends within its bytes"),
        (b"\x05\xfc\xff\xff\xff\xff", "ends within its bytes"),
        (b"\x08\0a\x01", "ends within a copy"),
        (b"\x08\0a\x02\x01", "ends within a copy"),
        (b"\x08\0a\x03\x01\0\0", "ends within a copy"),
        (b"\x08\0a\x01\x02", "copies from 2 bytes back, after 1"),
        (b"\x08\0a\x01\x00", "copies from 0 bytes back"),
        (b"\x04\x01\x01", "copies from 1 bytes back, after 0"),
    ],
)
def test_a_block_that_is_damaged(block: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decompress(block, LIMIT)


def test_no_more_memory_than_the_limit() -> None:
    bomb = b"\0a" + b"\xfe\x01\0" * 40_000  # 2.6 million bytes
    n = 1 + 64 * 40_000
    assert decompress(encode_varint(n) + bomb, n) == b"a" * n
    tracemalloc.start()
    for says in (n, LIMIT, 2**32 - 1):
        with pytest.raises(ValueError, match="unpacks to"):
            decompress(encode_varint(says) + bomb, LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    tracemalloc.stop()


def test_a_mutation_is_refused_or_unpacked_exactly() -> None:
    rng = random.Random(0)
    good = packed(b"model/h0/attn/c_attn/w model/h0/attn/c_attn/b model/h1/attn/c_attn/b")
    unpacked = 0
    for _ in range(times(20_000)):
        data = bytearray(good)
        for _ in range(rng.choice([1, 1, 2, 3])):
            at = rng.randrange(len(data))
            match rng.randrange(3):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    data[at] = rng.randrange(256)
                case 2:
                    del data[at : at + rng.randrange(1, 4)]
        try:
            found = decompress(bytes(data), LIMIT)
        except ValueError:
            continue
        assert found == naively(bytes(data))
        unpacked += 1
    assert times(500) < unpacked < times(19_000)  # both ways are taken
