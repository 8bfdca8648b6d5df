"""What is known about the backends at one moment: the third argument of `decide()`.

It is a snapshot. It knows nothing of how its values came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Condition(NamedTuple):
    """What is known about one backend now.

    Attributes:
        wait: seconds until it may be asked again, because its circuit breaker is open or it asked for a pause.
        why: the reason for the wait, in words.
        health: the last health check: `pass`, `warn`, `fail`, or `unknown`.
        first_token_ms: the time to its first token that was measured lately, in milliseconds.
    """

    wait: float = 0.0
    why: str = ""
    health: str = "unknown"
    first_token_ms: float | None = None


UNKNOWN = Condition()


@dataclass(frozen=True)
class State:
    """What is known about all backends now.

    Attributes:
        conditions: what is known, by the backend's name. A backend that is not listed is taken to be well.
        cost_left: USD that this request may still cost; None for no limit.
    """

    conditions: Mapping[str, Condition] = field(default_factory=dict)
    cost_left: float | None = None
