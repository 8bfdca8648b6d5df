"""A loopback server in front of another one: it passes every request on, and keeps what was said.

Checks put it between the learner's code and a real service, to see what really went over the wire. It changes
nothing on the way and knows nothing of exercises.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 60.0  # seconds; the longest wait for the server behind


@dataclass
class Exchange:
    """One request and its reply.

    Attributes:
        path: such as `/v1/chat/completions`.
        request: the request's JSON body; empty when there was none.
        reply: the reply's body, as far as it has come.
    """

    path: str
    request: dict[str, Any]
    reply: bytearray = field(default_factory=bytearray)

    @property
    def pieces(self) -> list[str]:
        """The answer as it came: one piece a chunk of a stream, or all of it as one piece."""
        text = self.reply.decode("utf-8", "replace")
        lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
        choices = [choice for line in lines or [text] for choice in json.loads(line).get("choices", [])]
        contents = [(choice.get("delta") or choice.get("message") or {}).get("content") for choice in choices]
        return [content for content in contents if content]


class Recorder:
    """Records the exchanges with a server while it is open. Usable as a context manager.

    Args:
        endpoint: the server's address on this machine; it ends in `/v1`.
    """

    def __init__(self, endpoint: str) -> None:
        self.exchanges: list[Exchange] = []
        server, recorded = urlsplit(endpoint).netloc, self.exchanges

        class Handler(_Handler):
            target, exchanges = server, recorded

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The address to give to the code that is watched; it ends in `/v1`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def chats(self) -> list[Exchange]:
        """The exchanges that asked for a chat completion, in their order."""
        return [exchange for exchange in self.exchanges if exchange.path == "/v1/chat/completions"]

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    target: str
    exchanges: list[Exchange]

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _pass_on(self, body: bytes) -> None:
        exchange = Exchange(self.path, json.loads(body) if body else {})
        self.exchanges.append(exchange)
        connection = HTTPConnection(self.target, timeout=_TIMEOUT)
        try:
            connection.request(self.command, self.path, body, {"Content-Type": "application/json"})
            self._pass_back(connection.getresponse(), exchange)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the watched code hung up, which is its right
        finally:
            connection.close()

    def _pass_back(self, reply: HTTPResponse, exchange: Exchange) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.headers.get("Content-Type", "application/json"))
        self.end_headers()
        while piece := reply.read1(65536):
            exchange.reply += piece
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        """Stays silent: the learner asked for a verdict, not for a request log."""
