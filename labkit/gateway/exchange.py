"""One exchange with a client: its body comes in, the answer goes out, piece by piece and unbuffered.

It notices when the client leaves, and then leaves the model, which stops. It knows nothing of keys and rates.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from labkit.gateway.ask import Refused
from labkit.gateway.journal import Entry
from labkit.gateway.rules import Rules
from labkit.limits import Headers

if TYPE_CHECKING:
    import aiohttp

    from labkit.gateway.upstream import Upstream

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

EXTENSION = "labkit.abort"
"""The ASGI extension of the gateway's server.

`abort()` drops the connection, unsent bytes included; while `hold(True)` is in force, what is sent waits for more, and
`release()` sends it.
"""

_PASSED_BACK = ("content-type", "retry-after", "x-labkit-source")
_OWN_ERRORS = (401, 403)  # of the server behind: the key that it refuses is not the client's
_PASSED_STATUSES = (2, 4)  # hundreds
_DISCARDED = 16  # times the largest body: what is read of a body that is too large, so that its sender hears why
_PATIENCE = 5.0  # seconds for that
_MILLI = 1000


class Exchange:
    """A request and its answer.

    Args:
        entry: its entry in the journal, which is kept up to date.
        receive, send: as ASGI gives them.
        rules: times and sizes.
        extensions: what the server offers beyond ASGI.
    """

    def __init__(
        self, entry: Entry, receive: Receive, send: Send, rules: Rules, extensions: dict[str, Any] | None
    ) -> None:
        self.entry, self.receive = entry, receive
        self._send, self._rules = send, rules
        connection = (extensions or {}).get(EXTENSION, {})
        self._abort: Callable[[], None] | None = connection.get("abort")
        self._hold: Callable[[bool], None] = connection.get("hold", lambda _: None)
        self._release: Callable[[], None] = connection.get("release", lambda: None)
        self._started = time.perf_counter()
        self._loop = asyncio.get_running_loop()
        self._is_over = self._has_left = False

    @property
    def now(self) -> float:
        """Seconds of the loop's clock."""
        return self._loop.time()

    async def send(self, message: Message) -> None:
        """Sends an ASGI message, and notes what it says."""
        if message["type"] == "http.response.start":
            self.entry.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self.entry.id.encode())]
            # A whole answer's head leaves with its body; a stream's at once, since its first token may take a while.
            self._hold(any(name == b"content-length" for name, _ in message["headers"]))
            await self._send(message)
        else:
            self._note(message.get("body", b""))
            self._hold(False)
            await self._send(message)
            self._release()  # where there was no body, as for HEAD

    async def body(self, headers: Headers) -> bytes:
        """Reads the request's body.

        Args:
            headers: the request's.

        Raises:
            Refused: it is too large, or does not come in time.
        """
        most = self._rules.max_body
        announced = next((int(value) for name, value in headers if name == b"content-length"), 0)
        try:
            async with asyncio.timeout(self._rules.body_timeout):
                if announced <= most and (whole := await self._read(most)) is not None:
                    return whole
        except TimeoutError:
            raise Refused(408, "The body did not come in time.", "slow body", close=True) from None
        await self._discard()
        raise Refused(
            413, f"The body has more than {most:,} bytes. Shorten the conversation.", "large body", close=True
        )

    async def tell(self, status: int, body: bytes, headers: Headers) -> None:
        """Sends a whole answer in JSON."""
        usual = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self._is_over = True
        await self.send({"type": "http.response.start", "status": status, "headers": usual + headers})
        await self.send({"type": "http.response.body", "body": body})

    async def forward(self, upstream: Upstream, method: str, path: str, body: bytes | None, headers: Headers) -> None:
        """Asks the model's server, and passes its answer on as it comes.

        Args:
            upstream: the server.
            method, path, body: what to ask.
            headers: for the client, beside those of the answer.

        Raises:
            Refused: the server cannot be reached or does not answer in time.
        """
        import aiohttp

        asking = asyncio.current_task()
        watch = self._loop.create_task(self._watch(asking))
        try:
            async with asyncio.timeout(self._rules.stall_timeout) as patience:
                async with upstream.send(method, path, body) as answer:
                    await self._pass_back(answer, headers, patience)
        except asyncio.CancelledError:
            if not self._has_left:
                raise
            self.entry.ending = "client left"
            if asking:
                asking.uncancel()
        except TimeoutError:
            self._stalled()
        except (aiohttp.ClientError, OSError) as error:
            self._failed(error)
        finally:
            watch.cancel()

    async def _pass_back(self, answer: aiohttp.ClientResponse, headers: Headers, patience: asyncio.Timeout) -> None:
        status = answer.status
        if status in _OWN_ERRORS or status // 100 not in _PASSED_STATUSES:
            message = f"The model's server failed (HTTP {status}). Tell whoever runs this gateway, or ask again later."
            raise Refused(502, message, "model failed")
        await self.send({"type": "http.response.start", "status": status, "headers": _passed_back(answer) + headers})
        stall = self._rules.stall_timeout
        async for piece in answer.content.iter_any():
            self.entry.ending = "client stalled"  # until the next line is over
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
            self.entry.ending = "complete"
            patience.reschedule(self._loop.time() + stall)
        self._is_over = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, asking: asyncio.Task[Any] | None) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if not self._is_over and asking:
            self._has_left = True
            asking.cancel()

    def _stalled(self) -> None:
        if not self.entry.status:
            raise Refused(504, "The model's server did not answer in time. Ask again later.", "model silent")
        if self.entry.ending == "client stalled":
            if self._abort:
                self._abort()
        else:
            self.entry.ending = "model stalled"

    def _failed(self, error: Exception) -> None:
        if not self.entry.status:
            message = "The model's server cannot be reached. Tell whoever runs this gateway, or ask again later."
            raise Refused(502, message, "model unreachable") from error
        # The answer stays without its end, and the server closes the connection: a cut must look like one.
        self.entry.ending = "model cut"

    async def _read(self, most: int) -> bytes | None:
        whole = b""
        while len(whole) <= most:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The body has no end.", "client left", close=True)
            whole += message.get("body", b"")
            if not message.get("more_body"):
                return whole if len(whole) <= most else None
        return None

    async def _discard(self) -> None:
        """Reads on for a while: whoever is cut off while sending never reads the answer that says why."""
        left = _DISCARDED * self._rules.max_body
        try:
            async with asyncio.timeout(_PATIENCE):
                while left > 0:
                    message = await self.receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return

    def _note(self, piece: bytes) -> None:
        if self.entry.first_ms is None and piece:
            self.entry.first_ms = (time.perf_counter() - self._started) * _MILLI
        self.entry.sent += len(piece)


def _passed_back(answer: aiohttp.ClientResponse) -> Headers:
    found = [(name.encode(), answer.headers[name].encode("latin-1")) for name in _PASSED_BACK if name in answer.headers]
    if answer.content_type == "text/event-stream":
        # The second one tells nginx not to collect the pieces.
        return [*found, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    return [*found, *([(b"content-length", str(answer.content_length).encode())] if answer.content_length else [])]
