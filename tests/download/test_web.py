"""Requests: repeated where a failure may pass, and redirected."""

import socket
import ssl
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError, SSLError

from gptlite.download.fetching import fetch_file
from gptlite.errors import DownloadError
from servers import DATA, SHA, Server, failure, names, success

pytestmark = pytest.mark.usefixtures("waits")


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


def test_a_server_s_own_words_are_not_repeated(server: Server, path: Path) -> None:
    evil = "\x1b[2J"
    for fault in (
        *({"status": 404, "phrase": evil}, {"status": 799, "phrase": evil}),
        *({"headers": {"Content-Type": f"text/html;{evil}"}}, {"headers": {"Content-MD5": evil}}),
    ):
        server.faults += [fault] * 6
        assert "\x1b" not in failure(server, path, None, checksum=None)
        server.faults.clear()


def test_a_host_that_says_nonsense(server: Server, path: Path) -> None:
    """Its first line is an error's text, of any length, and with anything in it."""
    with socket.create_server(("127.0.0.1", 0)) as host:

        def answer() -> None:
            for _ in range(6):
                connection, _ = host.accept()
                connection.recv(9999)
                connection.sendall(b"\x1b[2J" + b"x" * 5000 + b"\r\n\r\n")
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DownloadError) as caught:
            fetch_file(f"http://127.0.0.1:{host.getsockname()[1]}/x", path, 1, SHA)
        thread.join()
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "fault",
    [
        *({"endless": True}, {"compressed": True, "body": bytes(10_000_000)}),
        *({"body": bytes(6000)}, {"body": bytes(6000), "length": None}),
    ],
)
def test_a_file_of_unknown_size_has_a_bound(
    server: Server, path: Path, fault: dict[str, Any]
) -> None:
    server.faults += [fault]
    with pytest.raises(DownloadError, match=r"/x: expected at most 5,000 bytes, "):
        fetch_file(f"{server.url}/x", path, most=5000)
    assert names(path.parent) == set() and len(server.seen) == 1
    fetch_file(f"{server.url}/x", path, most=5000)
    assert path.read_bytes() == DATA


def test_a_certificate_that_is_not_the_host_s_is_not_asked_for_again(
    server: Server, path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed")

    def refuse(*_: Any, **__: Any) -> Any:
        raise requests.exceptions.SSLError(MaxRetryError(None, "/x", SSLError(cause)))

    monkeypatch.setattr(requests.Session, "request", refuse)
    assert "certificate verify failed: self-signed" in failure(server, path)
    assert not waits
