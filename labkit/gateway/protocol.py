"""The gateway's HTTP/1.1 connections: uvicorn's, with limits on what comes before a request is complete.

It knows nothing of routes and keys.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from labkit.gateway.exchange import EXTENSION
from labkit.joining import Joining

if TYPE_CHECKING:
    from labkit.gateway.app import App

_MOST_HEAD = 32 * 1024  # bytes; the openai client's heads have about one thousandth
_CONNECTIONS = 768  # together with those to the model they stay below the 1,024 files that Linux allows by default
_REFUSALS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Connection(HttpToolsProtocol):
    """A connection that gives a request's head ten seconds, and 32 KiB."""

    gateway: App

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        self._joining = Joining(transport)
        super().connection_made(self._joining)  # type: ignore[arg-type]  # it passes everything on
        self._timer: asyncio.TimerHandle | None = None
        self._head = 0
        if len(self.connections) > _CONNECTIONS:
            self.refuse(None, "too many connections")
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        super().data_received(data)
        if self._timer is not None:
            self._head += len(data)
            if self._head > _MOST_HEAD:
                self.refuse(431, "large head")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        abort, release = self.transport.abort, self._joining.release
        self.scope["extensions"] = {EXTENSION: {"abort": abort, "hold": self._hold, "release": release}}
        self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        if not self.url.startswith(b"/"):
            raise ValueError("only a path is understood here")  # ends in send_400_response
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP, and says so in the log."""
        self.refuse(400, "no HTTP")

    def timeout_keep_alive_handler(self) -> None:
        """Drops an idle connection, also when its client never read the last answer."""
        self.transport.abort()

    def refuse(self, status: int | None, reason: str) -> None:
        """Ends the connection, with an answer where one is due, and notes it.

        Args:
            status: of the answer; None sends none.
            reason: for the log.
        """
        self._stop_timer()
        if self.transport.is_closing():
            return
        if status is not None and self._can_answer():
            self.transport.write(_answer(status, reason))
        self.transport.close()
        entry = self.gateway.open(self.client)
        entry.status, entry.ending = status or 0, reason
        self.gateway.close(entry)

    def _hold(self, holds: bool) -> None:
        self._joining.holds = holds

    def _can_answer(self) -> bool:
        """Says whether an answer now would be understood as the one to the request that is refused."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return not self.cycle.response_started and not self.pipeline

    def _await_head(self) -> None:
        if self._timer is None:
            self._head = 0
            self._timer = self.loop.call_later(self.gateway.rules.head_timeout, self.refuse, 408, "slow head")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol(app: App) -> type[Connection]:
    """Makes the class of connections for a gateway.

    Args:
        app: the gateway; it hears of requests that are refused before they reach it.
    """
    return type("GatewayConnection", (Connection,), {"gateway": app})


def _answer(status: int, reason: str) -> bytes:
    body = b'{"error":{"message":"The request was refused: %b.","type":"invalid_request_error"}}' % reason.encode()
    head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return b"".join((head % (status, _REFUSALS[status], len(body)), body))
