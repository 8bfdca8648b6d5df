"""The way from an OpenAI client to a simulated cloud without a socket, for the virtual clock.

An exchange carries one request to an ASGI application and its answer back, as a server and a network would: with
timeouts, resets and clients that hang up. It knows nothing of chat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx2

from labkit.client import Lab
from labkit.simulator.clock import VirtualClock
from labkit.simulator.line import EXTENSION, Message

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from labkit.simulator.app import App

_BUFFER = 64  # parts of a body that may lie unread before the sender has to wait


class Exchange:
    """One request and its answer.

    Args:
        app: the application.
        request: the request; its body has been read.
    """

    def __init__(self, app: App, request: httpx2.Request) -> None:
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Message] = deque([{"type": "http.request", "body": request.content, "more_body": False}])
        self._parts: deque[Message] = deque()
        self._is_reset = self._is_left = False
        self._bell = _Bell()  # rings for the client
        self._line_bell = _Bell()  # rings for the application
        self._journal = app.journal
        self._ident = app.journal.connect(app.now())
        self._task = self._loop.create_task(app(self._scope(), self._receive, self._send))
        self._task.add_done_callback(lambda _: self._bell.ring())

    async def start(self) -> Message:
        """Waits for status and headers.

        Raises:
            httpx2.TransportError: the connection broke, or nothing came in time.
        """
        return await self._next()

    async def parts(self) -> AsyncGenerator[bytes]:
        """Gives the parts of the body.

        Raises:
            httpx2.TransportError: the connection broke, or nothing came in time.
        """
        more = True
        while more:
            part = await self._next()
            more = part.get("more_body", False)
            if part["body"]:
                yield part["body"]

    def leave(self) -> None:
        """Closes the connection from the client's side."""
        if not self._is_left:
            self._is_left = True
            self._journal.disconnect(self._ident)
            self._line_bell.ring()

    async def _next(self) -> Message:
        if not self._parts and not self._is_reset and not self._task.done():
            await self._patience()
        if self._parts:
            if len(self._parts) > _BUFFER:  # the application waits for room
                self._line_bell.ring()
            return self._parts.popleft()
        if not self._is_reset:
            self._task.result()  # an error of the application is an error of its programmer
        raise httpx2.ReadError("connection reset by the simulated cloud", request=self._request)

    async def _patience(self) -> None:
        limit = self._request.extensions.get("timeout", {}).get("read")  # asked anew, because a reader may change it
        late = self._loop.call_later(limit, self._bell.ring, True) if limit is not None else None
        try:
            if await self._bell.wait():
                raise httpx2.ReadTimeout("nothing came in time", request=self._request)
        finally:
            if late:
                late.cancel()

    async def _receive(self) -> Message:
        while not self._inbox and not self._is_left:
            await self._line_bell.wait()
        return self._inbox.popleft() if self._inbox else {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        while len(self._parts) > _BUFFER and not self._is_left:
            await self._line_bell.wait()
        if not self._is_left:
            self._parts.append(message)
            self._bell.ring()

    def _reset(self) -> None:
        self._is_reset = True
        self.leave()
        self._bell.ring()

    def _scope(self) -> dict[str, Any]:
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path,
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "client": None,
            "server": None,
            "extensions": {EXTENSION: {"id": self._ident, "reset": self._reset}},
        }


class _Bell:
    """Wakes whoever waits at this moment, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []

    async def wait(self) -> bool:
        """Waits for the next ring, and says whether it means that the time is over."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return await waiter

    def ring(self, is_late: bool = False) -> None:
        """Wakes all who wait."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(is_late)
        self._waiting.clear()


class AsyncTransport(httpx2.AsyncBaseTransport):
    """Carries requests of an asynchronous client.

    Args:
        app: the application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and waits for the head of the answer."""
        await request.aread()
        exchange, head = await _open(self._app, request)
        return httpx2.Response(head["status"], headers=head["headers"], stream=_AsyncBody(exchange))


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._exchange.parts():
            yield part

    async def aclose(self) -> None:
        self._exchange.leave()


class Transport(httpx2.BaseTransport):
    """Carries requests of a blocking client: the clock runs while it waits.

    Args:
        app: the application.
        clock: the clock that the application lives on.
    """

    def __init__(self, app: App, clock: VirtualClock) -> None:
        self._app, self._clock = app, clock

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and lets time pass until the head of the answer is there."""
        request.read()
        exchange, head = self._clock.run(_open(self._app, request))
        return httpx2.Response(head["status"], headers=head["headers"], stream=_Body(exchange, self._clock))


class _Body(httpx2.SyncByteStream):
    def __init__(self, exchange: Exchange, clock: VirtualClock) -> None:
        self._exchange, self._clock = exchange, clock

    def __iter__(self) -> Iterator[bytes]:
        parts = self._exchange.parts()
        while (part := self._clock.run(_next_or_none(parts))) is not None:
            yield part

    def close(self) -> None:
        self._exchange.leave()
        self._clock.sleep(0)


async def _open(app: App, request: httpx2.Request) -> tuple[Exchange, Message]:
    exchange = Exchange(app, request)
    try:
        return exchange, await exchange.start()
    except BaseException:
        exchange.leave()
        raise


async def _next_or_none(parts: AsyncIterator[bytes]) -> bytes | None:
    return await anext(parts, None)


@dataclass(frozen=True)
class InProcessLab(Lab):
    """A Lab whose clients reach a simulated cloud without a socket, in virtual time.

    Attributes:
        app: the simulated cloud.
        clock: its clock.
    """

    app: App = field(kw_only=True, repr=False, compare=False)
    clock: VirtualClock = field(kw_only=True, repr=False, compare=False)

    @cached_property
    def client(self) -> OpenAI:
        """An OpenAI client whose waits cost no real time. Not for use inside a coroutine."""
        from openai import OpenAI

        http = httpx2.Client(transport=Transport(self.app, self.clock))
        return OpenAI(base_url=self.endpoint, api_key=self.api_key, http_client=http, max_retries=0)

    def _new_async_client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        http = httpx2.AsyncClient(transport=AsyncTransport(self.app))
        return AsyncOpenAI(base_url=self.endpoint, api_key=self.api_key, http_client=http, max_retries=0)
