"""Routed streams: pieces of text from whichever backend gives the first one.

Until the first piece, a failed backend is replaced by the next. After it the answer belongs to one backend: a failure
is an error that carries the text so far, because half an answer from each of two models is worse than none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

from labkit.errors import DeadlineExceeded, LabkitError
from labkit.routing.decision import Decision
from labkit.routing.reply import Reply
from labkit.routing.session import Session
from labkit.routing.step import Call
from labkit.routing.trace import Trace
from labkit.streaming import Answer


class _Routed:
    """What both streams share: everything but the reading.

    Attributes:
        reply: the answer with its source, its cost and all attempts; None until the first piece is there.
    """

    def __init__(self, session: Session) -> None:
        self.reply: Reply | None = None
        self._session = session
        self._is_used = False

    @property
    def text(self) -> str:
        """The text so far."""
        return "" if self.reply is None else self.reply.text

    @property
    def trace(self) -> Trace:
        """Every attempt so far."""
        return self._session.plan.trace

    @property
    def decision(self) -> Decision:
        """What was decided before anything was sent."""
        return self.trace.decision

    def _commit(self, call: Call, answer: Answer) -> None:
        self.reply = Reply(call.backend, self.trace, answer)

    def _check_deadline(self) -> None:
        plan = self._session.plan
        if plan.remaining(self._session.clock.now()) <= 0:
            raise DeadlineExceeded(plan.deadline, self.text)

    def _broke(self, call: Call | None, error: LabkitError) -> None:
        if call is not None and self.reply is not None:
            self._session.plan.fail(call, error, self._session.clock.now())
        error.trace = self.trace

    def _ended(self, call: Call | None) -> None:
        """Notes how reading ended, if no error did: with the whole answer, or because the reader left."""
        if call is None or self.reply is None or call.attempt.status:
            return
        if self.reply.finish_reason is not None:
            self._session.succeed(call, self.reply.answer)
        else:
            self._session.plan.abandon(call, "left by the reader", self._session.clock.now(), self.reply.answer)


class RoutedStream(_Routed):
    """An answer that arrives piece by piece from the backend that a router finds. Iterate over it once.

    Nothing is sent before reading begins. Leaving the loop in whatever way closes the connection, which stops the
    model; so does `close()`, from any thread.

    Raises, while it is read:
        StreamInterrupted: the answer broke off after its first piece; the error carries the text so far.
        NoBackend: no backend is left, and no piece was given out.
        DeadlineExceeded: the time for the whole chain is used up; the error carries the text so far.
        RequestError: a backend refused the request in a way that no other backend may overrule.
    """

    def __iter__(self) -> Generator[str]:
        if self._is_used:
            return
        self._is_used, call = True, None
        try:
            call, opened = self._session.open()
            self._commit(call, opened.stream)
            if opened.first is not None:
                yield opened.first
            for piece in opened.pieces:
                self._check_deadline()
                yield piece
        except LabkitError as error:
            self._broke(call, error)
            raise
        finally:
            self.close()
            self._ended(call)
            self._session.report()

    def __enter__(self) -> RoutedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, which stops the model. What has arrived stays readable."""
        self._is_used = True
        self._session.close()


class AsyncRoutedStream(_Routed):
    """The same as `RoutedStream`, for `async for` and `async with`."""

    async def __aiter__(self) -> AsyncGenerator[str]:
        if self._is_used:
            return
        self._is_used, call = True, None
        try:
            call, opened = await self._session.aopen()
            self._commit(call, opened.stream)
            if opened.first is not None:
                yield opened.first
            async for piece in opened.pieces:
                self._check_deadline()
                yield piece
        except LabkitError as error:
            self._broke(call, error)
            raise
        finally:
            await self.close()
            self._ended(call)
            self._session.report()

    async def __aenter__(self) -> AsyncRoutedStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection, which stops the model. What has arrived stays readable."""
        self._is_used = True
        await self._session.aclose()
