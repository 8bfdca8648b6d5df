"""Rules that wish for a backend: one place, task table, length threshold and complexity score.

Each names a target (`local`, `cloud` or a backend's name) or says nothing. They look at the request only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from labkit.errors import PolicyError
from labkit.routing.complexity import WEIGHTS, complexity
from labkit.routing.request import Request

SEED_TASKS: Mapping[str, str] = {
    "code_generation": "local",  # privacy-sensitive
    "creative_writing": "cloud",  # benefits from larger models
    "data_analysis": "local",  # fast iteration needed
    "research": "cloud",  # requires broad knowledge
}


class Wish(NamedTuple):
    """What a rule would like.

    Attributes:
        target: `local`, `cloud` or a backend's name.
        reason: why, in words.
    """

    target: str
    reason: str


class Preference(ABC):
    """A rule that may wish for a backend.

    Attributes:
        name: the name in explanations and in YAML.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def targets(self) -> Mapping[tuple[str, ...], str]:
        """What it can wish for, by the path of the field that says so."""

    @property
    def always_decides(self) -> bool:
        """Whether it has a wish for each request, so that no later rule gets a say."""
        return False

    @abstractmethod
    def wish(self, request: Request) -> Wish | None:
        """Says what it would like for a request, or None.

        Args:
            request: what is to be answered.
        """


@dataclass(frozen=True)
class Always(Preference):
    """Sends everything to one place.

    Args:
        target: where.
    """

    name: ClassVar[str] = "always"

    target: str

    @property
    def targets(self) -> Mapping[tuple[str, ...], str]:
        """What it can wish for."""
        return {("target",): self.target}

    @property
    def always_decides(self) -> bool:
        """Yes."""
        return True

    def wish(self, request: Request) -> Wish:
        """Wishes for its one place."""
        return Wish(self.target, "everything goes there")


@dataclass(frozen=True)
class TaskTable(Preference):
    """Sends each kind of work to its place.

    Args:
        table: target by task; the seed's four tasks when left out.
        otherwise: target for tasks that are not in the table; None leaves them to the next rule.
    """

    name: ClassVar[str] = "task"

    table: Mapping[str, str] = field(default_factory=lambda: SEED_TASKS)
    otherwise: str | None = None

    @property
    def targets(self) -> Mapping[tuple[str, ...], str]:
        """What it can wish for."""
        targets = {**self.table, "otherwise": self.otherwise}
        return {(task,): target for task, target in targets.items() if target}

    def wish(self, request: Request) -> Wish | None:
        """Wishes for the place of the request's task."""
        task = request.task
        if task is None:
            return None
        if target := self.table.get(task):
            return Wish(target, f"the task {task} belongs there")
        return Wish(self.otherwise, f"the task {task} is not in the table") if self.otherwise else None


@dataclass(frozen=True)
class LengthThreshold(Preference):
    """Tells short prompts from long ones.

    Args:
        threshold: words from which a prompt is long.
        short: target for shorter prompts; None leaves them to the next rule.
        long: target for the others; None leaves them to the next rule.
    """

    name: ClassVar[str] = "length"

    threshold: int = 100
    short: str | None = "local"
    long: str | None = "cloud"

    def __post_init__(self) -> None:
        if self.threshold < 0:
            raise PolicyError(f"threshold is {self.threshold}. Give a number of words from 0 up.", ("threshold",))
        _require_difference("short", self.short, "long", self.long)

    @property
    def targets(self) -> Mapping[tuple[str, ...], str]:
        """What it can wish for."""
        return {(name,): target for name in ("short", "long") if (target := getattr(self, name))}

    @property
    def always_decides(self) -> bool:
        """Yes, if it has a target for both."""
        return bool(self.short and self.long)

    def wish(self, request: Request) -> Wish | None:
        """Wishes for the place of short or of long prompts."""
        words = request.words
        if words < self.threshold:
            return Wish(self.short, f"{words} words are fewer than {self.threshold}") if self.short else None
        return Wish(self.long, f"{words} words are {self.threshold} or more") if self.long else None


@dataclass(frozen=True)
class ComplexityScore(Preference):
    """Tells plain prompts from demanding ones.

    Args:
        threshold: score from which a prompt is demanding, 0 to 1.
        simple: target for the others; None leaves them to the next rule.
        complex: target for demanding prompts; None leaves them to the next rule.
        weights: what each sign of complexity counts; together 1.
    """

    name: ClassVar[str] = "complexity"

    threshold: float = 0.3
    simple: str | None = "local"
    complex: str | None = "cloud"
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise PolicyError(f"threshold is {self.threshold}. Give a score from 0 to 1.", ("threshold",))
        _require_difference("simple", self.simple, "complex", self.complex)
        for sign, weight in self.weights.items():
            if sign not in WEIGHTS:
                raise PolicyError(f"{sign!r} is no sign of complexity. Known: {', '.join(WEIGHTS)}.", ("weights", sign))
            if not 0 <= weight <= 1:
                raise PolicyError(f"the weight of {sign} is {weight}. Give a share from 0 to 1.", ("weights", sign))
        if abs(sum(self.weights.values()) - 1) > 1e-6:  # noqa: PLR2004  # room for rounding
            total = sum(self.weights.values())
            raise PolicyError(f"the weights add up to {total:g}. Make them add up to 1.", ("weights",))

    @property
    def targets(self) -> Mapping[tuple[str, ...], str]:
        """What it can wish for."""
        return {(name,): target for name in ("simple", "complex") if (target := getattr(self, name))}

    @property
    def always_decides(self) -> bool:
        """Yes, if it has a target for both."""
        return bool(self.simple and self.complex)

    def wish(self, request: Request) -> Wish | None:
        """Wishes for the place of plain or of demanding prompts."""
        measured = complexity(request.prompt, self.weights)
        if measured.score < self.threshold:
            return Wish(self.simple, f"complexity {measured} is below {self.threshold:g}") if self.simple else None
        return Wish(self.complex, f"complexity {measured} reaches {self.threshold:g}") if self.complex else None


def _require_difference(first: str, one: str | None, second: str, other: str | None) -> None:
    if one == other:
        what = f"both go to {one}" if one else "neither has a target"
        raise PolicyError(f"{first} and {second}: {what}, so the rule decides nothing. Change one of them.", (second,))
