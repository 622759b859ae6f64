"""One file from a server that misbehaves: the right file, or a DownloadError and no file.

Whatever the server does, nothing else ever gets the file's name.
"""

import base64
import hashlib
import random
import socket
from pathlib import Path
from typing import Any

import pytest

import gptlite
from gptlite.download.fetching import fetch_file
from gptlite.errors import CheckpointError, DownloadError
from servers import (
    DATA,
    OTHER,
    SHA,
    Server,
    failure,
    names,
    success,
)

pytestmark = pytest.mark.usefixtures("waits")


def test_a_file_is_fetched_once(server: Server, path: Path, capfd: Any) -> None:
    assert success(server, path) == [None]
    assert success(server, path) == []
    assert server.seen[0]["User-Agent"] == f"gptlite/{gptlite.__version__}"
    assert server.seen[0]["Accept-Encoding"] == "identity"
    assert capfd.readouterr() == ("", "")  # the bar is silent where there is no terminal


def test_a_file_that_lost_its_tail_is_fetched_again(server: Server, path: Path) -> None:
    success(server, path)
    path.write_bytes(DATA[:-1])
    assert success(server, path) == [None]


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_a_cut_connection_is_gone_on_with(
    server: Server, path: Path, size: int | None, waits: list[float]
) -> None:
    server.faults += [{"cut": 1000}, {"cut": 500}, {"drop": True}]
    assert success(server, path, size) == [None, *["bytes=1000-"], *["bytes=1500-"] * 2]
    assert [headers.get("If-Range") for headers in server.seen] == [None, *['"one"'] * 3]
    assert waits == [1, 1, 1]  # an attempt that brings something new is no repeated failure


def test_a_server_that_never_gets_further(server: Server, path: Path, waits: list[float]) -> None:
    server.faults += [{"cut": 1000, "whole": True}] * 10
    text = failure(server, path)
    assert "6 attempts in a row brought nothing new" in text
    assert waits == [1, 1, 2, 4, 8, 16]
    assert (path.parent / "x.part").read_bytes() == DATA[:1000]
    server.faults.clear()
    assert success(server, path) == ["bytes=1000-"]


def test_no_connection_at_all(path: Path, waits: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match=r"/x: ConnectionError: .*6 attempts"):
            fetch_file(url, path, 1, SHA)
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("fault", [{"etag": '"two"'}, {"etag": None}, {"whole": True}])
def test_another_edition_replaces_what_was_there(
    server: Server, path: Path, fault: dict[str, Any]
) -> None:
    """A changed etag, none, and a server without ranges: each answers 200 with the whole."""
    server.faults += [{"cut": 1000, "body": OTHER}, fault]
    assert success(server, path) == [None, "bytes=1000-"]


@pytest.mark.parametrize("etag", [None, 'W/"one"', "one"])
def test_without_a_strong_etag_it_begins_anew(server: Server, path: Path, etag: str | None) -> None:
    server.faults += [{"cut": 1000, "etag": etag}]
    assert success(server, path) == [None, None]


@pytest.mark.parametrize(
    "fault",
    [
        {"shift": 7},
        {"shift": -1000},
        {"total": 1},
        {"part": True, "etag": '"two"'},
        {"headers": {"Content-Range": "bytes 1000-3999/*"}, "status": 206},
        {"headers": {}, "status": 206},
        {"status": 416},
        {"compressed": True},
    ],
)
def test_a_range_that_does_not_fit_is_not_used(
    server: Server, path: Path, fault: dict[str, Any]
) -> None:
    server.faults += [{"cut": 1000}, fault]
    assert success(server, path) == [None, "bytes=1000-", None]


def test_a_range_nobody_asked_for(server: Server, path: Path) -> None:
    server.faults += [{"status": 206, "headers": {"Content-Range": "bytes 0-3999/4000"}}] * 9
    assert "expected the bytes from 0 on" in failure(server, path)


# ---- The length and the content ------------------------------------------------------------------


def test_other_bytes_are_asked_for_twice_and_then_refused(server: Server, path: Path) -> None:
    server.faults += [{"body": OTHER}]
    assert success(server, path) == [None, None]
    path.unlink()
    server.files["/x"] = OTHER
    other = hashlib.sha256(OTHER).hexdigest()
    assert f"expected sha256 {SHA}, found {other}" in failure(server, path)
    assert names(path.parent) == set()


@pytest.mark.parametrize("body", [DATA[:-1], DATA + b"?", b""])
def test_another_length(server: Server, path: Path, body: bytes) -> None:
    server.files["/x"] = body
    text = failure(server, path)
    assert f"expected 4,000 bytes, the server has {len(body):,}" in text
    assert "expected sha256" in failure(server, path, None)


@pytest.mark.parametrize("length", [-1, 1, None])
def test_a_length_that_is_not_true(server: Server, path: Path, length: int | None) -> None:
    """A file known only by its checksum: with a length one short it is cut, one long it waits."""
    server.faults += [{"length": length}] * 9
    if length == -1:
        assert f"expected sha256 {SHA}" in failure(server, path, None)
    else:
        assert success(server, path, None) == [None] + ["bytes=4000-"] * (length == 1)


