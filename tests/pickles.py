"""Pickles as torch.save writes them, built opcode by opcode, for tests of what reads them."""

import struct


def text(string: str) -> bytes:
    return b"X" + struct.pack("<I", len(string)) + string.encode()


def integer(n: int) -> bytes:
    return b"\x8a\x09" + n.to_bytes(9, "little", signed=True)


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def named(name: str) -> bytes:
    module, _, leaf = name.rpartition(".")
    return f"c{module}\n{leaf}\n".encode()


def storage(key: str = "0", numel: int = 6, kind: str = "torch.FloatStorage") -> bytes:
    return tuple_of(text("storage"), named(kind), text(key), text("cpu"), integer(numel)) + b"Q"
