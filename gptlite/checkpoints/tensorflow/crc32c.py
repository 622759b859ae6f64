"""CRC-32C (Castagnoli), the checksum of TensorFlow's checkpoints, at about 1 GB/s.

A checksum is a division of polynomials whose coefficients are bits. Bit by bit, this takes plain
Python far too long. But it is linear: the checksum of two rows of bytes, one after the other, is
the first row's, carried over as many zero bytes as the second row is long, plus the second row's.
So the data is laid out in rows, and all columns are folded at once, each by itself, with one table
lookup for each half of a word. One row remains; it is laid out in shorter rows and folded in the
same way, and the last of the shorter rows is divided byte by byte.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview
Words = NDArray[np.uint32]

POLYNOMIAL = 0x82F63B78  # with its bits reversed, as usual
ROWS = (4096, 128)  # 4-byte words in a row: long for most of the data, short for the rest


def crc32c(data: Buffer, crc: int = 0) -> int:
    """Compute the checksum of a buffer, or continue the checksum of the bytes before it.

    Args:
        data: any C-contiguous buffer, of any shape.
        crc: the checksum of the bytes before.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    >>> hex(crc32c(b"56789", crc32c(b"1234")))
    '0xe3069283'
    """
    view = memoryview(data)
    if view.nbytes == 0:  # a shape with a 0 in it cannot be cast
        return crc
    return remainder(view.cast("B"), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Mask a checksum for storage, so that data that holds checksums can be checked, too."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def unmasked(stored: int) -> int:
    """Recover the checksum from its stored form.

    >>> unmasked(masked(0xE3069283)) == 0xE3069283
    True
    """
    rotated = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def remainder(view: memoryview, state: int) -> int:
    """Divide the bytes, going on from the remainder ``state`` that earlier bytes left."""
    for n_words in ROWS:
        whole = len(view) - len(view) % (4 * n_words)
        if whole > 4 * n_words:
            state = remainder(fold(view[:whole], state, n_words), 0)
            view = view[whole:]
    table = byte_table()
    for byte in view:
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state


def fold(view: memoryview, state: int, n_words: int) -> memoryview:
    """Fold rows into one: divided from 0, it leaves the remainder of them all from ``state``."""
    low, high = carry_tables(n_words)
    rows = np.frombuffer(view, "<u4").reshape(-1, n_words)  # [n_rows, n_words]
    folded = rows[0].copy()  # [n_words]
    folded[0] ^= np.uint32(state)
    halves = folded.view("<u2").reshape(n_words, 2)  # [n_words, 2], a view
    of_low, of_high = np.empty_like(folded), np.empty_like(folded)  # [n_words]
    for row in rows[1:]:
        # "clip" changes no index, as the tables have an entry for every half; it only spares
        # NumPy a copy of the result.
        low.take(halves[:, 0], out=of_low, mode="clip")
        high.take(halves[:, 1], out=of_high, mode="clip")
        of_low ^= of_high
        np.bitwise_xor(of_low, row, out=folded)
    return memoryview(folded).cast("B")


@cache
def byte_table() -> list[int]:
    """List the remainder that each value of a byte leaves after its eight bits: ``[256]``."""
    table = []
    for state in range(256):
        for _ in range(8):
            state = (state >> 1) ^ (POLYNOMIAL if state & 1 else 0)
        table.append(state)
    return table


@cache
def carry_tables(n_words: int) -> tuple[Words, Words]:
    """Carry each half of a word over a row of zero bytes: for lower, then upper, ``[65536]``.

    The checksum is linear, so a word's checksum is the sum of its bits' checksums.

    Args:
        n_words: words in the row, a power of 2.
    """
    state = [1 << bit for bit in range(32)]
    # Each bit carried over one zero byte, then over 2, 4, 8 and so on: each step repeats the last.
    bits = np.array([byte_table()[s & 0xFF] ^ (s >> 8) for s in state], np.uint32)  # [32]
    n_bytes = 1
    while n_bytes < 4 * n_words:
        is_set = bits[:, None] >> np.arange(32, dtype=np.uint32) & 1  # [32, 32]
        bits = np.bitwise_xor.reduce(is_set * bits, axis=1)  # [32]
        n_bytes *= 2
    halves = []
    for half in (bits[:16], bits[16:]):
        sums = np.zeros(1, np.uint32)  # [1], doubled by each bit
        for bit in half:
            sums = np.concatenate([sums, sums ^ bit])  # [2, 4, ... 65536]
        halves.append(sums)
    return halves[0], halves[1]
