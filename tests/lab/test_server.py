"""The server: for its own page alone, and every refusal is a sentence."""

import errno
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.lab.__main__ import main
from gptlite.lab.engine import Engine
from gptlite.lab.html import MODULES
from gptlite.lab.server import LARGEST, Server

QUESTION = json.dumps({"kind": "read", "text": "fox"}).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    model = GPT.init(GPTConfig(n_vocab=257, n_ctx=64, n_embd=4, n_head=1, n_layer=1))
    server = Server(Engine(model, Tokenizer.train([""], 257)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.stop()
    thread.join()


def send(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send a request with these headers; "" leaves one out that is sent by default."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)) as to:
        to.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = {"host": f"127.0.0.1:{server.server_port}"} | headers
        if body is not None:
            given.setdefault("content_length", str(len(body)))
        for name, value in given.items():
            if value:
                to.putheader(name.replace("_", "-"), value)
        to.endheaders(body)
        answer = to.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def ask(server: Server, body: bytes = QUESTION, **headers: str) -> tuple[int, dict[str, Any]]:
    """Ask a question as the page does."""
    headers = {"content_type": "application/json"} | headers
    status, _, answer = send(server, "POST", f"/{server.token}/ask", body, **headers)
    return status, json.loads(answer)


def test_it_sends_the_page_and_all_its_modules(server):
    for name in ("", "lab.css", *MODULES, "local.js"):
        status, headers, body = send(server, "GET", f"/{server.token}/{name}?x#y")
        assert status == 200 and len(body) > 300, name
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        kind = {"": "text/html", "css": "text/css"}.get(name.rpartition(".")[2], "text/javascript")
        assert headers["Content-Type"] == f"{kind}; charset=utf-8"


def test_it_answers(server):
    status, answer = ask(server)
    assert status == 200 and len(answer["ids"]) == 4
    assert answer == json.loads(server.engine.answer(QUESTION.decode()))


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{}", "http://localhost:{}"])
def test_its_own_origins(server, origin):
    origin = origin.format(server.server_port)
    status, answer = ask(server, host=urlsplit(origin).netloc, origin=origin)
    assert status == 200 and "ids" in answer


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:{}"},
        {"host": "127.0.0.1.evil.example:{}"},
        {"host": "127.0.0.1"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "https://127.0.0.1:{}"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_other_hosts_and_other_origins(server, headers):
    headers = {name: value.format(server.server_port) for name, value in headers.items()}
    status, answer = ask(server, **headers)
    assert status == 403 and list(answer) == ["error"]
    status, _, body = send(server, "GET", f"/{server.token}/", **headers)
    assert status == 403 and b"<html" not in body


@pytest.mark.parametrize("token", ["", "x", "%00", "..", "/", "a" * 5000])
def test_wrong_tokens(server, token):
    for name in ("", "ask", "main.js", "alive"):
        status, _, body = send(server, "GET", f"/{token}/{name}")
        assert status == 404 and b"open the address printed" in body


@pytest.mark.parametrize(
    "name",
    ["x.js", "../engine.py", "..%2fengine.py", "%2e%2e/engine.py", "index.html", "a/b", "//", "."],
)
def test_paths_that_are_not_the_page_s(server, name):
    status, _, body = send(server, "GET", f"/{server.token}/{name}")
    assert status == 404 and b"import" not in body


def test_what_is_no_question(server):
    assert ask(server, b"{")[1] == {"error": "the request is not JSON"}
    assert ask(server, b"\xff\xfe") == (200, {"error": "the request is not JSON"})
    assert ask(server, content_type="text/plain")[0] == 415
    assert ask(server, content_type="multipart/form-data")[0] == 415
    assert ask(server, content_type="")[0] == 415
    assert ask(server, content_length="")[0] == 411
    assert ask(server, content_length="-1")[0] == 411
    assert ask(server, content_length="²")[0] == 411
    status, _, _ = send(server, "POST", f"/{server.token}/", b"{}", content_type="application/json")
    assert status == 404
    for method in ("PUT", "DELETE", "OPTIONS", "BREW"):
        status, _, body = send(server, method, f"/{server.token}/ask")
        assert status == 501 and b"error" in body


def test_a_huge_question_is_refused_before_it_is_read(server):
    for length in (str(LARGEST + 1), "9" * 30):
        status, answer = ask(server, content_length=length)
        assert status == 413 and "1,000,000 bytes at most" in answer["error"]
    assert ask(server, QUESTION + b" " * (LARGEST - len(QUESTION)))[0] == 200


@pytest.mark.parametrize(
    "line", [b"GET /\xc3\xa4/ HTTP/1.1", b"GET /\xff/ HTTP/1.1", b"x", b"G E T"]
)
def test_what_is_no_http(server, line):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as client:
        client.sendall(line + f"\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
        answer = client.makefile("rb").read()
    assert b'{"error": "' in answer and b"Traceback" not in answer


def test_a_favicon_is_nothing(server):
    assert send(server, "GET", "/favicon.ico")[0] == 204


def test_a_client_that_goes_away_is_passed_over(server, capsys):
    with socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.sendall(b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n")
    assert ask(server)[0] == 200
    assert capsys.readouterr().err == ""


# ---- The command --------------------------------------------------------------------------------


def test_it_tells_the_pages_that_it_ends():
    """Ctrl-C ends it cleanly, and a page that waits is told before."""
    command = [sys.executable, "-m", "gptlite.lab", "--no-browser", "The fox & the 'hen'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as lab:
        url = urlsplit(lab.stdout.readline().decode().strip())
        assert url.hostname == "127.0.0.1" and len(url.path) > 20
        assert url.fragment == "text=The%20fox%20%26%20the%20%27hen%27"
        with closing(http.client.HTTPConnection(url.netloc, timeout=30)) as page:
            page.request("GET", f"{url.path}alive")
            lab.stderr.readline()
            time.sleep(2)  # the request is with its thread by then; nothing says when
            lab.send_signal(signal.SIGINT)
            assert json.loads(page.getresponse().read()) == {"alive": False}
        assert lab.wait(timeout=30) == 130
        assert lab.stderr.read() == b""


def test_a_port_that_is_taken(server, capsys):
    assert main(["--port", str(server.server_port), "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert f"port {server.server_port} of 127.0.0.1 is taken: choose another" in said
    assert said.count("\n") == 1


def test_it_opens_the_browser_at_its_own_address(monkeypatch, capsys):
    opened = []

    def interrupted(server):
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(Server, "serve_forever", interrupted)
    assert main(["The fox"]) == 130
    assert opened == [capsys.readouterr().out.strip()]
    assert opened[0].startswith("http://127.0.0.1:") and opened[0].endswith("#text=The%20fox")


def test_a_port_that_is_not_for_everybody(monkeypatch, capsys):
    def refused(server):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Server, "server_bind", refused)
    assert main(["--port", "80", "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert "port 80 is not for everybody: take one above 1023" in said and said.count("\n") == 1


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1.5"])
def test_what_is_no_port(port, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--port", port])
    assert ended.value.code == 2
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err


def test_a_model_that_is_not_there(capsys):
    assert main(["--model", "gpt5"]) == 2
    assert "unknown model 'gpt5'" in capsys.readouterr().err
