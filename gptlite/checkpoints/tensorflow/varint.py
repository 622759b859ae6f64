"""Integers that take as many bytes as they need, with 7 bits in each byte, the lowest first.

LevelDB, snappy and protocol buffers write their integers this way.
"""


def decode_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read the unsigned integer at a place; return it, and the place after it.

    Raises:
        ValueError: the integer runs past the end, or is larger than 64 bits.
    """
    value = 0
    for n, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + n + 1
    raise ValueError(f"expected an integer of at most 64 bits at byte {at}")


def encode_varint(value: int) -> bytes:
    """Write an unsigned integer as bytes.

    >>> encode_varint(300).hex(), decode_varint(bytes.fromhex("ac02"), 0)
    ('ac02', (300, 2))
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
