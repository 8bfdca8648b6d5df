"""The line to one client during one request: what is sent on it, and when the client hangs up.

It speaks ASGI. It knows nothing of chat, of profiles and of faults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from labkit.limits import Headers

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

EXTENSION = "labkit.connection"
"""The ASGI extension that a server offers.

`id` is the connection's number, `reset()` breaks it off, and `write(data)`, where there is one, sends a part of a body
without ceremony; it gives False when that is not possible now.
"""


class ClientLeft(Exception):
    """The client closed the connection before the answer was complete."""


class Line:
    """Sends an answer, and notices when nobody listens any more.

    Args:
        scope, receive, send: as ASGI gives them.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._connection = (scope.get("extensions") or {}).get(EXTENSION, {})
        self._direct = self._connection.get("write")
        self._watcher: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._gone = False

    @property
    def connection(self) -> int:
        """The number of the connection, where the server counts them."""
        return int(self._connection.get("id", 0))

    async def body(self) -> bytes:
        """Reads the request's body.

        Raises:
            ClientLeft: the client hung up while it sent.
        """
        whole = b""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            whole += bytes(message.get("body", b""))
            if not message.get("more_body", False):
                return whole

    async def start(self, status: int, headers: Headers) -> None:
        """Sends status and headers."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def check(self) -> None:
        """Makes sure that somebody listens.

        Raises:
            ClientLeft: the client hung up.
        """
        if self._gone:
            raise ClientLeft

    async def write(self, data: bytes, more: bool = True) -> None:
        """Sends a part of the body; the last one with `more=False`.

        Raises:
            ClientLeft: the client hung up.
        """
        self.check()
        if more and self._direct and self._direct(data):
            return
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def until(self, when: float) -> None:
        """Waits until a moment of the loop's clock.

        Raises:
            ClientLeft: the client hung up.
        """
        loop = asyncio.get_running_loop()
        self._watcher = self._watcher or loop.create_task(self._watch())
        if when <= loop.time():
            await asyncio.sleep(0)  # somebody who is late must not keep others waiting, nor miss that the client left
        elif not self._gone:
            self._waiter = loop.create_future()
            timer = loop.call_at(when, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        self.check()

    async def reset(self) -> None:
        """Breaks the connection off.

        Raises:
            ConnectionResetError: the server has no extension for it; the error makes it drop the connection.
        """
        if "reset" not in self._connection:
            raise ConnectionResetError("the simulated cloud breaks this connection on purpose")
        self._connection["reset"]()
        # The server complains of an answer without an end, unless it has seen the connection close before.
        await (self._watcher or asyncio.ensure_future(self._watch()))

    async def close(self) -> None:
        """Ends the watch over the client."""
        if self._watcher and not self._watcher.done():
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    def hang_up(self) -> None:
        """Breaks the connection off from outside, because the server stops."""
        if "reset" in self._connection:
            self._connection["reset"]()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
