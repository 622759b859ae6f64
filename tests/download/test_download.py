"""Downloads from a server that does everything wrong that servers do.

A local one plays OpenAI's and Hugging Face's hosts. Whatever it does, in the end the right file is
there, or there is a DownloadError and no file under the final name.
"""

import base64
import gzip
import hashlib
import http.server
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite.config import PRESETS, GPTConfig
from gptlite.download import __main__ as door
from gptlite.download import fetching, web
from gptlite.download.fetch import fetch_model, fetch_tokenizer, verify_model
from gptlite.download.fetching import StorageError, fetch_file
from gptlite.download.official import SOURCES, OfficialFile, Source
from gptlite.download.places import hub_home, model_folder
from gptlite.errors import CheckpointError, DownloadError
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer

DATA = random.Random(0).randbytes(4000)
OTHER = random.Random(1).randbytes(4000)
SHA = hashlib.sha256(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Answers as a good server does; or, while there are any, as the next of ``faults`` says.

    A fault is the keywords of ``Handler.answer``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/x": DATA}
        self.heads: dict[str, tuple[int, dict[str, str]]] = {}  # what a HEAD is answered
        self.faults: deque[dict[str, Any]] = deque()
        self.seen: list[dict[str, str]] = []  # the requests' headers
        self.paths: list[str] = []
        self.go_on = threading.Event()  # what a stalled answer waits for
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is nothing to report."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))
        self.server.paths.append(self.path)
        fault = self.server.faults.popleft() if self.server.faults else {}
        self.answer(self.server.files.get(self.path), **fault)

    def do_HEAD(self) -> None:
        self.server.paths.append(f"HEAD {self.path}")
        fault = self.server.faults.popleft() if self.server.faults else {}
        status, headers = self.server.heads.get(self.path, (404, {}))
        self.send_response(fault.get("status", status))
        for name, value in (headers | fault.get("headers", {})).items():
            self.send_header(name, value)
        self.end_headers()

    def answer(
        self,
        data: bytes | None,
        *,
        drop: bool = False,  # no answer at all
        status: int | None = None,  # instead of 200 or 206
        headers: dict[str, str] | None = None,
        body: bytes | None = None,  # another edition of the file
        etag: str | None = '"one"',
        whole: bool = False,  # Range is ignored
        part: bool = False,  # If-Range is ignored
        shift: int = 0,  # of the range that is sent
        total: int = 0,  # added to the total that is told
        length: int | None = 0,  # added to Content-Length; None for no such header
        cut: int | None = None,  # bytes of the body before the connection ends
        stall: int | None = None,  # bytes of the body before the server waits
        compressed: bool = False,
        chunked: bool = False,
    ) -> None:
        if drop:
            return
        data = data if body is None else body
        if data is None:
            data, status, etag = b"nothing here", 404, None
        if status is not None:
            code, headers = status, dict(headers or {})
        else:
            code, headers = 200, {"Content-Type": "application/octet-stream"} | (headers or {})
            start = self.headers["Range"]
            fresh = part or (etag is not None and self.headers["If-Range"] == etag)
            if start and fresh and not whole:
                first, n = int(start[6:-1]) + shift, len(data)
                code, data = 206, data[max(0, first) :]
                headers["Content-Range"] = f"bytes {first}-{n - 1}/{n + total}"
                if not data:
                    code, headers["Content-Range"] = 416, f"bytes */{n + total}"
        if etag is not None:
            headers["ETag"] = etag
        if compressed:
            data = gzip.compress(data)
            headers["Content-Encoding"] = "gzip"
        if chunked:
            half = len(data) // 2
            pieces = [b"%x\r\n%b\r\n" % (len(p), p) for p in (data[:half], data[half:]) if p]
            data = b"".join([*pieces, b"0\r\n\r\n"])
            headers["Transfer-Encoding"] = "chunked"
            self.protocol_version = "HTTP/1.1"
            self.close_connection = True
        elif length is not None:
            headers["Content-Length"] = str(len(data) + length)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if stall is not None:
            self.wfile.write(data[:stall])
            self.wfile.flush()
            data = data[stall:]
            self.server.go_on.wait(20)
        self.wfile.write(data[:cut])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        yield web
        web.go_on.set()
        web.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nothing of the machine's settings; the pauses that are made, none of which takes time."""
    for variable in list(os.environ):
        if variable.upper().endswith("_PROXY") or variable.startswith(("HF_", "GPTLITE_")):
            monkeypatch.delenv(variable)
    monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("GPTLITE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    pauses: list[float] = []

    def note(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(0.001)

    monkeypatch.setattr(web, "sleep", note)
    monkeypatch.setattr(fetching, "CHUNK", 100)
    return pauses


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "x"


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {".lock"}


def failure(server: Server, path: Path, size: int | None = len(DATA), **more: Any) -> str:
    """The one line of the error; no file has its final name then."""
    with pytest.raises(DownloadError) as caught:
        fetch_file(f"{server.url}/x", path, size, SHA, **more)
    assert not path.exists()
    assert "\n" not in str(caught.value) and f"{server.url}/x" in str(caught.value)
    return str(caught.value)


def success(server: Server, path: Path, size: int | None = len(DATA)) -> list[str | None]:
    """The ranges that were asked for on the way to the right file."""
    begin = len(server.seen)
    fetch_file(f"{server.url}/x", path, size, SHA)
    assert path.read_bytes() == DATA
    assert names(path.parent) == {"x"}
    return [headers.get("Range") for headers in server.seen[begin:]]


# ---- One file -----------------------------------------------------------------------------------


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
    assert waits == [1, 1, 1]  # what brings something new is no repeated failure


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


def test_a_complete_part_is_only_checked(server: Server, path: Path) -> None:
    """Killed between the last byte and the new name."""
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    with open(path.parent / "x.part", "ab") as file:
        file.write(DATA[1000:])
    assert success(server, path) == []


def test_a_complete_part_whose_length_was_not_told(server: Server, path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "x.part").write_bytes(DATA)
    about = f'{{"url": "{server.url}/x", "etag": "\\"one\\"", "total": null, "md5": null}}'
    (path.parent / "x.part.json").write_text(about)
    assert success(server, path) == ["bytes=4000-"]


@pytest.mark.parametrize(
    "about",
    [
        *("", "{", "[]", "null", '{"url": 3}', '{"url": "%s/x", "more": 1}'),
        '{"url": "%s/y", "etag": "\\"one\\"", "total": 4000, "md5": null}',
        '{"url": "%s/x", "etag": "\\"o\\nne\\"", "total": 4000, "md5": null}',
        '{"url": "%s/x", "etag": "\\"one\\"", "total": 4e3, "md5": null}',
    ],
)
def test_a_note_that_is_damaged_or_of_another_address(
    server: Server, path: Path, about: str
) -> None:
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    (path.parent / "x.part.json").write_text(about.replace("%s", server.url))
    assert success(server, path) == [None]


def test_a_damaged_beginning_is_found(server: Server, path: Path) -> None:
    """The sum is of the whole file, also of what came long ago."""
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    (path.parent / "x.part").write_bytes(b"?" + DATA[1:1000])
    assert success(server, path) == ["bytes=1000-", None]


def test_a_part_that_is_too_long(server: Server, path: Path) -> None:
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    (path.parent / "x.part").write_bytes(DATA + b"?")
    assert success(server, path) == [None]


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
    """Of a file that is known by its sum only: a byte less is cut off, one more never comes."""
    server.faults += [{"length": length}] * 9
    if length == -1:
        assert f"expected sha256 {SHA}" in failure(server, path, None)
    else:
        assert success(server, path, None) == [None] + ["bytes=4000-"] * (length == 1)


def test_no_length_and_a_cut(server: Server, path: Path) -> None:
    server.faults += [{"length": None, "cut": 1000}]
    assert success(server, path) == [None, "bytes=1000-"]
    path.unlink()
    server.faults += [{"length": None, "cut": 1000}]  # nothing tells, but for the sum
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


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(
    server: Server, path: Path, status: int, waits: list[float]
) -> None:
    server.faults += [{"status": status}] * 5
    assert success(server, path) == [None] * 6
    assert waits == [1, 2, 4, 8, 16]
    path.unlink()
    server.faults += [{"status": status}] * 6
    assert f"status {status} (" in failure(server, path)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 204, 304])
def test_what_will_not_pass_is_not(
    server: Server, path: Path, status: int, waits: list[float]
) -> None:
    server.faults += [{"status": status}]
    assert f"expected status 200, found {status} (" in failure(server, path)
    assert len(server.seen) == 1 and not waits


def test_retry_after(server: Server, path: Path, waits: list[float]) -> None:
    dates = [formatdate(time.time() + 90, usegmt=True), formatdate(0, usegmt=True)]
    for told in ["7", *dates, "soon"]:
        server.faults += [{"status": 429, "headers": {"Retry-After": told}}]
    success(server, path)
    assert waits[0] == 7 and 80 < waits[1] <= 90 and waits[2:] == [0, 8]
    path.unlink()
    server.faults += [{"status": 503, "headers": {"Retry-After": "3600"}}]
    assert "status 503 (Service Unavailable), and the server asks to wait 3600 s" in failure(
        server, path
    )


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_is_no_file_and_costs_none(server: Server, path: Path, kind: str) -> None:
    server.faults += [{"cut": 1000}]
    server.faults += [{"body": b"<html>Log in", "headers": {"Content-Type": kind}, "whole": True}]
    assert f"expected a file, found a web page ({kind})" in failure(server, path)
    assert success(server, path) == ["bytes=1000-"]


def test_a_web_page_that_does_not_say_so(server: Server, path: Path) -> None:
    server.faults += [{"cut": 1000}, {"body": b"<html>Log in", "whole": True}]
    assert "expected 4,000 bytes, the server has 12" in failure(server, path)
    assert success(server, path) == ["bytes=1000-"]


def test_redirects_keep_the_range(server: Server, path: Path) -> None:
    server.files["/cdn"] = DATA
    there = {"status": 302, "headers": {"Location": "/cdn?signed=1"}, "etag": '"other"'}
    server.files["/cdn?signed=1"] = DATA
    server.faults += [there, {"cut": 1000}, there]
    assert success(server, path) == [None, None, "bytes=1000-", "bytes=1000-"]
    assert server.paths == ["/x", "/cdn?signed=1"] * 2  # the first address again each time


@pytest.mark.parametrize("to", ["/x", "http://[", "http://\u00e9\u0000/", "gopher://x", "http:///"])
def test_redirects_that_lead_nowhere(server: Server, path: Path, to: str) -> None:
    location = to.encode().decode("latin-1")
    server.faults += [{"status": 302, "headers": {"Location": location}}] * 99
    failure(server, path)


@pytest.mark.parametrize("url", ["", "x", "ftp://x/x", "http://", "http://[/x", "http://\u2028/"])
def test_an_address_that_is_none(path: Path, url: str) -> None:
    with pytest.raises(DownloadError):
        fetch_file(url, path, 1, SHA)
    assert not path.exists()


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


# ---- The disk -----------------------------------------------------------------------------------


def test_a_full_disk(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(path.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3999))
    for size in (len(DATA), None):
        text = failure(server, path, size)
        assert "expected 4,000 bytes of free disk space" in text and "found 3,999" in text
    assert names(path.parent) == set()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4000))
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3000))
    assert success(server, path) == ["bytes=1000-"]  # what is there needs no room again


