"""The archive that torch.save writes: a zip whose members are not compressed.

    members    for each a header of its own, then its bytes as they are
    table      an entry for each member: name, sizes, checksum, and where its header begins
    end        where the table begins and how long it is; a large archive repeats this in 64 bits

The reader is stricter than the standard library's zipfile, and needs less memory: zipfile needs ten
times the table's bytes, and believes sizes that reach beyond the archive. Source: PKWARE's APPNOTE.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gptlite.checkpoints.strict_json import shown
from gptlite.errors import CheckpointError

ZIP_MAGIC = b"PK\3\4"
_MAX_TABLE = 1 << 23  # bytes of an archive's table; gpt2-xl's has 40 thousand


class Span(NamedTuple):
    """A range of the file's bytes.

    Attributes:
        begin: the first byte.
        size: the number of bytes.
        crc32: their checksum, where the file has one.
    """

    begin: int
    size: int
    crc32: int | None = None


def list_members(file: BinaryIO, size: int, path: Path) -> dict[str, Span]:
    """List the members of an archive: name -> where its bytes lie.

    Args:
        size: the archive's size in bytes.
        path: the archive's path, for error messages.

    Raises:
        CheckpointError: the archive is damaged, compressed, encrypted, or a TorchScript program.
    """
    place = _find_table(file, size, path)
    file.seek(place.begin)
    table = file.read(place.size)
    members: dict[str, Span] = {}
    at = 0
    while at < len(table):
        fields = table[at : at + 46]
        if len(fields) < 46 or not fields.startswith(b"PK\1\2"):
            raise CheckpointError(f"{path}: zip: entry {len(members)} of the table is damaged")
        flags, method = struct.unpack_from("<HH", fields, 8)
        crc, packed, unpacked, n_name, n_extra, n_comment = struct.unpack_from("<3I3H", fields, 16)
        (begin,) = struct.unpack_from("<I", fields, 42)
        at += 46
        raw, extra = table[at : at + n_name], table[at + n_name : at + n_name + n_extra]
        at += n_name + n_extra + n_comment
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise CheckpointError(f"{path}: zip: expected names in UTF-8, found others") from None
        if name.partition("/")[2].startswith(("code/", "constants.pkl")):
            raise CheckpointError(f"{path}: expected a state dict, found a TorchScript program")
        where = f"{path}: zip: record {shown(name)}"
        # 0xffffffff stands for a number that needs 64 bits; these follow in ``extra``, in order.
        wide = _wide_numbers(extra)
        unpacked, packed, begin = (
            next(wide, -1) if number == 0xFFFFFFFF else number
            for number in (unpacked, packed, begin)
        )
        if name in members:
            raise CheckpointError(f"{where}: is there twice")
        if method != 0 or packed != unpacked:
            raise CheckpointError(f"{where}: expected no compression, found method {method}")
        if flags & 0x2041:  # encrypted in one of three ways
            raise CheckpointError(f"{where}: expected no encryption, found flags {flags:#x}")
        begin = _data_begin(file, begin, raw, place.begin, where)
        if unpacked < 0 or begin + unpacked > place.begin:
            raise CheckpointError(
                f"{where}: expected it to end before byte {place.begin}, "
                f"found {unpacked} bytes from {begin}"
            )
        # PyTorch can be told to save without checksums, and writes 0 then.
        members[name] = Span(begin, unpacked, crc or None)
    return members


def _find_table(file: BinaryIO, size: int, path: Path) -> Span:
    """Find the table of an archive; the end of the file says where it lies."""
    end = size - 22
    file.seek(max(0, end))
    tail = file.read(22)
    if len(tail) < 22 or not tail.startswith(b"PK\5\6") or tail[20:] != b"\0\0":
        raise CheckpointError(f"{path}: zip: expected its table at the end, found none")
    n_bytes, begin = struct.unpack_from("<II", tail, 12)
    file.seek(max(0, end - 76))
    wide = file.read(76)  # in a large archive: the same numbers in 64 bits, and a pointer to them
    if len(wide) == 76 and wide.startswith(b"PK\6\6") and wide[56:60] == b"PK\6\7":
        n_bytes, begin = struct.unpack_from("<QQ", wide, 40)
        end -= 76
    if begin + n_bytes != end or n_bytes > _MAX_TABLE:
        raise CheckpointError(
            f"{path}: zip: expected a table of at most {_MAX_TABLE} bytes that ends at byte "
            f"{end}, found {n_bytes} bytes from {begin}"
        )
    return Span(begin, n_bytes)


def _data_begin(file: BinaryIO, begin: int, name: bytes, limit: int, where: str) -> int:
    """Find the first byte after a member's own header, whose length the table does not give."""
    if 0 <= begin <= limit:
        file.seek(begin)
        header = file.read(30 + len(name))
        if header.startswith(ZIP_MAGIC) and header[30:] == name:
            n_name, n_extra = struct.unpack_from("<HH", header, 26)
            if n_name == len(name):
                return begin + len(header) + int(n_extra)
    raise CheckpointError(f"{where}: expected its header at byte {begin}, found none")


def _wide_numbers(extra: bytes) -> Iterator[int]:
    """List the numbers in an entry's field for 64-bit numbers."""
    at = 0
    while at + 4 <= len(extra):
        kind, n = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + n]
            yield from struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8])
            return
        at += 4 + n


def read_member(file: BinaryIO, span: Span, limit: int, path: Path) -> bytes:
    """Read a member of at most ``limit`` bytes.

    Raises:
        CheckpointError: the member is larger, or its checksum is wrong.
    """
    if span.size > limit:
        raise CheckpointError(
            f"{path}: expected a pickle of at most {limit} bytes, found {span.size}"
        )
    file.seek(span.begin)
    data = file.read(span.size)
    if span.crc32 is not None and (found := zlib.crc32(data)) != span.crc32:
        raise CheckpointError(
            f"{path}: the record at byte {span.begin}: expected crc32 {span.crc32:08x}, "
            f"found {found:08x}"
        )
    return data
