"""A circuit breaker: leaves a backend alone that keeps failing, and lets one call through to see if it is back.

purgatory, aiobreaker, pybreaker and circuitbreaker were looked at. They read the clock of the machine themselves,
which a simulation cannot stand in for; after the pause they let every waiting call through at once; and they cannot
be asked how long the pause still is without sending a call. So this small one takes the time as an argument. It
knows nothing of backends and errors.
"""

from __future__ import annotations

import threading
from typing import Literal

# Envoy's outlier detection has the same defaults: 5 failures in a row, 30 seconds times the number of ejections,
# 300 seconds at most.
FAILURES = 5
PAUSE = 30.0  # seconds
LONGEST_PAUSE = 300.0  # seconds
LAST_RESORT_EVERY = 1.0  # seconds; how often an open circuit is tried when nobody else is left
_LOOK_AGAIN = 0.1  # seconds; a probe is on its way, and its end is not known


class CircuitBreaker:
    """Counts failures in a row, and decides whether a call may be made.

    Closed: calls pass. Open, after five failures in a row: no call passes for a pause, which grows with each opening.
    Half-open, after the pause: one call passes; its success closes the circuit, its failure opens it again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probe_until = float("-inf")
        self._last_call = float("-inf")

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """Gives the state.

        Args:
            now: the time, in seconds.
        """
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half-open"

    def wait(self, now: float, is_last_resort: bool = False) -> float:
        """Gives the seconds until a call may be made; 0 if it may be made now.

        Args:
            now: the time, in seconds.
            is_last_resort: whether nobody else is left, so that even an open circuit is tried, once a second.
        """
        if self._open_until is None:
            return 0.0
        if now < self._probe_until:
            return _LOOK_AGAIN
        pause = self._open_until - now
        if is_last_resort:
            pause = min(pause, self._last_call + LAST_RESORT_EVERY - now)
        return max(0.0, pause)

    def enter(self, now: float, limit: float, is_last_resort: bool = False) -> bool:
        """Asks to make a call, and says whether it may be made. Each call that may ends with one of the next three.

        Args:
            now: the time, in seconds.
            limit: how many seconds the call can take at most; a probe that never ends blocks no longer than that.
            is_last_resort: whether nobody else is left.
        """
        if self._open_until is None:
            return True
        with self._lock:
            if self.wait(now, is_last_resort) > 0:
                return False
            self._probe_until = now + limit
            self._last_call = now
            return True

    def succeed(self) -> None:
        """Notes that a call succeeded."""
        self._failures = self._openings = 0
        self._open_until = None
        self._probe_until = float("-inf")

    def fail(self, now: float) -> None:
        """Notes that a call failed.

        Args:
            now: the time, in seconds.
        """
        with self._lock:
            self._failures += 1
            was_probe = self.state(now) == "half-open" or now < self._probe_until
            self._probe_until = float("-inf")
            if (self._open_until is None and self._failures >= FAILURES) or was_probe:
                self._openings += 1
                self._open_until = now + min(PAUSE * self._openings, LONGEST_PAUSE)
                self._last_call = now

    def leave(self) -> None:
        """Notes that a call ended without showing anything about the backend."""
        self._probe_until = float("-inf")
