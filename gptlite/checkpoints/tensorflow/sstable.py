"""A sorted table of keys and values in a file, as LevelDB lays it out and TensorFlow uses it.

    data blocks, an empty metaindex block, an index block of the data blocks, a footer of 48 bytes

A block holds entries ``{shared, unshared, length of the value, rest of the key, value}``: a key
leaves out the bytes that it shares with the key before. Each block is followed by its compression
and checksum. https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

import struct
from collections.abc import Iterator, Sequence

from gptlite.checkpoints.strict_json import shown
from gptlite.checkpoints.tensorflow.crc32c import crc32c, masked
from gptlite.checkpoints.tensorflow.snappy import decompress
from gptlite.checkpoints.tensorflow.varint import decode_varint, encode_varint

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
BLOCK_BYTES = 262_144  # TensorFlow closes a block that has grown to this size
RESTART_INTERVAL = 16  # entries from one whole key to the next

# A larger table is refused. gpt2-xl's has 20,724 bytes and 580 entries; with an optimizer, three
# times as many.
MOST_BYTES = 1 << 20  # of the file; of all blocks unpacked; of all keys written out
MOST_ENTRIES = 5_000


# ---- Reading ------------------------------------------------------------------------------------


def read_table(data: bytes) -> list[tuple[bytes, bytes]]:
    """Read every key and value of a table, in order, and check each block's checksum.

    Raises:
        ValueError: the table is damaged, or too large; the message says where.
    """
    if len(data) < FOOTER_BYTES:
        raise ValueError(f"expected at least {FOOTER_BYTES} bytes, found {len(data)}")
    footer = data[-FOOTER_BYTES:]
    magic = int.from_bytes(footer[40:], "little")
    if magic != MAGIC:
        raise ValueError(f"expected the magic number {MAGIC:x} at the end, found {magic:x}")
    at, handle = 0, []
    for _ in range(4):  # offset and size of the metaindex, offset and size of the index
        number, at = decode_varint(footer[:40], at)
        handle.append(number)
    entries: list[tuple[bytes, bytes]] = []
    n_unpacked, n_keys, end = 0, 0, 0
    for _, place in block_entries(block(data, handle[2], handle[3])):
        offset, at = decode_varint(place, 0)
        size, at = decode_varint(place, at)
        # Without this check a small file could have one block read a million times.
        if offset < end:
            raise ValueError(f"expected a block at byte {end} or later, found {offset}")
        end = offset + size
        content = block(data, offset, size)
        n_unpacked += len(content)
        for key, value in block_entries(content):
            n_keys += len(key)
            if len(entries) == MOST_ENTRIES or max(n_unpacked, n_keys) > MOST_BYTES:
                raise ValueError(
                    f"expected at most {MOST_ENTRIES} entries and {MOST_BYTES} bytes, found more"
                )
            if entries and key <= entries[-1][0]:
                raise ValueError(f"keys out of order: {shown(key)} after {shown(entries[-1][0])}")
            entries.append((key, value))
    return entries


def block(data: bytes, offset: int, size: int) -> bytes:
    """Read, check and unpack the block at a place."""
    end = offset + size
    if end + 5 > len(data) - FOOTER_BYTES:
        raise ValueError(
            f"a block of {size} bytes at byte {offset}, which is past the end ({len(data)})"
        )
    compression, stored = struct.unpack_from("<BI", data, end)
    found = masked(crc32c(memoryview(data)[offset : end + 1]))
    if found != stored:
        raise ValueError(
            f"the block at byte {offset}: expected checksum {stored:08x}, found {found:08x}"
        )
    if compression not in (0, 1):
        raise ValueError(f"the block at byte {offset}: unknown compression {compression}")
    content = data[offset:end]
    return decompress(content, MOST_BYTES) if compression else content


def block_entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List the keys and values of one block. (Its restart points serve only for searching.)"""
    if len(content) < 4:
        raise ValueError(f"a block of {len(content)} bytes")
    restarts = int.from_bytes(content[-4:], "little")
    end = len(content) - 4 - 4 * restarts
    if end < 0:
        raise ValueError(f"a block of {len(content)} bytes with {restarts} restart points")
    at, key = 0, b""
    while at < end:
        start = at
        shared, at = decode_varint(content, at)
        unshared, at = decode_varint(content, at)
        length, at = decode_varint(content, at)
        if shared > len(key) or at + unshared + length > end:
            raise ValueError(f"a block whose entry at byte {start} runs past its end")
        key = key[:shared] + content[at : at + unshared]
        at += unshared
        yield key, content[at : at + length]
        at += length


# ---- Writing ------------------------------------------------------------------------------------


def write_table(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Build a table, byte for byte as TensorFlow's own builder writes it without compression.

    Args:
        entries: keys and values, sorted by key.
    """
    out = bytearray()

    def append(content: bytes) -> bytes:
        """Append a block, and return its place in the form that the index uses."""
        place = encode_varint(len(out)) + encode_varint(len(content))
        out.extend(content + b"\0" + struct.pack("<I", masked(crc32c(content + b"\0"))))
        return place

    index: list[tuple[bytes, bytes]] = []
    start = 0
    while start < len(entries):
        content, stop = encode_block(entries, start, RESTART_INTERVAL, BLOCK_BYTES)
        following = entries[stop][0] if stop < len(entries) else None
        index.append((separator(entries[stop - 1][0], following), append(content)))
        start = stop
    footer = append(encode_block([])[0])
    footer += append(encode_block(index)[0])
    return bytes(out) + footer.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")


def encode_block(
    entries: Sequence[tuple[bytes, bytes]],
    start: int = 0,
    interval: int = 1,
    limit: int | None = None,
) -> tuple[bytes, int]:
    """Build the content of one block; return it, and the number of the first entry after it.

    Args:
        start: the number of the first entry.
        interval: entries from one whole key to the next.
        limit: the size in bytes at which the block is closed; None for all entries in one block.
    """
    out, restarts, before, stop = bytearray(), [0], b"", start
    for n, (key, value) in enumerate(entries[start:]):
        shared = 0
        if n % interval:
            while shared < min(len(before), len(key)) and before[shared] == key[shared]:
                shared += 1
        elif n:
            restarts.append(len(out))
        for number in (shared, len(key) - shared, len(value)):
            out += encode_varint(number)
        out += key[shared:] + value
        before, stop = key, start + n + 1
        if limit is not None and len(out) + 4 * len(restarts) + 4 >= limit:
            break
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts)), stop


def separator(last: bytes, following: bytes | None) -> bytes:
    """Find a short key, at least a block's last key and less than the next block's first.

    >>> separator(b"model/wte", None), separator(b"abcde", b"abzz"), separator(b"ab", b"abc")
    (b'n', b'abd', b'ab')
    """
    at = 0
    if following is None:
        while at < len(last) and last[at] == 0xFF:
            at += 1
        if at == len(last):
            return last
    else:
        while at < min(len(last), len(following)) and last[at] == following[at]:
            at += 1
        if at == min(len(last), len(following)) or last[at] + 1 >= following[at]:
            return last
    return last[:at] + bytes([last[at] + 1])
