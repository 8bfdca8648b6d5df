"""A web server whose pages a test writes down, to stand in for servers that are no Foundry Local.

It knows nothing of OpenAI and of models.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Page = tuple[int, str | bytes | dict[str, object] | list[object]]


class Site(ThreadingHTTPServer):
    """A web server on a free port of this machine.

    Args:
        pages: status and body by path; every other path gives 404.
        headers: headers of every page.
    """

    def __init__(self, pages: Mapping[str, Page], headers: Mapping[str, str]) -> None:
        self.pages = pages
        self.headers = headers
        self.keys: list[str | None] = []  # the API keys that were shown
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        self._send(*self.server.pages.get(self.path, (404, "no such page")))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def _send(self, status: int, body: str | bytes | dict[str, object] | list[object]) -> None:
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        data = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(pages: Mapping[str, Page], **headers: str) -> Iterator[Site]:
    """Runs a web server with these pages."""
    server = Site(pages, headers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silence() -> Iterator[str]:
    """Gives the address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def drip() -> Iterator[str]:
    """Gives the address of a server that sends one byte of an endless answer at a time."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
                while not stopped.wait(0.1):
                    connection.sendall(b" ")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopped.set()
        thread.join()
