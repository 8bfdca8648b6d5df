"""A retry budget: retries stay a small share of the traffic, so that they cannot make an outage worse.

It knows nothing of backends and errors.
"""

from __future__ import annotations

_FULL = 10.0  # tokens
_GAIN = 0.1  # tokens for each success, so that about one call in ten may be a retry


class RetryBudget:
    """Decides whether a failed call may be made again.

    A failure takes a token, a success returns a tenth of one, and only while more than half of the tokens are left
    may calls be repeated. Source: gRPC's retry throttling (gRFC A6) with its usual values.
    """

    def __init__(self) -> None:
        self._tokens = _FULL

    @property
    def allows(self) -> bool:
        """Whether a failed call may be made again."""
        return self._tokens > _FULL / 2

    def succeed(self) -> None:
        """Notes that a call succeeded."""
        self._tokens = min(_FULL, self._tokens + _GAIN)

    def fail(self) -> None:
        """Notes that a call failed."""
        self._tokens = max(0.0, self._tokens - 1)
