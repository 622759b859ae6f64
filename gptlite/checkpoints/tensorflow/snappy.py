"""Snappy's raw block format, read only: TensorFlow 1.0 and 1.1 could compress an index with it.

A block is the length that it unpacks to, then elements: bytes as they are, or a copy of bytes that
were unpacked before. The lower two bits of an element's first byte say which kind it is.
https://github.com/google/snappy/blob/main/format_description.txt
"""

from gptlite.checkpoints.tensorflow.varint import decode_varint


def decompress(data: bytes, limit: int) -> bytes:
    """Unpack a compressed block.

    Args:
        limit: the most bytes that it may unpack to.

    Raises:
        ValueError: the block is damaged, or claims to unpack to more than ``limit`` or than it can.
    """
    length, at = decode_varint(data, 0)
    # A copy has at least 2 bytes and makes at most 64; any other element makes fewer than it has.
    if length > min(limit, 32 * len(data)):
        raise ValueError(f"a compressed block of {len(data)} bytes that unpacks to {length}")
    out = bytearray()
    while at < len(data) and len(out) <= length:
        tag = data[at]
        at += 1
        kind, n = tag & 3, (tag >> 2) + 1
        if kind == 0:
            if n > 60:  # the length less 1 is in the next 1 to 4 bytes
                extra = n - 60
                n = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            if at + n > len(data):
                raise ValueError("a compressed block that ends within its bytes")
            out += data[at : at + n]
            at += n
            continue
        width = (1, 2, 4)[kind - 1]
        if at + width > len(data):
            raise ValueError("a compressed block that ends within a copy")
        back = int.from_bytes(data[at : at + width], "little")
        at += width
        if kind == 1:  # 3 bits of the tag are the offset's highest
            back |= tag >> 5 << 8
            n = (tag >> 2 & 7) + 4
        if not 0 < back <= len(out):
            raise ValueError(
                f"a compressed block that copies from {back} bytes back, after {len(out)}"
            )
        # A copy may reach into its own result: then it repeats its first bytes.
        start = len(out) - back
        piece = out[start : start + n]
        out += (piece * (n // len(piece) + 1))[:n]
    if len(out) != length:
        raise ValueError(f"a compressed block of {length} bytes that unpacks to others")
    return bytes(out)
