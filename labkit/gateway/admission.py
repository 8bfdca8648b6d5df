"""Who may come in now: rates and numbers of requests, for each key and for all together.

It knows nothing of HTTP and of keys but their names.
"""

from __future__ import annotations

from collections import Counter

from labkit.gateway.ask import Refused
from labkit.gateway.rules import Rules
from labkit.limits import Headers, Limits

_SOON = 1.0  # seconds to wait for a place; requests end at times that nobody knows


class Admission:
    """Lets requests in, and counts them out.

    Args:
        rules: what is allowed.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._limits: dict[str, Limits] = {}
        self._inside: Counter[str] = Counter()
        self.total = 0

    def enter(self, name: str) -> None:
        """Takes a place; `leave()` gives it back.

        Args:
            name: whose request it is.

        Raises:
            Refused: all places are taken.
        """
        if self._inside[name] >= (most := self._rules.concurrent_per_key):
            message = f"{most} of your requests are running, which is the limit. Wait until one of them has ended."
            raise Refused(429, message, "too many at once", code="concurrency_limit_exceeded", wait=_SOON)
        if self.total >= self._rules.concurrent:
            raise Refused(503, "All places are taken. Come again in a second.", "full", code="overloaded", wait=_SOON)
        self._inside[name] += 1
        self.total += 1

    def leave(self, name: str) -> None:
        """Gives a place back."""
        self.total -= 1
        self._inside[name] -= 1
        if not self._inside[name]:  # so that memory stays flat however many names have come by
            del self._inside[name]

    def charge(self, name: str, tokens: int, now: float) -> None:
        """Takes a request off the rates.

        Args:
            name: whose request it is.
            tokens: what it may use at most.
            now: seconds of the loop's clock.

        Raises:
            Refused: the rate is used up; it says how long to wait.
        """
        limits = self._limits_of(name)
        if refusal := limits.admit(tokens, "your key", now):
            code = "rate_limit_exceeded"
            raise Refused(429, refusal.message, f"rate of {refusal.kind}", code=code, wait=refusal.wait)

    def headers(self, name: str, now: float) -> Headers:
        """Gives the x-ratelimit headers."""
        return self._limits_of(name).headers(now)

    def _limits_of(self, name: str) -> Limits:
        if name not in self._limits:
            self._limits[name] = Limits(self._rules.requests_per_minute, self._rules.tokens_per_minute)
        return self._limits[name]
