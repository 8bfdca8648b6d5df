"""One request on its way: the calls to the backends that its plan asks for.

A session belongs to one request. It knows how to call a backend, and nothing of who is called when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.client import Lab
from labkit.errors import EndpointUnreachable, LabkitError, TimedOut
from labkit.routing.drive import AsyncStart, Start, adrive, aonce, drive, once
from labkit.routing.hedge import arace, race
from labkit.routing.plan import Plan
from labkit.routing.reply import Reply
from labkit.routing.step import Call
from labkit.routing.trace import Trace
from labkit.streaming import Answer, AsyncStream, Stream, acomplete, astream, complete, stream

if TYPE_CHECKING:
    from labkit.simulator import Clock

_STALL = 20.0  # seconds between two tokens


@dataclass(slots=True)
class Opened:
    """A stream that has brought its first piece.

    Attributes:
        stream: the stream.
        pieces: the rest of it.
        first: its first piece; None if the answer has no text, such as a tool call.
    """

    stream: Stream
    pieces: Iterator[str]
    first: str | None


@dataclass(slots=True)
class AsyncOpened:
    """The same as `Opened`, for `await`."""

    stream: AsyncStream
    pieces: AsyncIterator[str]
    first: str | None


class Session:
    """One request on its way.

    Args:
        plan: whom to call when.
        messages: the conversation.
        options: for the model.
        clock: for the time and for waiting.
        hedge_after: seconds without a first token after which a second backend is asked as well; None for never.
        report: takes the trace when all is over.
    """

    def __init__(
        self,
        plan: Plan,
        messages: Any,
        options: dict[str, Any],
        *,
        clock: Clock,
        hedge_after: float | None,
        report: Callable[[Trace], None],
    ) -> None:
        self.plan, self.clock = plan, clock
        self._messages, self._options, self._hedge_after = messages, options, hedge_after
        self._report = report
        self._streams: list[Stream | AsyncStream] = []
        self._is_closed = False

    def complete(self) -> Reply:
        """Gets the whole answer."""
        plan, start = self.plan, once(self.plan, self.clock, self._whole)
        try:
            call, answer = drive(plan, self.clock, start if self._hedge_after is None else self._collected)
            return self.succeed(call, answer)
        except LabkitError as error:
            error.trace = plan.trace
            raise
        finally:
            self.report()

    async def acomplete(self) -> Reply:
        """Gets the whole answer, for `await`."""
        plan, start = self.plan, aonce(self.plan, self.clock, self._awhole)
        try:
            call, answer = await adrive(plan, self.clock, start if self._hedge_after is None else self._acollected)
            return self.succeed(call, answer)
        except LabkitError as error:
            error.trace = plan.trace
            raise
        finally:
            self.report()

    def open(self) -> tuple[Call, Opened]:
        """Opens a stream, and waits for its first piece."""
        return drive(self.plan, self.clock, self._opener())

    async def aopen(self) -> tuple[Call, AsyncOpened]:
        """Opens a stream, and waits for its first piece, for `await`."""
        return await adrive(self.plan, self.clock, self._aopener())

    def succeed(self, call: Call, answer: Answer) -> Reply:
        """Notes that a call gave the whole answer.

        Args:
            call: which one.
            answer: what it gave.
        """
        self.plan.succeed(call, answer, self.clock.now())
        return Reply(call.backend, self.plan.trace, answer)

    def close(self) -> None:
        """Breaks off what is on its way, from any thread."""
        self._is_closed = True
        for opening in self._streams:
            if isinstance(opening, Stream):
                opening.close()

    async def aclose(self) -> None:
        """Breaks off what is on its way, from another task."""
        self._is_closed = True
        for opening in self._streams:
            if isinstance(opening, AsyncStream):
                await opening.close()

    def report(self) -> None:
        """Hands the trace to whoever observes the router."""
        self._report(self.plan.trace)

    def _opener(self) -> Start[Opened]:
        if self._hedge_after is None:
            return once(self.plan, self.clock, lambda call: self._first(call, self._stream(call)))
        return race(self.plan, self.clock, self._hedge_after, self._stream, self._first)

    def _aopener(self) -> AsyncStart[AsyncOpened]:
        if self._hedge_after is None:
            return aonce(self.plan, self.clock, lambda call: self._afirst(call, self._astream(call)))
        return arace(self.plan, self.clock, self._hedge_after, self._astream, self._afirst)

    def _collected(self, call: Call) -> tuple[Call, Answer] | None:
        won = self._opener()(call)
        if won is None:
            return None
        winner, opened = won

        def rest(_: Call) -> Answer:
            for _piece in opened.pieces:
                pass
            return opened.stream

        return once(self.plan, self.clock, rest)(winner)

    async def _acollected(self, call: Call) -> tuple[Call, Answer] | None:
        won = await self._aopener()(call)
        if won is None:
            return None
        winner, opened = won

        async def rest(_: Call) -> Answer:
            async for _piece in opened.pieces:
                pass
            return opened.stream

        return await aonce(self.plan, self.clock, rest)(winner)

    def _whole(self, call: Call) -> Answer:
        limit = call.timeout
        return complete(_lab(call), self._messages, timeout=limit, clock=self.clock.now, **self._options)

    async def _awhole(self, call: Call) -> Answer:
        limit = call.timeout
        try:
            async with asyncio.timeout(limit):  # the client's own limit starts again with each part of the answer
                return await acomplete(_lab(call), self._messages, timeout=limit, clock=self.clock.now, **self._options)
        except TimeoutError as error:
            raise TimedOut(limit) from error

    def _stream(self, call: Call) -> Stream:
        opening = stream(_lab(call), self._messages, **self._limits(call), **self._options)
        self._streams.append(opening)
        return opening

    def _astream(self, call: Call) -> AsyncStream:
        opening = astream(_lab(call), self._messages, **self._limits(call), **self._options)
        self._streams.append(opening)
        return opening

    def _first(self, call: Call, opening: Stream) -> Opened:
        if self._is_closed:
            opening.close()
        pieces = iter(opening)
        first = next(pieces, None)
        self.plan.note_first_token(call, self.clock.now())
        return Opened(opening, pieces, first)

    async def _afirst(self, call: Call, opening: AsyncStream) -> AsyncOpened:
        if self._is_closed:
            await opening.close()
        pieces = aiter(opening)
        first = await anext(pieces, None)
        self.plan.note_first_token(call, self.clock.now())
        return AsyncOpened(opening, pieces, first)

    def _limits(self, call: Call) -> dict[str, Any]:
        stall = min(_STALL, call.timeout)
        return {"first_token_timeout": call.timeout, "stall_timeout": stall, "clock": self.clock.now}


def _lab(call: Call) -> Lab:
    if call.backend.lab is None:
        raise EndpointUnreachable(f"The backend {call.backend.name!r} leads nowhere. Make it with Backend.of(lab).")
    return call.backend.lab