def test_no_length_and_a_cut(server: Server, path: Path) -> None:
    server.faults += [{"length": None, "cut": 1000}]
    assert success(server, path) == [None, "bytes=1000-"]
    path.unlink()
    server.faults += [{"length": None, "cut": 1000}]  # nothing tells but the checksum
    assert success(server, path, None) == [None, None]


def test_chunks(server: Server, path: Path) -> None:
    server.faults += [{"chunked": True}]
    assert success(server, path) == [None]
    path.unlink()
    server.faults += [{"chunked": True, "cut": 1005}]
    assert success(server, path, None)[0] is None
    path.unlink()
    server.faults += [{"chunked": True, "body": DATA + OTHER}] * 9
    assert "expected 4,000 bytes, found more" in failure(server, path)


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_gzip_though_it_was_not_asked_for(server: Server, path: Path, size: int | None) -> None:
    server.faults += [{"compressed": True, "cut": 1000}, {"compressed": True}]
    assert success(server, path, size) == [None, None]
    path.unlink()
    server.faults += [{"headers": {"Content-Encoding": "gzip"}}] * 9  # and it is not even that
    assert "attempts" in failure(server, path, size)


def test_content_md5_where_no_sha256_is_known(server: Server, path: Path) -> None:
    good = base64.b64encode(hashlib.md5(DATA).digest()).decode()
    server.faults += [{"headers": {"Content-MD5": good}, "body": OTHER}]
    server.faults += [{"headers": {"Content-MD5": good}, "cut": 1000}]
    fetch_file(f"{server.url}/x", path)
    assert path.read_bytes() == DATA and len(server.seen) == 3
    path.unlink()
    server.faults += [{"headers": {"Content-MD5": good}, "body": OTHER}] * 2
    with pytest.raises(DownloadError, match=r"expected MD5 .*, found"):
        fetch_file(f"{server.url}/x", path)
    assert names(path.parent) == set()


def test_a_check_where_no_sha256_is_known(server: Server, path: Path) -> None:
    checked: list[Path] = []

    def check(part: Path) -> None:
        checked.append(part)
        assert not path.exists()
        if part.read_bytes() != DATA:
            raise CheckpointError(f"{part}: not that")

    server.faults += [{"body": OTHER}]
    fetch_file(f"{server.url}/x", path, check=check)
    assert path.read_bytes() == DATA and checked == [path.parent / "x.part"] * 2
    path.unlink()
    server.files["/x"] = OTHER
    with pytest.raises(DownloadError, match=r"/x: .*x\.part: not that"):
        fetch_file(f"{server.url}/x", path, check=check)
    assert names(path.parent) == set()


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_is_no_file_and_costs_none(server: Server, path: Path, kind: str) -> None:
    server.faults += [{"cut": 1000}]
    server.faults += [{"body": b"<html>Log in", "headers": {"Content-Type": kind}, "whole": True}]
    assert f"expected a file, found a web page ({kind!r})" in failure(server, path)
    assert success(server, path) == ["bytes=1000-"]


def test_a_web_page_that_does_not_say_so(server: Server, path: Path) -> None:
    server.faults += [{"cut": 1000}, {"body": b"<html>Log in", "whole": True}]
    assert "expected 4,000 bytes, the server has 12" in failure(server, path)
    assert success(server, path) == ["bytes=1000-"]


# ---- A server that misbehaves at random ----------------------------------------------------------


def random_fault(rng: random.Random) -> dict[str, Any]:
    fault: dict[str, Any] = {}
    while rng.random() < 0.6:
        fault |= rng.choice(
            [
                {"drop": True},
                {"status": rng.choice([200, 204, 206, 400, 404, 416, 429, 500, 503])},
                {"headers": {"Retry-After": rng.choice(["3", "-1", "999", "x"])}, "status": 429},
                {"headers": {"Content-Range": f"bytes {rng.randrange(5000)}-3999/4000"}},
                {"headers": {"Content-Type": "text/html"}},
                {"body": rng.choice([OTHER, b"", DATA[:-1], DATA + b"?", b"<html>", DATA[::-1]])},
                {"etag": rng.choice(['"two"', None, 'W/"one"', ""])},
                {"whole": True},
                {"part": True},
                {"shift": rng.randrange(-9, 10)},
                {"total": rng.randrange(-9, 10)},
                {"length": rng.choice([-1, 1, -3000, 10**9, None])},
                {"cut": rng.randrange(4000)},
                {"cut": rng.randrange(4000)},
                {"compressed": True},
                {"chunked": True},
            ]
        )
    return fault


def test_whatever_a_server_does(
    server: Server, path: Path, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """The right file, or a DownloadError and no file; what is left over does not harm the next."""
    rng = random.Random(0)
    fetched = resumed = 0
    for _ in range(300):
        server.faults.clear()
        server.faults += [random_fault(rng) for _ in range(rng.randrange(1, 9))]
        begin = len(server.seen)
        try:
            fetch_file(f"{server.url}/x", path, rng.choice([None, len(DATA)]), SHA)
        except DownloadError as error:
            assert "\n" not in str(error) and not path.exists()
            assert names(path.parent) <= {"x.part", "x.part.json"}
        else:
            assert path.read_bytes() == DATA and names(path.parent) == {"x"}
            path.unlink()
            fetched += 1
            resumed += "Range" in server.seen[-1] and len(server.seen) > begin
    assert 50 < fetched < 290 and resumed > 20  # each outcome is met
