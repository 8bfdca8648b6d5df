"""A server that answers each request with scripted bytes, to play every good and bad ending of a stream.

It speaks just enough HTTP for a client to believe it, and knows nothing of chat beyond the helpers below.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from labkit.client import Lab

Step = bytes | float

_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
CUT = b"<cut>"  # break the connection
SILENCE = b"<silence>"  # say nothing until the client hangs up
DONE = b"data: [DONE]\n\n"


class ScriptedServer:
    """Plays one script for each request.

    Args:
        steps: bytes to send, seconds to pause, `CUT` or `SILENCE`.
    """

    def __init__(self, *steps: Step) -> None:
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.hung_up = threading.Event()  # set when a client closes its connection
        self.waited_in_vain = False  # for a client to end a silence
        self._steps = steps
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @cached_property
    def lab(self) -> Lab:
        """A Lab whose answers come from here."""
        port = self._listener.getsockname()[1]
        return Lab("openai-compatible", f"http://127.0.0.1:{port}/v1", "key", "scripted", 1024)

    def close(self) -> None:
        """Stops the server and closes the connections that the Lab keeps for later."""
        self.lab.client.close()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                while body := _request(connection):
                    self.requests.append(json.loads(body))
                    for step in self._steps:
                        self._play(connection, step)
            except TimeoutError:
                self.waited_in_vain = True
            except OSError:
                pass
        self.hung_up.set()

    def _play(self, connection: socket.socket, step: Step) -> None:
        if isinstance(step, float):
            time.sleep(step)
        elif step == SILENCE:
            if not connection.recv(1):
                raise ConnectionResetError
        elif step == CUT:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        else:
            connection.sendall(step)


@contextmanager
def scripted(*steps: Step) -> Iterator[ScriptedServer]:
    """Runs a server that sends the steps as they are, in answer to each request."""
    server = ScriptedServer(*steps)
    try:
        yield server
        assert not server.waited_in_vain, "the client should have ended the silence"
    finally:
        server.close()


def streaming(*steps: Step) -> tuple[Step, ...]:
    """Puts server-sent events into the frame of a chunked HTTP response that stays open at the end."""
    frames = (step if isinstance(step, float) or step in (CUT, SILENCE, END) else framed(step) for step in steps)
    return (_STREAM_HEAD, *frames)


def framed(data: bytes) -> bytes:
    """Puts bytes into one frame of the chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(status: str, body: object, *headers: str, content_type: str = "application/json") -> bytes:
    """Makes a whole HTTP response."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def event(data: object) -> bytes:
    """Makes a server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def delta(finish_reason: str | None = None, **part: Any) -> bytes:
    """Makes the event of one chat chunk."""
    return event({"choices": [{"index": 0, "delta": part, "finish_reason": finish_reason}]})


def text(piece: str) -> bytes:
    """Makes the event of one piece of text."""
    return delta(content=piece)


def usage(prompt: int, completion: int) -> bytes:
    """Makes the event that counts tokens, whose choices are empty."""
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


STOP = delta("stop")


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (more := connection.recv(65536)):
            return b""
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    if not lengths:  # a stranger who looks for the server that had this port before
        return b""
    while len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return body
