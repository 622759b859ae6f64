"""TensorFlow's checkpoints for tests: their parts written naively, and read whole."""

import struct
from pathlib import Path

import numpy as np

from gptlite.checkpoints.stored import READ_AS, read_into
from gptlite.checkpoints.tensorflow.crc32c import crc32c, masked
from gptlite.checkpoints.tensorflow.sstable import (
    encode_block,
)
from gptlite.checkpoints.tensorflow.tensorbundle import (
    read_contents,
)
from gptlite.checkpoints.tensorflow.varint import encode_varint


def naively(data: bytes) -> bytes:
    """What a good block unpacks to, byte by byte, after the format's description."""
    at = next(i for i, byte in enumerate(data) if byte < 0x80) + 1
    out = bytearray()
    while at < len(data):
        tag = data[at]
        kind = ["bytes", "near", "far", "farther"][tag % 4]
        if kind == "bytes":
            extra = max(0, tag // 4 - 59)
            n = int.from_bytes(data[at + 1 : at + 1 + extra], "little") if extra else tag // 4
            n += 1
            out += data[at + 1 + extra : at + 1 + extra + n]
            at += 1 + extra + n
            continue
        if kind == "near":
            n, back, width = 4 + tag // 4 % 8, tag // 32 * 256 + data[at + 1], 1
        else:
            width = 2 if kind == "far" else 4
            n, back = 1 + tag // 4, int.from_bytes(data[at + 1 : at + 1 + width], "little")
        for _ in range(n):
            out.append(out[-back])
        at += 1 + width
    return bytes(out)


def packed(data: bytes) -> bytes:
    """A naive compressor: a copy where the last 3000 bytes have the next four, else the byte.

    Copies are written in each of the three ways in turn, where it can.
    """
    out, at, turn = bytearray(encode_varint(len(data))), 0, 0
    while at < len(data):
        begin = max(0, at - 3000)
        found = data[begin : at + 3].rfind(data[at : at + 4])
        if found < 0 or len(data) - at < 4:
            out += b"\0" + data[at : at + 1]
            at += 1
            continue
        back = at - begin - found
        n = 4
        while n < 64 and at + n < len(data) and data[at + n] == data[at + n - back]:
            n += 1
        turn = (turn + 1) % 3
        if turn == 0 and back < 2048:
            n = min(n, 11)
            out += bytes([back >> 8 << 5 | (n - 4) << 2 | 1, back & 0xFF])
        elif turn == 1:
            out += bytes([(n - 1) << 2 | 2]) + back.to_bytes(2, "little")
        else:
            out += bytes([(n - 1) << 2 | 3]) + back.to_bytes(4, "little")
        at += n
    return bytes(out)


def table_of(*contents: bytes, compression: int = 0, index: list[int] | None = None) -> bytes:
    """A table of these blocks, whatever they hold; all checksums are right.

    Args:
        index: numbers of the blocks that its index names, in order; None for each once.
    """
    out = bytearray()

    def add(block: bytes, kind: int = 0) -> bytes:
        place = encode_varint(len(out)) + encode_varint(len(block))
        tail = block + bytes([kind])
        out.extend(tail + struct.pack("<I", masked(crc32c(tail))))
        return place

    places = [add(content, compression) for content in contents]
    named = range(len(places)) if index is None else index
    footer = add(encode_block([])[0])
    footer += add(encode_block([(b"\xff%08d" % n, places[i]) for n, i in enumerate(named)])[0])
    return bytes(out) + footer.ljust(40, b"\0") + 0xDB4775248B80FB57.to_bytes(8, "little")


def read(prefix: Path) -> dict[str, np.ndarray]:
    """Every variable that can be read as float32."""
    found = {}
    for name, stored in read_contents(prefix).items():
        if stored.dtype in READ_AS:
            found[name] = np.empty(stored.shape, np.float32)
            read_into(found[name], name, stored)
    return found


def same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)
