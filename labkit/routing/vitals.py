"""What a router remembers of one backend between requests.

It takes the time as an argument, and it knows nothing of rules.
"""

from __future__ import annotations

import math

from labkit.routing.breaker import CircuitBreaker
from labkit.routing.budget import RetryBudget
from labkit.routing.state import Condition

_RECENT = 0.3  # the share of the newest measurement in the average


class Vitals:
    """The memory of one backend: circuit breaker, retry budget, the pause it asked for, its speed, its health.

    Attributes:
        breaker: counts failures in a row.
        budget: limits retries.
        health: the last health check: `pass`, `warn`, `fail`, or `unknown`.
        first_token_ms: the time to its first token, a moving average in milliseconds.
    """

    def __init__(self) -> None:
        self.breaker = CircuitBreaker()
        self.budget = RetryBudget()
        self.health = "unknown"
        self.first_token_ms: float | None = None
        self._health_output = ""
        self._health_until = math.inf
        self._paused_until = float("-inf")

    def pause(self, now: float) -> float:
        """Gives the seconds until the end of the pause that the backend asked for.

        Args:
            now: the time, in seconds.
        """
        return max(0.0, self._paused_until - now)

    def ask_for_pause(self, now: float, seconds: float) -> None:
        """Notes that the backend wants to be left alone (Retry-After).

        Args:
            now: the time, in seconds.
            seconds: how long.
        """
        self._paused_until = max(self._paused_until, now + seconds)

    def report_health(self, health: str, output: str = "", until: float = math.inf) -> None:
        """Takes the result of a health check.

        Args:
            health: `pass`, `warn`, `fail`, or `unknown`.
            output: what was found, in words.
            until: when it becomes stale, and with it unknown, in seconds of the router's clock.
        """
        self.health, self._health_output, self._health_until = health, output, until

    def measured(self, first_token_ms: float) -> None:
        """Takes a new measurement into the average.

        Args:
            first_token_ms: the time to the first token, in milliseconds.
        """
        old = self.first_token_ms
        self.first_token_ms = first_token_ms if old is None else old + _RECENT * (first_token_ms - old)

    def condition(self, now: float) -> Condition:
        """Gives what rules may know.

        Args:
            now: the time, in seconds.
        """
        health = self.health if now < self._health_until else "unknown"
        if (pause := self._paused_until - now) > 0:
            return Condition(pause, "it asked for a pause (Retry-After)", health, self.first_token_ms)
        if (wait := self.breaker.wait(now)) > 0:
            return Condition(wait, "its circuit breaker is open", health, self.first_token_ms)
        return Condition(0.0, self._health_output, health, self.first_token_ms)
