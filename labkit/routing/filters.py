"""Rules that speak against a backend: privacy, capability, context, cost, latency and health.

Each looks at one backend at a time and says its objection in words. They send nothing, and they choose nobody.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from labkit.errors import PolicyError
from labkit.routing.backend import Backend
from labkit.routing.privacy import Detector, PatternDetector
from labkit.routing.request import Request
from labkit.routing.state import UNKNOWN, State


class Filter(ABC):
    """A rule that may speak against a backend.

    Attributes:
        name: the name in explanations and in YAML.
        is_final: whether its objection stands even when nobody else is left. One that does not is overruled then:
            a slow or troubled backend is better than no answer.
    """

    name: ClassVar[str]
    is_final: ClassVar[bool]

    def is_concerned(self, request: Request, state: State) -> bool:
        """Says whether the rule can have an objection at all; if not, it is not asked about each backend.

        Args:
            request: what is to be answered.
            state: what is known about the backends now.
        """
        return True

    @abstractmethod
    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Says what speaks against a backend, in words, or None.

        Args:
            request: what is to be answered.
            backend: who could answer.
            state: what is known about the backends now.
        """


@dataclass(frozen=True)
class Privacy(Filter):
    """Keeps personal data, and whatever the caller marks as private, on this machine.

    Args:
        tasks: tasks whose requests are always private.
        detector: who looks for personal data. If it fails, the request is treated as private.
    """

    name: ClassVar[str] = "privacy"
    is_final: ClassVar[bool] = True

    tasks: frozenset[str] = frozenset()
    detector: Detector = field(default_factory=PatternDetector)

    def is_concerned(self, request: Request, state: State) -> bool:
        """Says whether the request is private."""
        return request.remember(self, self._reason) is not None

    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Objects to a backend that sends private data away from this machine."""
        if backend.is_private:
            return None
        return request.remember(self, self._reason)

    def _reason(self, request: Request) -> str | None:
        if request.private:
            return "the request is marked as private, so it stays on this machine"
        if request.task in self.tasks:
            return f"the task {request.task} is private, so it stays on this machine"
        if request.has_other_media:
            return "the request holds more than text, which cannot be searched for personal data"
        try:
            findings = self.detector.find(request.text)
        except Exception as error:  # a detector that fails must not open the way out
            return f"the detector of personal data failed ({type(error).__name__}), so it stays on this machine"
        if not findings:
            return None
        kinds = " and ".join(dict.fromkeys(finding.kind for finding in findings))
        return f"the text contains {kinds}; it may not leave this machine"


@dataclass(frozen=True)
class Capability(Filter):
    """Keeps away backends that lack what the request uses, such as tools or JSON."""

    name: ClassVar[str] = "capability"
    is_final: ClassVar[bool] = True

    def is_concerned(self, request: Request, state: State) -> bool:
        """Says whether the request uses anything beyond text."""
        return bool(request.needs)

    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Objects to a backend that lacks a capability."""
        if request.needs <= backend.capabilities:
            return None
        return f"it cannot do {' and '.join(sorted(request.needs - backend.capabilities))}"


@dataclass(frozen=True)
class ContextFit(Filter):
    """Keeps away backends whose context is too short for prompt and answer, by an estimate."""

    name: ClassVar[str] = "context"
    is_final: ClassVar[bool] = True

    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Objects to a backend whose context is too short."""
        length = backend.context_length
        if length is None or request.most_tokens <= length:
            return None
        needed = request.prompt_tokens(backend.characters_per_token) + request.max_tokens
        if needed <= length:
            return None
        return f"prompt and answer need about {needed:,} tokens, and it holds {length:,}"


@dataclass(frozen=True)
class CostBudget(Filter):
    """Keeps away backends where the request could cost too much, with the longest answer that it allows.

    What is left of the budget of the whole chain counts too, whether or not a limit is given here.

    Args:
        limit: USD for one request; None for no limit of its own.
    """

    name: ClassVar[str] = "cost"
    is_final: ClassVar[bool] = True

    limit: float | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            _require_positive("limit", self.limit, "USD")

    def is_concerned(self, request: Request, state: State) -> bool:
        """Says whether there is a limit."""
        return self.limit is not None or state.cost_left is not None

    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Objects to a backend that could cost too much."""
        limit = (
            self.limit
            if state.cost_left is None
            else min(math.inf if self.limit is None else self.limit, state.cost_left)
        )
        if limit is None or backend.is_free:
            return None
        cost = backend.worst_cost(request)
        return f"it could cost ${cost:.6f}, and ${limit:.6f} may be spent" if cost > limit else None


@dataclass(frozen=True)
class LatencyTarget(Filter):
    """Sets backends back whose first token is expected too late.

    Args:
        first_token_ms: the longest wait for the first token, in milliseconds.
    """

    name: ClassVar[str] = "latency"
    is_final: ClassVar[bool] = False

    first_token_ms: float

    def __post_init__(self) -> None:
        _require_positive("first_token_ms", self.first_token_ms, "milliseconds")

    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Objects to a backend whose first token is expected too late."""
        measured = state.conditions.get(backend.name, UNKNOWN).first_token_ms
        expected = backend.first_token_ms if measured is None else measured
        if expected is None or expected <= self.first_token_ms:
            return None
        how = "expected" if measured is None else "measured"
        return f"its first token comes after {expected:.0f} ms ({how}), and {self.first_token_ms:.0f} ms are allowed"


@dataclass(frozen=True)
class Health(Filter):
    """Sets backends back that are paused, failing or degraded."""

    name: ClassVar[str] = "health"
    is_final: ClassVar[bool] = False

    def is_concerned(self, request: Request, state: State) -> bool:
        """Says whether anything is known about the backends."""
        return bool(state.conditions)

    def objection(self, request: Request, backend: Backend, state: State) -> str | None:
        """Objects to a backend that is paused, failing or degraded."""
        condition = state.conditions.get(backend.name)
        if condition is None:
            return None
        if condition.wait > 0:
            return f"{condition.why}; {condition.wait:.1f} s to go"
        if condition.health in ("fail", "warn"):
            return f"its health check says {condition.health}" + (f": {condition.why}" if condition.why else "")
        return None


def _require_positive(name: str, value: float, unit: str) -> None:
    if not 0 <= value < math.inf:  # also refuses NaN
        raise PolicyError(f"{name} is {value}. Give a number of {unit} that is not below 0.", (name,))
