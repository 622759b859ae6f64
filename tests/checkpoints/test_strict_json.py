"""JSON that can be read in only one way, and takes up no more room than it may."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptlite.alphabet import BYTE_SYMBOLS, EOT
from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.strict_json import MAX_BYTES, MAX_VALUES, parse_object
from gptlite.checkpoints.vocabulary import parse_merges, read_vocabulary
from gptlite.errors import CheckpointError

ROOM = 64 << 20  # bytes; and four times the file


def peak_of(call: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        call()
    except CheckpointError as error:
        assert "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


N = MAX_VALUES - 2
DENSE = {
    "lists": b'{"a":[' + b",".join([b"[]"] * (N // 2)) + b"]}",
    "dicts": b'{"a":[' + b",".join([b"{}"] * (N // 2)) + b"]}",
    "deep lists": b'{"a":[' + b",".join([b"[" * 200 + b"]" * 200] * (N // 201)) + b"]}",
    "deep dicts": b'{"a":[' + b",".join([b'{"":' * 200 + b"1" + b"}" * 200] * (N // 201)) + b"]}",
    "pairs": b"{" + b",".join(b'"%x":1.5' % i for i in range(N)) + b"}",
    "long pairs": b"{" + b",".join(b'"%012x":""' % i for i in range(N)) + b"}",
    "pairs of lists": b"{" + b",".join(b'"%x":[]' % i for i in range(N // 2)) + b"}",
    "numbers": b'{"a":[' + b",".join([b"1.5"] * N) + b"]}",
    "wide text": b'{"a":"' + b"x" * (MAX_BYTES - 20) + "\N{GRINNING FACE}".encode() + b'"}',
}


@pytest.mark.parametrize("case", DENSE)
def test_what_the_limits_allow_takes_no_more_than_it_may(case: str) -> None:
    data = DENSE[case]
    assert len(data) <= MAX_BYTES
    assert parse_object(data, "x")
    assert peak_of(lambda: parse_object(data, "x")) < 3 * len(data) + ROOM  # besides the data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"' + b"x" * MAX_BYTES + b'"}',
        b'{"a":[' + b"[]," * MAX_VALUES + b"1]}",
        b'{"a":' + b"[" * MAX_VALUES + b"]" * MAX_VALUES + b"}",
        b'{"a":[' + b"1," * MAX_VALUES + b"1]}",
    ],
)
def test_what_they_do_not_allow_takes_nothing(data: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"x: expected JSON of at most .* bytes and .* value"):
        parse_object(data, "x")
    assert peak_of(lambda: parse_object(data, "x")) < 1 << 16


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json", "x.safetensors"])
def test_every_file_with_json_in_it_is_bounded(name: str, tmp_path: Path) -> None:
    data = b'{"a":[' + b"[]," * 2_000_000 + b"1]}"
    if name == "x.safetensors":
        data = len(data).to_bytes(8, "little") + data
    elif name == "config.json":
        (tmp_path / "model.safetensors").write_bytes(b"\2" + bytes(7) + b"{}")
    (tmp_path / name).write_bytes(data)
    place = tmp_path / name if name == "x.safetensors" else tmp_path
    with pytest.raises(CheckpointError, match=r"5,?000,?000"):
        read_checkpoint(place)
    assert peak_of(lambda: read_checkpoint(place)) < 2 * len(data)


def test_a_tokenizer_s_files_are_bounded(tmp_path: Path) -> None:
    symbols = [*BYTE_SYMBOLS.values(), EOT]
    (tmp_path / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(symbols)}))
    for line in (b"a b\n", b"\n", b"a b\r\n", b"\r", b"\x1c", "\u2028".encode()):
        for n in (MAX_VALUES - 1, 5_000_000):
            (tmp_path / "merges.txt").write_bytes(line * n)
            with pytest.raises(CheckpointError, match=r"merges\.txt"):
                read_vocabulary(tmp_path)
            limit = 4 * len(line * n) + ROOM
            assert peak_of(lambda: read_vocabulary(tmp_path)) < limit


def test_lines_end_as_they_do_on_any_system() -> None:
    expected = [("a", "b"), ("ab", "c")]
    for data in (b"a b\nab c\n", b"a b\r\nab c\r\n", b"#version: 0.2\na b\nab c"):
        assert parse_merges(data, "x") == expected
    assert parse_merges(b"", "x") == []
    with pytest.raises(CheckpointError, match="line 2: expected two symbols"):
        parse_merges(b"a b\n\n", "x")
