"""Delivery: puts one answer on the line, in time and with its fault.

It knows nothing of how the fault was chosen.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from labkit.limits import Headers, retry_headers
from labkit.simulator import wire
from labkit.simulator.ask import Ask, Refused
from labkit.simulator.fault import Fault
from labkit.simulator.journal import Request
from labkit.simulator.line import Line
from labkit.simulator.upstream import Piece

if TYPE_CHECKING:
    from labkit.simulator.app import App

STALL = 120.0  # seconds until a stalled connection is reset
_RETRY_AFTER = 1.0  # seconds, for a 429 or a 503 that is a fault
_MIDST = (2, 8)  # a fault in the middle comes after so many tokens, at least and at most
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
        self._loop = asyncio.get_running_loop()
        self._zero = app.epoch or 0.0  # what the journal counts from, on the loop's clock
        self._due = self._zero + entry.arrived
        self._begun = False
        self._midst = 0
        self._reason: str | None = None
        self._text: list[str] = []

    async def refuse(self) -> None:
        """Closes the connection before an answer."""
        await self._reset(Fault.REFUSE)

    async def fail(self, status: int) -> None:
        """Sends the error of a fault."""
        await self.error(status, wire.error(status), _RETRY_AFTER if status in (429, 503) else None)

    async def error(self, status: int, body: dict[str, Any], wait: float | None = None) -> None:
        """Sends an error.

        Args:
            status: the HTTP status.
            body: the error object.
            wait: seconds that the client is asked to wait before it comes again.
        """
        self._entry.retry_after = wait
        await self._send(status, wire.pack(body), _JSON, retry_headers(wait) if wait is not None else [])

    async def answer(self, ask: Ask) -> None:
        """Sends the answer, or as much of it as the fault lets through."""
        entry, app = self._entry, self._app
        refusal = app.limits.admit(entry.prompt_tokens + (ask.max_tokens or 0), app.upstream.model, self._due)
        if refusal:
            await self.error(429, wire.error(429, refusal.message, type=refusal.kind), refusal.wait)
        elif entry.fault == Fault.CONTENT_TYPE:
            await self._send(200, wire.HTML, b"text/html; charset=utf-8")
        else:
            self._draw()
            await self._deliver(ask)

    def _draw(self) -> None:
        fault, number = self._entry.fault, self._entry.number
        self._waits = self._app.profile.waits(self._app.random(number, "latency"), self._app.journal.in_flight - 1)
        if fault == Fault.SLOW:
            self._waits = chain([max(next(self._waits) * _SLOWER, _SLOW)], self._waits)
        if fault in _IN_MIDST:
            self._midst = self._app.random(number, "midst").randint(*_MIDST)

    async def _deliver(self, ask: Ask) -> None:
        try:
            await (self._stream(ask) if self._entry.stream else self._whole(ask))
        except Refused as refused:
            if self._begun:
                await self._end(b"data: " + wire.pack(refused.body) + b"\n\n", Fault.ERROR)
            else:
                await self.error(refused.status, refused.body)

    async def _stream(self, ask: Ask) -> None:
        fault, writer = self._entry.fault, self._writer()
        async with aclosing(self._app.upstream.answer(ask)) as pieces:
            async for piece in pieces:
                if piece.finish_reason:
                    self._note_end(piece)
                    break
                await self._line.until(self._plan(piece))
                await self._send_piece(writer, piece)
                if self._entry.completion_tokens == self._midst and fault in _BREAKS:
                    break
        await self._begin_stream()
        if fault in _BREAKS:
            await self._break_off(fault)
        elif self._reason is None:  # a recording of a stream that broke off
            await self._break_off(Fault.TRUNCATED)
        else:
            await self._end(self._tail(writer, ask))

    async def _whole(self, ask: Ask) -> None:
        async with aclosing(self._app.upstream.answer(ask)) as answer:
            pieces = [piece async for piece in answer]
        if pieces and pieces[-1].finish_reason:
            self._note_end(pieces.pop())
        recorded = [piece.wait for piece in pieces if piece.wait is not None]
        self._due += sum(recorded) + sum(islice(self._waits, len(pieces) - len(recorded)))
        self._text = [piece.text for piece in pieces]
        if self._entry.fault in _BREAKS:
            del self._text[self._midst :]
        self._entry.completion_tokens = len(self._text)
        if self._due > self._loop.time():
            await self._line.until(self._due)
        await self._send_whole("".join(self._text))

    async def _send_whole(self, text: str) -> None:
        fault = self._entry.fault
        reason = None if fault == Fault.TRUNCATED else self._reason
        body = self._writer().whole(text, reason, *self._account())
        half = body[: len(body) // 2]
        if fault in (Fault.CUT, Fault.STALL):
            await self._start(200, _JSON, [(b"content-length", b"%d" % len(body))])
            await self._line.write(half)
            await self._break_off(fault)
        elif fault == Fault.MALFORMED:
            await self._send(200, half, _JSON)
        elif fault == Fault.ERROR:
            await self._send(200, wire.pack(wire.error(500)), _JSON, ending=fault)
        elif reason is None:
            self._app.journal.truncate(self._entry, text)
            await self._send(200, body, _JSON, ending=Fault.TRUNCATED)
        else:
            await self._send(200, body, _JSON)

    async def _break_off(self, fault: Fault | None) -> None:
        match fault:
            case Fault.ERROR:
                await self._end(b"data: " + wire.pack(wire.error(500)) + b"\n\n", fault)
            case Fault.TRUNCATED:
                self._app.journal.truncate(self._entry, "".join(self._text))
                await self._end(b"", fault)
            case Fault.STALL:
                await self._line.until(self._loop.time() + STALL)
                await self._reset(fault)
            case _:
                await self._reset(Fault.CUT)

    async def _reset(self, fault: Fault) -> None:
        self._app.close(self._entry, fault.value)
        await self._line.reset()

    async def _end(self, data: bytes, ending: str = "complete") -> None:
        self._line.check()
        # First the entry, then the bytes: who has read the end of an answer finds it in the journal.
        self._app.close(self._entry, str(ending))
        await self._line.write(data, more=False)

    async def _send_piece(self, writer: wire.Writer, piece: Piece) -> None:
        if not self._begun:
            await self._begin_stream()
        number = self._count(piece)
        data = writer.first(piece.text) if number == 1 else writer.text(piece.text)
        if self._entry.fault == Fault.MALFORMED and number == self._midst:
            data = wire.halve(data)
        self._entry.sent.append(self._loop.time() - self._zero)
        await self._line.write(data)

    def _count(self, piece: Piece) -> int:
        self._text.append(piece.text)
        self._entry.completion_tokens += 1
        return self._entry.completion_tokens

    def _plan(self, piece: Piece) -> float:
        """Gives the moment at which a piece is due, on the loop's clock."""
        self._due += next(self._waits) if piece.wait is None else piece.wait
        self._entry.planned.append(self._due - self._zero)
        return self._due

    def _note_end(self, piece: Piece) -> None:
        self._reason = piece.finish_reason
        self._entry.prompt_tokens = piece.prompt_tokens or self._entry.prompt_tokens

    def _tail(self, writer: wire.Writer, ask: Ask) -> bytes:
        counts, cost = self._account()
        finish = writer.finish(self._reason or "stop")
        if self._entry.completion_tokens < self._midst:  # the answer was too short to be malformed before
            finish = wire.halve(finish)
        return finish + (writer.usage(counts, cost) if ask.include_usage else b"") + wire.DONE

    def _account(self) -> tuple[dict[str, int], float]:
        prompt, completion = self._entry.prompt_tokens, self._entry.completion_tokens
        return wire.usage(prompt, completion), self._app.profile.price(prompt, completion)

    def _writer(self) -> wire.Writer:
        ident = f"chatcmpl-sim-{self._app.seed}-{self._entry.number}"
        return wire.Writer(ident, self._app.upstream.model, int(time.time()))

    async def _begin_stream(self) -> None:
        if not self._begun:
            await self._start(200, b"text/event-stream; charset=utf-8", [(b"cache-control", b"no-cache")])

    async def _send(
        self, status: int, body: bytes, kind: bytes, headers: Headers | None = None, ending: str = "complete"
    ) -> None:
        await self._start(status, kind, [*(headers or []), (b"content-length", b"%d" % len(body))])
        await self._end(body, ending)

    async def _start(self, status: int, kind: bytes, headers: Headers) -> None:
        self._begun = True
        self._entry.status = status
        now = self._loop.time()
        usual = [
            (b"content-type", kind),
            (b"x-labkit-source", wire.SOURCE),
            (b"x-request-id", b"req_sim_%d" % self._entry.number),
            (b"openai-processing-ms", b"%d" % ((self._app.now() - self._entry.arrived) * 1000)),
        ]
        await self._line.start(status, usual + self._app.limits.headers(now) + headers)
