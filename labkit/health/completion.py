"""The probe that costs something: one token of an answer, and the time until it came.

One request serves both rungs. Its result is kept for a while, spread by chance so that many monitors do not ask
together, and there are never more requests in an hour than allowed. It knows nothing of the other rungs.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from labkit.errors import LabkitError, RateLimited, RequestError, RequestRefused, StreamInterrupted
from labkit.health.result import Finding
from labkit.health.target import Target

if TYPE_CHECKING:
    from labkit.simulator import Clock
    from labkit.streaming import Stream

_PROMPT = "Hi"
_HOUR = 3_600.0  # seconds
_AGAIN = 2.0  # seconds until a failed request is repeated; doubled with each further failure
_JITTER = (0.8, 1.2)  # the waits are multiplied by a number from this range
_STALE = 2.0  # a kept result is `unknown` after so many times the usual wait
_ENDINGS = {
    "cut": "the connection was lost in the middle of the answer",
    "error": "the server sent an error in the middle of the answer",
    "malformed": "the server sent something that is no chat",
    "truncated": "the answer ended without a finish reason",
}


class Seen(NamedTuple):
    """What one request showed.

    Attributes:
        completion: whether an answer came to its end.
        first_token: whether its first token came soon enough.
        at: when it was asked for, in seconds of the clock.
        time: the same by the calendar.
    """

    completion: Finding
    first_token: Finding
    at: float
    time: datetime


class Completion:
    """Asks for one token, seldom.

    Args:
        slow_ms: a first token that comes later is a warning, in milliseconds.
        first_token_timeout: seconds that the first token may take.
        timeout: seconds that the rest of the answer may take.
        every: seconds between two requests.
        per_hour: requests in an hour, at most.
        clock: for the time.
        random: where the jitter comes from.
    """

    def __init__(
        self,
        *,
        slow_ms: float,
        first_token_timeout: float,
        timeout: float,
        every: float,
        per_hour: int,
        clock: Clock,
        random: Random,
    ) -> None:
        self._slow_ms, self._first_token_timeout, self._timeout = slow_ms, first_token_timeout, timeout
        self._every, self._per_hour = every, per_hour
        self._clock, self._random = clock, random
        self._seen: Seen | None = None
        self._failures = 0
        self._next = self._not_before = -math.inf
        self._asked: deque[float] = deque()
        self._limit = "max_tokens"
        self._stream: Stream | None = None

    def look(self, target: Target) -> Seen:
        """Gives the kept result, or asks anew when it is old.

        Args:
            target: whom to ask.
        """
        now = self._clock.now()
        if self._seen is not None and now < self._next:
            return self._seen
        if now < self._not_before:
            return self._unknown(now, f"the server wants to be left alone for {self._not_before - now:.0f} s")
        if not self._may_ask(now):
            kept = self._seen
            if kept is not None and now - kept.at < _STALE * self._every:
                return kept
            return self._unknown(now, f"all {self._per_hour} requests of this hour are used up")
        self._seen = seen = Seen(*self._ask(target), now, datetime.now(UTC))
        self._plan(seen.completion.status == "fail")
        return seen

    def forget(self) -> None:
        """Throws the kept result away, because the server has changed. A pause that it asked for stays."""
        self._seen, self._next, self._failures = None, -math.inf, 0

    def interrupt(self) -> None:
        """Breaks a request off, from another thread."""
        if (asking := self._stream) is not None:
            asking.close()

    def _may_ask(self, now: float) -> bool:
        while self._asked and self._asked[0] <= now - _HOUR:
            self._asked.popleft()
        return len(self._asked) < self._per_hour

    def _plan(self, has_failed: bool) -> None:
        self._failures = self._failures + 1 if has_failed else 0
        wait = min(self._every, _AGAIN * 2.0 ** (self._failures - 1)) if has_failed else self._every
        self._next = max(self._clock.now() + wait * self._random.uniform(*_JITTER), self._not_before)

    def _ask(self, target: Target) -> tuple[Finding, Finding]:
        from labkit.streaming import stream

        self._asked.append(self._clock.now())
        answer = stream(
            target.lab,
            _PROMPT,
            clock=self._clock.now,
            first_token_timeout=self._first_token_timeout,
            stall_timeout=self._timeout,
            # Every check is a call of its own, and no retry of the one before, which looks the same.
            extra_headers={"Idempotency-Key": uuid4().hex},
            **{self._limit: 1},  # and no temperature: reasoning models refuse it
        )
        self._stream = answer
        try:
            for _piece in answer:
                pass
        except LabkitError as error:
            if self._limit == "max_tokens" and _wants_other_limit(error) and self._may_ask(self._clock.now()):
                self._limit = "max_completion_tokens"
                return self._ask(target)
            return self._failed(error, answer, target)
        finally:
            self._stream = None
        if answer.finish_reason is None:
            return _both_unknown("the request was broken off by this side")
        return self._answered(answer, target)

    def _answered(self, answer: Stream, target: Target) -> tuple[Finding, Finding]:
        # A reasoning model may spend its token without a word, so the first sign of life counts, whatever it is.
        sign = answer.events[0].at if answer.events else answer.stats.total
        done = Finding("pass", "one token was asked for, and the answer ended well", ms=answer.stats.total * 1000)
        return done, self._judge(sign * 1000, target)

    def _judge(self, ms: float, target: Target) -> Finding:
        if round(ms) <= self._slow_ms:
            return Finding("pass", f"the first token came after {ms:,.0f} ms", ms=ms)
        here = "Close other programs, or choose a smaller model: MODEL=course-small."
        fix = here if target.is_foundry else "Let the router prefer another backend; look at the network."
        found = f"the first token came after {ms:,.0f} ms, and {self._slow_ms:,.0f} are allowed"
        return Finding("warn", found, fix, ms)

    def _failed(self, error: LabkitError, answer: Stream, target: Target) -> tuple[Finding, Finding]:
        if isinstance(error, RequestError) and error.retry_after is not None:
            self._not_before = self._clock.now() + error.retry_after
        if isinstance(error, RateLimited):
            return Finding("warn", str(error)), Finding("skipped", "not measured: the server limits its load")
        if isinstance(error, RequestRefused) and "could not finish" in str(error).lower():
            return self._answered(answer, target)  # OpenAI's word for: it reasoned, and the one token was over
        if isinstance(error, StreamInterrupted):
            if error.reason == "truncated" and answer.usage is not None:
                return self._answered(answer, target)
            why = self._interruption(error, answer)
            return Finding("fail", why, target.nurse), _nobody("no answer came to its end")
        return Finding("fail", str(error)), _nobody("no answer came")

    def _interruption(self, error: StreamInterrupted, answer: Stream) -> str:
        if error.reason == "cut" and not answer.events:
            return "the connection was lost before the answer began"
        if error.reason != "stall":
            return _ENDINGS.get(error.reason, str(error))
        if answer.stats.arrivals:
            return f"the stream stalled: the first token came, and then nothing for {self._timeout:g} s"
        return f"no token came within {self._first_token_timeout:g} s"

    def _unknown(self, now: float, why: str) -> Seen:
        return Seen(*_both_unknown(why), now, datetime.now(UTC))


def _wants_other_limit(error: LabkitError) -> bool:
    return isinstance(error, RequestRefused) and "max_completion_tokens" in str(error)


def _nobody(why: str) -> Finding:
    return Finding("unknown", f"not measured: {why}")


def _both_unknown(why: str) -> tuple[Finding, Finding]:
    return Finding("unknown", why), Finding("unknown", why)
