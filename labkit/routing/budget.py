"""A retry budget: retries stay a small share of the traffic, so that they cannot make an outage worse.

It knows nothing of backends and errors.
"""

from __future__ import annotations

_FULL = 10.0  # retries that may come at once after a quiet time
_SHARE = 0.2  # of a retry that each first call pays in


class RetryBudget:
    """Decides whether a failed call may be made again.

    Each first call pays in a fifth of a retry, so that retries are at most 20% of the traffic: the budget of Finagle
    and Linkerd, without their minimum for each second.
    """

    def __init__(self) -> None:
        self._retries = _FULL

    @property
    def allows(self) -> bool:
        """Whether a failed call may be made again."""
        return self._retries >= 1

    def pay_in(self) -> None:
        """Notes a first call."""
        self._retries = min(_FULL, self._retries + _SHARE)

    def take(self) -> None:
        """Notes a retry."""
        self._retries = max(0.0, self._retries - 1)
