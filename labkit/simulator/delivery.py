"""Delivery: puts one answer on the line, in time and with its fault.

It knows nothing of how the fault was chosen.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING, Any

from labkit.simulator import wire
from labkit.simulator.fault import Fault
from labkit.simulator.journal import Request
from labkit.simulator.limits import Headers, retry_headers
from labkit.simulator.line import Line
from labkit.simulator.upstream import Ask, Piece, UpstreamRefused

if TYPE_CHECKING:
    from labkit.simulator.app import App

STALL = 120.0  # seconds until a stalled connection is reset
_RETRY_AFTER = 1.0  # seconds, for a 429 or a 503 that is a fault
_SLOWER, _SLOW = 10, 2.0  # the slow first token: times as long, seconds at least
_IN_MIDST = {Fault.STALL, Fault.CUT, Fault.ERROR, Fault.TRUNCATED, Fault.MALFORMED}
_BREAKS = {Fault.STALL, Fault.CUT, Fault.ERROR, Fault.TRUNCATED}
_JSON = b"application/json"


class Delivery:
    """Delivers one answer.

    Args:
        line: the line to the client.
        entry: the request's entry in the journal.
        app: the application, for its profile, limits and upstream.
    """

    def __init__(self, line: Line, entry: Request, app: App) -> None:
        self._line, self._entry, self._app = line, entry, app
        self._due = app.loop_time(entry.arrived)
        self._begun = False
        self._reason: str | None = None
        self._text: list[str] = []

    async def refuse(self) -> str:
        """Closes the connection before an answer."""
        await self._line.reset()
        return Fault.REFUSE.value

    async def fail(self, status: int) -> str:
        """Sends the error of a fault."""
        return await self.error(status, wire.error(status), _RETRY_AFTER if status in (429, 503) else None)

    async def error(self, status: int, body: dict[str, Any], wait: float | None = None) -> str:
        """Sends an error.

        Args:
            status: the HTTP status.
            body: the error object.
            wait: seconds that the client is asked to wait before it comes again.
        """
        self._entry.retry_after = wait
        await self._send(status, wire.pack(body), _JSON, retry_headers(wait) if wait is not None else [])
        return "complete"

    async def answer(self, ask: Ask) -> str:
        """Sends the answer, or as much of it as the fault lets through."""
        tokens = self._entry.prompt_tokens + (ask.max_tokens or 0)
        refusal = self._app.limits.admit(tokens, self._app.upstream.model, self._due)
        if refusal:
            return await self.error(429, wire.error(429, refusal.message, type=refusal.kind), refusal.wait)
        if self._entry.fault == Fault.CONTENT_TYPE:
            await self._send(200, wire.HTML, b"text/html; charset=utf-8")
            return "complete"
        fault, random = self._entry.fault, self._app.random(self._entry.number, "latency")
        self._waits = self._app.profile.waits(random, self._app.journal.in_flight - 1)
        if fault == Fault.SLOW:
            self._waits = chain([max(next(self._waits) * _SLOWER, _SLOW)], self._waits)
        self._midst = self._app.random(self._entry.number, "midst").randint(2, 8) if fault in _IN_MIDST else 0
        try:
            return await (self._stream(ask) if self._entry.stream else self._whole(ask))
        except UpstreamRefused as refused:
            return await self._pass_on(refused)

    async def _stream(self, ask: Ask) -> str:
        writer = self._writer()
        async with aclosing(self._app.upstream.answer(ask)) as pieces:
            async for piece in pieces:
                if piece.finish_reason:
                    self._note_end(piece)
                    break
                await self._line.until(self._plan(piece))
                await self._send_piece(writer, piece)
                if self._entry.completion_tokens == self._midst and self._entry.fault in _BREAKS:
                    break
        await self._begin_stream()
        if self._entry.fault in _BREAKS:
            return await self._break_off()
        if self._reason is None:  # a recording of a stream that broke off
            return await self._truncate()
        await self._line.write(self._tail(writer, ask), more=False)
        return "complete"

    async def _whole(self, ask: Ask) -> str:
        async with aclosing(self._app.upstream.answer(ask)) as pieces:
            async for piece in pieces:
                if piece.finish_reason:
                    self._note_end(piece)
                    break
                self._due += next(self._waits) if piece.wait is None else piece.wait
                self._text.append(piece.text)
        if self._midst and self._entry.fault in _BREAKS:
            del self._text[self._midst :]
        self._entry.completion_tokens = len(self._text)
        await self._line.until(self._due)
        return await self._send_whole("".join(self._text))

    async def _send_whole(self, text: str) -> str:
        fault = self._entry.fault
        reason = None if fault == Fault.TRUNCATED else self._reason
        body = self._writer().whole(text, reason, *self._account())
        half = body[: len(body) // 2]
        if fault in (Fault.CUT, Fault.STALL):
            await self._start(200, _JSON, [(b"content-length", b"%d" % len(body))])
            await self._line.write(half)
            return await self._break_off()
        bodies = {Fault.MALFORMED: half, Fault.ERROR: wire.pack(wire.error(500))}
        await self._send(200, bodies.get(fault, body) if fault else body, _JSON)
        if reason is None:
            self._app.journal.truncate(self._entry, text)
        return fault.value if fault in (Fault.ERROR, Fault.TRUNCATED) else "complete"

    async def _break_off(self) -> str:
        match self._entry.fault:
            case Fault.STALL:
                await self._line.until(asyncio.get_running_loop().time() + STALL)
                await self._line.reset()
                return Fault.STALL.value
            case Fault.ERROR:
                await self._line.write(b"data: " + wire.pack(wire.error(500)) + b"\n\n", more=False)
                return Fault.ERROR.value
            case Fault.TRUNCATED:
                return await self._truncate()
        await self._line.reset()
        return Fault.CUT.value

    async def _truncate(self) -> str:
        await self._line.write(b"", more=False)
        self._app.journal.truncate(self._entry, "".join(self._text))
        return Fault.TRUNCATED.value

    async def _pass_on(self, refused: UpstreamRefused) -> str:
        if not self._begun:
            return await self.error(refused.status, refused.body)
        await self._line.write(b"data: " + wire.pack(refused.body) + b"\n\n", more=False)
        return "complete"

    async def _send_piece(self, writer: wire.Writer, piece: Piece) -> None:
        await self._begin_stream()
        number = self._count(piece)
        data = writer.first(piece.text) if number == 1 else writer.text(piece.text)
        if self._entry.fault == Fault.MALFORMED and number == self._midst:
            data = data[: len(data) // 2] + b"\n\n"
        self._entry.sent.append(self._app.now())
        await self._line.write(data)

    def _count(self, piece: Piece) -> int:
        self._text.append(piece.text)
        self._entry.completion_tokens += 1
        return self._entry.completion_tokens

    def _plan(self, piece: Piece) -> float:
        """Gives the moment at which a piece is due, on the loop's clock."""
        self._due += next(self._waits) if piece.wait is None else piece.wait
        self._entry.planned.append(self._app.now(self._due))
        return self._due

    def _note_end(self, piece: Piece) -> None:
        self._reason = piece.finish_reason
        self._entry.prompt_tokens = piece.prompt_tokens or self._entry.prompt_tokens

    def _tail(self, writer: wire.Writer, ask: Ask) -> bytes:
        counts, cost = self._account()
        wants_usage = (ask.body.get("stream_options") or {}).get("include_usage")
        return writer.finish(self._reason or "stop") + (writer.usage(counts, cost) if wants_usage else b"") + wire.DONE

    def _account(self) -> tuple[dict[str, int], float]:
        entry = self._entry
        entry.cost = self._app.profile.price(entry.prompt_tokens, entry.completion_tokens)
        return wire.usage(entry.prompt_tokens, entry.completion_tokens), entry.cost

    def _writer(self) -> wire.Writer:
        ident = f"chatcmpl-sim-{self._app.seed}-{self._entry.number}"
        return wire.Writer(ident, self._app.upstream.model, int(time.time()))

    async def _begin_stream(self) -> None:
        if not self._begun:
            await self._start(200, b"text/event-stream; charset=utf-8", [(b"cache-control", b"no-cache")])

    async def _send(self, status: int, body: bytes, kind: bytes, headers: Headers | None = None) -> None:
        await self._start(status, kind, [*(headers or []), (b"content-length", b"%d" % len(body))])
        await self._line.write(body, more=False)

    async def _start(self, status: int, kind: bytes, headers: Headers) -> None:
        self._begun = True
        self._entry.status = status
        now = asyncio.get_running_loop().time()
        usual = [
            (b"content-type", kind),
            (b"x-labkit-source", wire.SOURCE),
            (b"x-request-id", b"req_sim_%d" % self._entry.number),
            (b"openai-processing-ms", b"%d" % ((self._app.now() - self._entry.arrived) * 1000)),
        ]
        await self._line.start(status, usual + self._app.limits.headers(now) + headers)
