"""The page and the engine on one's own machine: 127.0.0.1, and for nobody else.

A page of another site may try to talk to any server on one's machine. This one answers only

* under a path that begins with a random token, which only the opened address has;
* to requests whose ``Host`` is its own address (a foreign name that is made to point to 127.0.0.1
  would come with another), and whose ``Origin``, if there is one, is too;
* questions as JSON of up to ``LARGEST`` bytes, which a foreign page cannot send without being asked
  for its origin.

The page waits at ``alive`` for the news that the server stops: it can then say so by itself.
"""

import hmac
import json
import mimetypes
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socketserver import TCPServer
from threading import Event, Lock
from time import monotonic, sleep
from typing import Any

from gptlite.lab.engine import Engine
from gptlite.lab.html import FOLDER_POLICY, folder_page
from gptlite.version import __version__

HOST = "127.0.0.1"
LARGEST = 1_000_000  # bytes of a question
PATIENCE = 20.0  # seconds that a request at ``alive`` waits, and a slow client is waited for


class Server(ThreadingHTTPServer):
    """A server of one engine.

    Attributes:
        url: the address to open, with the token.
        ending: set when the server stops.

    Raises:
        OSError: the port is taken, or not allowed.
    """

    daemon_threads = True

    def __init__(self, engine: Engine, port: int = 0) -> None:
        self.engine, self.ending = engine, Event()
        self.waiting = 0  # pages, at ``alive``
        self.lock = Lock()
        self.token = secrets.token_urlsafe(16)
        super().__init__((HOST, port), Handler)
        self.origins = {f"http://{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.url = f"http://{HOST}:{self.server_port}/{self.token}/"

    def server_bind(self) -> None:
        """Bind the port; a name server need not be asked who 127.0.0.1 is."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def stop(self) -> None:
        """Tell the pages, and let the port go."""
        self.ending.set()
        until = monotonic() + 5
        while self.waiting and monotonic() < until:
            sleep(0.01)
        self.server_close()

    def wait(self, change: int) -> None:
        """Count the pages that wait for the end."""
        with self.lock:
            self.waiting += change

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that has gone away; show any other error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = f"gptlite/{__version__}", ""
    timeout = 3 * PATIENCE

    def do_GET(self) -> None:
        """Send a file of the page, or wait for the end."""
        if (name := self.place()) is None:
            return
        if name == "":
            self.send(folder_page("local.js"), "text/html; charset=utf-8")
        elif name == "alive":
            self.server.wait(+1)
            try:
                ended = self.server.ending.wait(PATIENCE)
                self.send(json.dumps({"alive": not ended}).encode(), "application/json")
            finally:
                self.server.wait(-1)
        else:
            found = {file.name: file for file in (files("gptlite.lab") / "page").iterdir()}
            kind = mimetypes.guess_type(name)[0]
            if name not in found or kind is None or not name.endswith((".js", ".css")):
                return self.refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            kind = "text/javascript" if name.endswith(".js") else kind
            self.send(found[name].read_bytes(), f"{kind}; charset=utf-8")

    def do_POST(self) -> None:
        """Answer a question."""
        if (name := self.place()) is None:
            return
        if name != "ask":
            return self.refuse(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get_content_type() != "application/json":
            return self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question is JSON")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return self.refuse(HTTPStatus.LENGTH_REQUIRED, "a question says how long it is")
        if len(length) > 9 or int(length) > LARGEST:
            says = f"a question has {LARGEST:,} bytes at most"
            return self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, says)
        question = self.rfile.read(int(length)).decode("utf-8", errors="replace")
        self.send(self.server.engine.answer(question).encode(), "application/json")

    def place(self) -> str | None:
        """Give the path after the token; or refuse the request, and give None."""
        host = f"http://{self.headers.get('Host', '')}"
        if host not in self.server.origins:
            self.refuse(HTTPStatus.FORBIDDEN, "this server has another name")
        elif self.headers.get("Origin", host) not in self.server.origins:
            self.refuse(HTTPStatus.FORBIDDEN, "this server is for its own page alone")
        elif self.path == "/favicon.ico":
            self.send(b"", "image/x-icon", HTTPStatus.NO_CONTENT)
        else:
            _, token, *rest = [*self.path.partition("?")[0].split("/"), ""]
            known = hmac.compare_digest(token.encode(), self.server.token.encode())
            if known and len(rest) == 2:
                return rest[0]
            self.refuse(HTTPStatus.NOT_FOUND, "there is no such page: open the address printed")
        return None

    def send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Send an answer whole, with what keeps it to this page."""
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": FOLDER_POLICY + "; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }.items():
            if status is not HTTPStatus.NO_CONTENT or name != "Content-Length":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: HTTPStatus, says: str) -> None:
        """Refuse a request in a sentence, and read no more from this client."""
        self.close_connection = True
        self.send(json.dumps({"error": says}).encode(), "application/json", status)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request of HTTP, or of another method."""
        self.refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""
