"""What one rung of the ladder found: a status, a measurement, and words.

It knows nothing of how it was found, and nothing of the other rungs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

Status = Literal["pass", "warn", "fail", "unknown", "skipped"]

# Also the order of badness: what nobody knows is worse than what is slow, and better than what is broken.
SYMBOLS: dict[Status, str] = {"skipped": "-", "pass": "✔", "warn": "▲", "unknown": "?", "fail": "✘"}
_BADNESS = tuple(SYMBOLS)


class Finding(NamedTuple):
    """What a probe says.

    Attributes:
        status: `pass`, `warn`, `fail`, `unknown` (nobody looked), or `skipped` (it does not apply here).
        output: what was found, in words.
        fix: what to type next; empty when nothing is to be done.
        ms: how long it took, in milliseconds, where the probe knows it better than whoever called it.
    """

    status: Status
    output: str
    fix: str = ""
    ms: float | None = None


@dataclass(frozen=True)
class Result:
    """What one rung found.

    Attributes:
        rung: its name: `socket`, `status`, `models`, `loaded`, `completion` or `first_token`.
        status: `pass`, `warn`, `fail`, `unknown` (nobody looked), or `skipped` (it does not apply here).
        output: what was found, in words.
        fix: what to type next; empty when nothing is to be done.
        ms: the measurement, in milliseconds, where there is one.
        at: when it was found, in seconds of the ladder's clock.
        time: when it was found, by the calendar.
    """

    rung: str
    status: Status
    output: str
    fix: str
    ms: float | None
    at: float
    time: datetime

    @property
    def mark(self) -> str:
        """A symbol, and the word that says the same."""
        return f"{SYMBOLS[self.status]} {self.status}"

    def forgotten(self, why: str) -> Result:
        """Gives the same result as `unknown`; a skipped one stays skipped.

        Args:
            why: in words.
        """
        return self if self.status == "skipped" else replace(self, status="unknown", output=why, fix="", ms=None)


def worst(results: tuple[Result, ...]) -> Result:
    """Gives the result that decides about the whole: the first of the worst ones.

    Args:
        results: at least one.
    """
    return max(results, key=lambda result: _BADNESS.index(result.status))
