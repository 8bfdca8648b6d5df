"""The steps that a plan can ask for: call a backend, wait, or give up.

They hold what a driver needs to carry them out, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.errors import LabkitError
from labkit.routing.backend import Backend
from labkit.routing.trace import Attempt


@dataclass(frozen=True, slots=True)
class Call:
    """The step: call a backend.

    Attributes:
        backend: whom.
        timeout: how many seconds it may take.
        attempt: its line in the trace.
    """

    backend: Backend
    timeout: float
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Wait:
    """The step: wait, then ask for the next step.

    Attributes:
        seconds: how long.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The step: raise an error.

    Attributes:
        error: which one.
        cause: what led to it.
    """

    error: LabkitError
    cause: LabkitError | None


Step = Call | Wait | GiveUp
