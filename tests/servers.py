"""A server that does everything wrong that servers do, and the files that it has.

A local one plays OpenAI's and Hugging Face's hosts.
"""

import gzip
import hashlib
import http.server
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gptlite.config import PRESETS, GPTConfig
from gptlite.download import fetching, web
from gptlite.download.fetching import fetch_file
from gptlite.download.official import SOURCES, OfficialFile, Source
from gptlite.errors import DownloadError
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer

DATA = random.Random(0).randbytes(4000)
OTHER = random.Random(1).randbytes(4000)
SHA = hashlib.sha256(DATA).hexdigest()
SERVED = GPTConfig(n_vocab=260, n_ctx=8, n_embd=4, n_head=2, n_layer=1)
REVISION = SOURCES["gpt2"][0].folder[-40:]
COMMIT = "0123456789abcdef" * 2 + "01234567"
MAIN = "/hub/openai-community/gpt2/resolve/main"


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
        endless: bool = False,  # in chunks, until the client goes away
        phrase: str | None = None,  # the words after the status
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
        if endless:
            headers.pop("Content-Length", None)
            headers["Transfer-Encoding"] = "chunked"
            self.protocol_version = "HTTP/1.1"
            self.close_connection = True
        self.send_response(code, phrase)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        while endless:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        if stall is not None:
            self.wfile.write(data[:stall])
            self.wfile.flush()
            data = data[stall:]
            self.server.go_on.wait(20)
        self.wfile.write(data[:cut])


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {".lock"}


def failure(server: Server, path: Path, size: int | None = len(DATA), **more: Any) -> str:
    """The one line of the error; no file has its final name then."""
    with pytest.raises(DownloadError) as caught:
        fetch_file(f"{server.url}/x", path, size, **{"checksum": SHA} | more)
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


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def break_source(server: Server, format: str, file: str) -> str:
    """Flip a bit in the middle of a file, and return the file's address."""
    (address,) = (at for at in server.files if at.startswith(f"/{format}/") and at.endswith(file))
    data = bytearray(server.files[address])
    data[len(data) // 2] ^= 1
    server.files[address] = bytes(data)
    return address


def files_of(source: Source) -> list[str]:
    return [file.name for file in source.files]


def put_commit(server: Server, commit: str, seed: int, folder: Path) -> None:
    GPT.init(SERVED, seed).save_pretrained(folder)
    Tokenizer.train(["the dog, the dog, the dog"], 260).save_pretrained(folder)
    put_files(server, commit, folder, MAIN)


def put_files(server: Server, commit: str, folder: Path, main: str) -> None:
    """Serve a model's files at a commit as the hub does, and as those of its branch ``main``."""
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
        at = main.replace("main", commit)
        server.heads[f"{main}/{name}"] = server.heads[f"{at}/{name}"] = (
            302 if "Location" in told else 200,
            told,
        )
        server.files[f"{at}/{name}"] = data


@pytest.fixture
def server(waits: list[float]) -> Iterator[Server]:
    with Server() as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        yield web
        web.go_on.set()
        web.shutdown()
        thread.join()


@pytest.fixture
def waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Hide the machine's settings; list the pauses that are made, none of which takes time."""
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


@pytest.fixture
def hosts(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Both official hosts, with a tiny model for gpt2, as far as the table may know it."""
    model, tokenizer = GPT.init(SERVED), Tokenizer.train(["the cat, the cat, the cat"], 260)
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
    monkeypatch.setitem(PRESETS, "gpt2", SERVED)
    return server


@pytest.fixture
def branch(hosts: Server, tmp_path: Path) -> Server:
    """The hub's main, where a commit has other weights; it says so as the hub does."""
    put_commit(hosts, COMMIT, 5, tmp_path / "newer")
    return hosts
