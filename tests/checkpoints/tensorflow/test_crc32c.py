"""The checksum of TensorFlow's checkpoints, against the standard and against plain division."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite.checkpoints.tensorflow.crc32c import ROWS, crc32c, masked, unmasked

AROUND_ROWS = sorted({4 * n * k + d for n in ROWS for k in (1, 2, 3) for d in (-1, 0, 1, 4)})


def bit_by_bit(data: bytes, crc: int = 0) -> int:
    """The checksum as the polynomial division that it is."""
    state = crc ^ 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 * (state & 1))
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksums_of_the_standard(data: bytes, expected: int) -> None:
    """RFC 3720, B.4, and the customary check value."""
    assert crc32c(data) == expected


@pytest.mark.parametrize("length", [1, 100, *AROUND_ROWS, 100_003])
def test_folded_and_bit_by_bit(length: int) -> None:
    """On both sides of what is folded, with what is left over, and after what came before."""
    rng = random.Random(length)
    data, crc = rng.randbytes(length), rng.getrandbits(32)
    assert crc32c(data, crc) == bit_by_bit(data, crc)


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_in_parts_and_at_once(data: bytes, cut: int) -> None:
    assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data) == bit_by_bit(data)


def test_in_parts_of_megabytes() -> None:
    data = np.random.default_rng(0).bytes(10_000_001)
    crc = 0
    for start in range(0, len(data), 4 << 20):
        crc = crc32c(memoryview(data)[start : start + (4 << 20)], crc)
    assert crc == crc32c(data)
    assert crc != crc32c(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize("shape", [(), (3,), (3, 200, 100), (1, 1), (0,), (5, 0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16])
def test_an_array_of_any_shape(shape: tuple[int, ...], dtype: type) -> None:
    array = np.random.default_rng(0).integers(0, 9, shape).astype(dtype)
    assert crc32c(np.asarray(array).data, 7) == crc32c(array.tobytes(), 7)


def test_bytes_with_gaps_are_refused() -> None:
    with pytest.raises(TypeError):
        crc32c(np.ones((4, 4), np.float32)[:, :2].data)


@given(st.integers(0, 2**32 - 1))
def test_a_masked_checksum_comes_back(crc: int) -> None:
    assert unmasked(masked(crc)) == crc and masked(crc) != crc
    assert 0 <= masked(crc) < 2**32


def test_masked_as_tensorflow_has_it() -> None:
    """The checksum of the empty block that every TensorFlow index has, and of its compression."""
    block, stored = bytes.fromhex("00000000 01000000 00"), bytes.fromhex("c0f2a1b0")
    assert masked(crc32c(block)) == int.from_bytes(stored, "little")