def test_a_disk_that_fills_up_later(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(file: Any, chunk: bytes, real: Callable[..., None] = fetching._write) -> None:
        if file.tell() >= 2000:
            raise OSError(28, "No space left on device")
        real(file, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_write", write)
        with pytest.raises(StorageError, match=r"cannot be written to .*No space left"):
            fetch_file(f"{server.url}/x", path, len(DATA), SHA)
    assert not path.exists()
    assert success(server, path) == ["bytes=2000-"]


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch_file(f"{server.url}/x", tmp_path / "file" / "x", len(DATA), SHA)
    assert not server.seen


def test_ctrl_c_keeps_what_has_come(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(file: Any, chunk: bytes, real: Callable[..., None] = fetching._write) -> None:
        if file.tell() >= 2000:
            raise KeyboardInterrupt
        real(file, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_write", write)
        with pytest.raises(KeyboardInterrupt):
            fetch_file(f"{server.url}/x", path, len(DATA), SHA)
    assert names(path.parent) == {"x.part", "x.part.json"}
    assert success(server, path) == ["bytes=2000-"]


# ---- Several processes --------------------------------------------------------------------------


def start(server: Server, path: Path) -> "subprocess.Popen[str]":
    code = (
        "import sys; from pathlib import Path; from gptlite.download import fetching as d; "
        "d.CHUNK = 100; d.fetch_file(sys.argv[1], Path(sys.argv[2]), 4000, sys.argv[3])"
    )
    command = [sys.executable, "-c", code, f"{server.url}/x", str(path), SHA]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_in_the_middle(server: Server, path: Path) -> None:
    server.faults += [{"stall": 2000}]
    part = path.parent / "x.part"
    with start(server, path) as process:
        wait_until(lambda: part.exists() and part.stat().st_size == 2000)
        process.kill()
        process.communicate()
    assert names(path.parent) == {"x.part", "x.part.json"}
    assert success(server, path) == ["bytes=2000-"]  # the lock has gone with the process


def test_two_processes_at_once(server: Server, path: Path) -> None:
    server.faults += [{"stall": 2000}]
    with start(server, path) as first:
        wait_until(lambda: (path.parent / "x.part").exists())
        with start(server, path) as second:
            line = second.stderr.readline() if second.stderr else ""
            assert "waiting for another process" in line
            assert not path.exists()
            server.go_on.set()
            for process in (first, second):
                assert process.communicate()[1] == "" and process.returncode == 0
    assert path.read_bytes() == DATA
    assert len(server.seen) == 1


def test_threads_wait_for_one_another(server: Server, path: Path) -> None:
    server.faults += [{"stall": 2000}]
    threads = [
        threading.Thread(target=fetch_file, args=(f"{server.url}/x", path, 4000, SHA))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(server.seen) == 1)
    server.go_on.set()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == DATA and len(server.seen) == 1


# ---- A server that misbehaves at random ---------------------------------------------------------


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


# ---- A model ------------------------------------------------------------------------------------

TINY = GPTConfig(n_vocab=260, n_ctx=8, n_embd=4, n_head=2, n_layer=1)
REVISION = SOURCES["gpt2"][0].folder[-40:]


@pytest.fixture
def hosts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Both official hosts, with a tiny model for gpt2, of which the table knows what it may."""
    model, tokenizer = GPT.init(TINY), Tokenizer.train(["the cat, the cat, the cat"], 260)
    sources = []
    for source, format in zip(SOURCES["gpt2"], ("hub", "openai"), strict=True):
        folder = tmp_path / "published" / format
        model.save_pretrained(folder, format=format)
        tokenizer.save_pretrained(folder, format)
        files = []
        for file in source.files:
            data = (folder / file.name).read_bytes()
            server.files[f"/{format}/{source.folder}/{file.name}"] = data
            known = file.name not in ("hparams.json", "model.ckpt.index")
            known &= not file.name.startswith("model.ckpt")  # as for the larger sizes
            sha256 = hashlib.sha256(data).hexdigest() if known else None
            files.append(OfficialFile(file.name, len(data) if known else None, sha256))
        sources.append(source._replace(files=tuple(files)))
        monkeypatch.setenv(source.variable, f"{server.url}/{format}")
    monkeypatch.setitem(SOURCES, "gpt2", tuple(sources))
    monkeypatch.setitem(PRESETS, "gpt2", TINY)
    return server


def break_source(server: Server, format: str, file: str) -> str:
    """A bit in the middle of a file is another; its address."""
    (address,) = (at for at in server.files if at.startswith(f"/{format}/") and at.endswith(file))
    data = bytearray(server.files[address])
    data[len(data) // 2] ^= 1
    server.files[address] = bytes(data)
    return address


def files_of(source: Source) -> list[str]:
    return [file.name for file in source.files]


def test_load_fetches_once(hosts: Server, tmp_path: Path, capsys: Any) -> None:
    model, tokenizer = gptlite.load("gpt2")
    assert capsys.readouterr().out == ""
    expected = GPT.from_pretrained(tmp_path / "published" / "hub")
    for name, array in expected.parameters.items():
        assert np.array_equal(model.parameters[name], array)
    assert tokenizer.n_vocab == 260
    hub, _ = SOURCES["gpt2"]
    assert [at.rpartition("/")[2] for at in hosts.paths] == files_of(hub)  # the weights last
    assert names(model_folder("gpt2")) == set(files_of(hub))
    for alias in ("gpt2", "small", "124M", "117M", "openai-community/gpt2"):
        gptlite.load(alias)
    assert len(hosts.paths) == 4
    assert capsys.readouterr() == ("", "")
    assert verify_model("gpt2") == model_folder("gpt2")


def test_a_name_wins_over_a_folder_but_a_path_is_a_path(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert gptlite.download.locate("gpt2") == model_folder("gpt2")
    assert gptlite.download.locate("./gpt2") == Path("gpt2")
    assert gptlite.download.locate(Path("gpt2")) == Path("gpt2")
    with pytest.raises(ValueError, match=r"unknown model 'gpt5': expected .*gpt2, .*gpt2-xl"):
        gptlite.load("gpt5")


@pytest.mark.parametrize("how", ["unreachable", "damaged", "gone", "page"])
def test_the_second_source(
    hosts: Server, how: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "unreachable":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
    elif how == "damaged":
        break_source(hosts, "hub", "model.safetensors")
    elif how == "gone":
        hosts.faults += [{}, {}, {"status": 404}]
    else:
        hosts.faults += [{"body": b"<html>", "headers": {"Content-Type": "text/html"}}]
    model, tokenizer = gptlite.load("gpt2")
    assert (model.config, tokenizer.n_vocab) == (TINY, 260)
    _, openai = SOURCES["gpt2"]
    here = {name for name in names(model_folder("gpt2")) if ".part" not in name}
    assert here >= set(files_of(openai)) and "model.safetensors" not in here
    errors = capsys.readouterr().err
    assert "fetched from Hugging Face" in errors and "fetched from OpenAI" in errors
    assert verify_model("gpt2") == model_folder("gpt2")


@pytest.mark.parametrize("file", ["hparams.json", ".index", ".data-00000-of-00001", "vocab.bpe"])
def test_no_source_is_right(hosts: Server, file: str) -> None:
    first = break_source(hosts, "hub", "vocab.json")
    second = break_source(hosts, "openai", file)
    if file == "hparams.json":  # still JSON, of another size
        hosts.files[second] = hosts.files[second].replace(b'"n_layer": 1', b'"n_layer": 2')
    with pytest.raises(DownloadError) as caught:
        fetch_model("gpt2")
    assert first in str(caught.value) and second in str(caught.value)
    assert second.rpartition("/")[2] not in names(model_folder("gpt2"))
    with pytest.raises(CheckpointError, match=r"gpt2: expected in .*found in none"):
        verify_model("gpt2")


def test_a_full_disk_is_full_for_every_source(
    hosts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=500)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="free disk space") as caught:
        fetch_model("gpt2")
    assert "openai/" not in str(caught.value)


def test_hugging_face_s_cache_is_used_and_not_touched(hosts: Server, capsys: Any) -> None:
    hub, _ = SOURCES["gpt2"]
    place = hub_home() / "models--gpt2" / "snapshots" / REVISION
    place.mkdir(parents=True)
    for file in hub.files:
        (place / file.name).write_bytes(hosts.files[f"/hub/{hub.folder}/{file.name}"])

    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in hub_home().rglob("*")}

    before = state()
    gptlite.load("gpt2")
    assert fetch_tokenizer() == verify_model("gpt2") == place
    assert str(place) in capsys.readouterr().err
    assert not hosts.paths and state() == before and not model_folder("gpt2").exists()
    (place / "model.safetensors").write_bytes(bytes(hub.files[-1].size or 0))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: expected sha256"):
        verify_model("gpt2")


@pytest.mark.parametrize("how", ["load", "command"])
def test_hugging_face_s_cache_without_a_tokenizer(
    hosts: Server, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = SOURCES["gpt2"]
    place = hub_home() / "models--gpt2" / "snapshots" / REVISION
    place.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (place / name).write_bytes(hosts.files[f"/hub/{hub.folder}/{name}"])
    if how == "load":
        model, tokenizer = gptlite.load("gpt2")
        assert (model.config, tokenizer.n_vocab) == (TINY, 260)
    else:
        assert door.main(["gpt2"]) == 0
    assert [at.rpartition("/")[2] for at in hosts.paths] == ["merges.txt", "vocab.json"]
    assert names(place) == {"config.json", "model.safetensors"}
    assert verify_model("gpt2") == place
    monkeypatch.setenv("GPTLITE_OFFLINE", "1")
    assert gptlite.load("gpt2")[1].n_vocab == 260
    (place / "config.json").write_bytes(bytes(hub.files[0].size or 0))
    with pytest.raises(CheckpointError, match=r"config\.json: expected sha256"):
        verify_model("gpt2")


def test_verify_finds_what_has_changed_since(hosts: Server) -> None:
    break_source(hosts, "hub", "config.json")
    folder = fetch_model("gpt2")
    for file in SOURCES["gpt2"][1].files:
        good = (folder / file.name).read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        (folder / file.name).write_bytes(bad)
        with pytest.raises(CheckpointError, match=r"gpt2.[a-z.]*.*delete that file, and it is fet"):
            verify_model("gpt2")
        (folder / file.name).unlink()
        assert fetch_model("gpt2") == folder and (folder / file.name).read_bytes() == good
    assert verify_model("124M") == folder


def test_a_model_without_a_tokenizer_gets_gpt2_s(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    GPT.init(TINY).save_pretrained(tmp_path / "mine")
    with monkeypatch.context() as patch:
        patch.setenv("GPTLITE_OFFLINE", "1")
        with pytest.raises(DownloadError, match=r"^the tokenizer of gpt2: expected in .*OFFLINE"):
            gptlite.load(tmp_path / "mine")
    _, tokenizer = gptlite.load(tmp_path / "mine")
    assert tokenizer.n_vocab == 260
    assert "gptlite: the tokenizer of gpt2 is fetched from Hug" in capsys.readouterr().err
    assert names(model_folder("gpt2")) == {"vocab.json", "merges.txt"}
    gptlite.load(tmp_path / "mine")
    assert len(hosts.paths) == 2
    fetch_model("gpt2")  # which need not fetch these again
    assert len(hosts.paths) == 4


@pytest.mark.parametrize("variable", ["GPTLITE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "on", "Yes", "TRUE"])
def test_offline(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    opened: list[str] = []
    monkeypatch.setenv(variable, value)
    with monkeypatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, lambda *_, name=name, **__: opened.append(name))
        for place in (tmp_path / "home" / "gpt2", tmp_path / "hf" / "hub" / "models--gpt2"):
            with pytest.raises(DownloadError, match=variable) as caught:
                gptlite.load("gpt2")
            assert str(place) in str(caught.value)
        with pytest.raises(DownloadError, match=variable):
            fetch_tokenizer()
        with pytest.raises(DownloadError, match=variable):
            fetch_file(f"{hosts.url}/x", tmp_path / "x", 4000, SHA)
    assert not opened and not hosts.paths
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv(variable, "0")
    assert fetch_model("gpt2") == model_folder("gpt2")
    monkeypatch.setenv(variable, value)
    assert fetch_model("gpt2") == model_folder("gpt2")


# ---- Another revision ---------------------------------------------------------------------------

COMMIT = "0123456789abcdef" * 2 + "01234567"
MAIN = "/hub/openai-community/gpt2/resolve/main"


@pytest.fixture
def branch(hosts: Server, tmp_path: Path) -> Server:
    """The hub's main, where a commit has other weights; it says so as the hub does."""
    put_commit(hosts, COMMIT, 5, tmp_path / "newer")
    return hosts


def put_commit(server: Server, commit: str, seed: int, folder: Path) -> None:
    GPT.init(TINY, seed).save_pretrained(folder)
    Tokenizer.train(["the dog, the dog, the dog"], 260).save_pretrained(folder)
    for name in files_of(SOURCES["gpt2"][0]):
        data = (folder / name).read_bytes()
        told = {"X-Repo-Commit": commit}
        if name == "model.safetensors":
            told |= {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"'}
            told |= {"X-Linked-Size": str(len(data)), "ETag": '"of the redirect"'}
            told |= {"Content-Length": "99", "Location": "https://cdn.example/x"}
        else:
            sha1 = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            told |= {"ETag": f'W/"{sha1}"', "Content-Length": str(len(data))}
        at = MAIN.replace("main", commit)
        server.heads[f"{MAIN}/{name}"] = server.heads[f"{at}/{name}"] = (
            302 if "Location" in told else 200,
            told,
        )
        server.files[f"{at}/{name}"] = data


def test_main_on_request(branch: Server, tmp_path: Path) -> None:
    pinned, _ = gptlite.load("gpt2")
    model, tokenizer = gptlite.load("124M@main")
    newer = GPT.from_pretrained(tmp_path / "newer")
    for name, array in newer.parameters.items():
        assert np.array_equal(model.parameters[name], array)
    assert not np.array_equal(pinned.parameters["wte.weight"], model.parameters["wte.weight"])
    assert tokenizer.encode(" dog") != gptlite.load("gpt2")[1].encode(" dog")
    folder = model_folder("gpt2@main")
    assert folder.name == "gpt2@main" and folder.parent == model_folder("gpt2").parent
    assert names(folder) == {*files_of(SOURCES["gpt2"][0]), "revision.json"}
    assert f'"commit": "{COMMIT}"' in (folder / "revision.json").read_text()
    heads = [at for at in branch.paths if at.startswith("HEAD")]
    # Only the first is asked of the branch: the others are to be of the same commit.
    assert [at.split("/")[-2] for at in heads] == ["main", COMMIT, COMMIT, COMMIT]
    before = len(branch.paths)
    gptlite.load("gpt2@main")
    assert Tokenizer.from_pretrained("gpt2@main").encode(" dog") == tokenizer.encode(" dog")
    assert fetch_model("small@main") == verify_model("gpt2@main") == folder
    assert len(branch.paths) == before


def test_a_revision_is_not_mistaken_for_the_known_one(
    branch: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_model("gpt2@main")
    monkeypatch.setenv("GPTLITE_OFFLINE", "1")
    for fetch in (fetch_model, fetch_tokenizer):
        with pytest.raises(DownloadError, match="GPTLITE_OFFLINE"):
            fetch("gpt2")
        assert fetch("gpt2@main") == model_folder("gpt2@main")
        with pytest.raises(DownloadError, match="GPTLITE_OFFLINE"):
            fetch("gpt2@v2")


def test_a_branch_that_moves_on_meanwhile(branch: Server, tmp_path: Path) -> None:
    branch.faults += [{}] * 5 + [{"status": 404}]  # four are asked for, one comes
    with pytest.raises(DownloadError):
        fetch_model("gpt2@main")
    put_commit(branch, COMMIT[::-1], 6, tmp_path / "newest")
    fetch_model("gpt2@main")
    for name in files_of(SOURCES["gpt2"][0]):
        file = model_folder("gpt2@main") / name
        assert file.read_bytes() == (tmp_path / "newer" / name).read_bytes()


def test_files_of_an_older_commit_do_not_stay_among_newer_ones(
    branch: Server, tmp_path: Path
) -> None:
    """Should the note be lost: the weights are of the same size."""
    folder = fetch_model("gpt2@main")
    put_commit(branch, COMMIT[::-1], 6, tmp_path / "newest")
    (folder / "revision.json").unlink()
    before = len(branch.paths)
    fetch_model("gpt2@main")
    weights = (tmp_path / "newest" / "model.safetensors").read_bytes()
    assert (folder / "model.safetensors").read_bytes() == weights
    fetched = [at for at in branch.paths[before:] if not at.startswith("HEAD")]
    assert [at.rpartition("/")[2] for at in fetched] == ["model.safetensors"]  # the rest is right


def test_a_tokenizer_of_a_revision(branch: Server) -> None:
    fetch_model("gpt2")
    folder = fetch_tokenizer("gpt2@main")
    assert names(folder) == {"vocab.json", "merges.txt", "revision.json"}
    assert fetch_tokenizer("gpt2-xl") == model_folder("gpt2")


@pytest.mark.parametrize("file", ["config.json", "merges.txt", "vocab.json", "model.safetensors"])
def test_files_of_a_revision_are_checked(branch: Server, file: str) -> None:
    address = f"{MAIN.replace('main', COMMIT)}/{file}"
    good = branch.files[address]
    branch.files[address] = good[:-2] + b"?" + good[-1:]
    kind = "sha256" if file == "model.safetensors" else "git sha1"
    with pytest.raises(DownloadError, match=f"{address}: expected {kind} [0-9a-f]+, found"):
        fetch_model("gpt2@main")
    assert file not in names(model_folder("gpt2@main"))
    branch.files[address] = good
    folder = fetch_model("gpt2@main")
    (folder / file).write_bytes(good[:-2] + b"?" + good[-1:])
    with pytest.raises(CheckpointError, match=f"{file}: expected {kind}"):
        verify_model("gpt2@main")


@pytest.mark.parametrize(
    "told",
    [
        *({"X-Repo-Commit": value} for value in ("", "main", COMMIT[1:], "../" + COMMIT[3:])),
        *({"ETag": value} for value in ("", '"one"', f'"{COMMIT}0"', f"'{COMMIT}'")),
    ],
)
def test_a_hub_that_does_not_say_what_its_files_are(branch: Server, told: dict[str, str]) -> None:
    branch.faults += [{"headers": told}]
    with pytest.raises(DownloadError, match=r"main/config\.json: expected a commit .* checksum"):
        fetch_model("gpt2@main")
    assert names(model_folder("gpt2@main")) == set()


def test_redirects_within_the_hub(branch: Server) -> None:
    """A small file's HEAD leads to another path, which has the headers."""
    for name in ("config.json", "merges.txt", "vocab.json"):
        for at in (MAIN, MAIN.replace("main", COMMIT)):
            told = branch.heads[f"{at}/{name}"]
            to = f"/api/resolve-cache/models/openai-community/gpt2/{COMMIT}/{name}?etag=%22a%22"
            branch.heads[to] = told
            branch.heads[f"{at}/{name}"] = (307, {"Location": to, "Content-Length": "0"})
    assert fetch_model("gpt2@main") == model_folder("gpt2@main") == verify_model("gpt2@main")


def test_a_redirect_that_leads_in_a_circle(branch: Server) -> None:
    branch.heads[f"{MAIN}/config.json"] = (307, {"Location": f"{MAIN}/config.json"})
    with pytest.raises(DownloadError, match=r"main/config\.json: expected a commit"):
        fetch_model("gpt2@main")


def test_a_revision_that_there_is_not(branch: Server, waits: list[float]) -> None:
    with pytest.raises(DownloadError, match=r"resolve/v9/config\.json: .*found 404"):
        fetch_model("gpt2@v9")
    assert not waits
    branch.faults += [{"status": 503}, {"status": 429, "headers": {"Retry-After": "7"}}]
    fetch_model("gpt2@main")
    assert waits == [1, 7]


@pytest.mark.parametrize(
    "note", ["", "[]", "{}", '{"commit": 3, "files": []}', '{"commit": "%s", "files": [["x"]]}']
)
def test_a_note_of_a_revision_that_is_damaged(branch: Server, note: str) -> None:
    folder = fetch_model("gpt2@main")
    (folder / "revision.json").write_text(note.replace("%s", COMMIT))
    with pytest.raises(CheckpointError, match=r"gpt2@main: expected in .*found in none"):
        verify_model("gpt2@main")
    assert fetch_model("gpt2@main") == verify_model("gpt2@main") == folder


# ---- The command --------------------------------------------------------------------------------


def test_the_command(hosts: Server, capsys: Any) -> None:
    folder = model_folder("gpt2")
    assert door.main(["--where"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == str(folder.parent) and out[1] == "gpt2         not here" and len(out) == 5
    assert door.main(["--verify", "gpt2"]) == 2
    assert "gptlite.download: error: gpt2: expected in " in capsys.readouterr().err
    assert door.main(["124M"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert door.main(["--verify", "small"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert door.main(["--where"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"gpt2         0.0 MB: {folder}"
    assert door.main(["--verify", "small@main"]) == 2
    assert "gpt2@main: expected in " in capsys.readouterr().err
    (model_folder("gpt2@main")).mkdir()
    (model_folder("gpt2@main") / "config.json.part").write_bytes(bytes(200_000))
    (folder / "config.json").unlink()
    assert door.main(["--where"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[5:] == [f"gpt2@main    0.2 MB, incomplete: {folder}@main"]
    assert door.main(["--where"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"gpt2         0.0 MB, incomplete: {folder}"


@pytest.mark.parametrize(
    "arguments", [["gpt5"], ["--verify", "gpt5"], ["./x"], ["gpt2@"], ["gpt2@../x"], ["gpt5@main"]]
)
def test_an_unknown_name(arguments: list[str], capsys: Any) -> None:
    assert door.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gptlite.download: error: unknown model")


@pytest.mark.parametrize("arguments", [[], ["gpt2", "--where"], ["--verify"], ["gpt2", "gpt2-xl"]])
def test_options_that_make_no_sense(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        door.main(arguments)
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's signals")
def test_ctrl_c_in_the_command(server: Server, tmp_path: Path) -> None:
    server.files.clear()
    hub = SOURCES["gpt2"][0]
    server.files[f"/{hub.folder}/config.json"] = b"?" * 665
    server.faults += [{"stall": 100}]
    environment = os.environ | {"HF_ENDPOINT": server.url}
    command = [sys.executable, "-m", "gptlite.download", "gpt2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        wait_until(lambda: (model_folder("gpt2") / "config.json.part.json").exists())
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130 and out == "" and "Traceback" not in err
    assert err.splitlines()[-1].startswith("gptlite.download: error: interrupted")
    assert (model_folder("gpt2") / "config.json.part").exists()
    assert not (model_folder("gpt2") / "config.json").exists()


def test_importing_gptlite_imports_no_downloader() -> None:
    code = "import sys, gptlite; print(sorted({'requests', 'tqdm', 'urllib3'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n"
