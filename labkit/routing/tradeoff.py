"""What a rule would have cost, and how good its answers would have been: a replay of an exam that all backends took.

Nothing is sent, so that any number of rules can be compared for the price of one exam. It knows nothing of how
marks come about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.routing.exam import Marks

if TYPE_CHECKING:
    from labkit.plots import Picture

Where = Callable[[str], str]
"""A rule in its simplest form: gets a question, and gives the name of a backend."""


@dataclass(frozen=True)
class Point:
    """What one rule would have cost, and how good it would have been.

    Attributes:
        name: the rule.
        cost: USD for a thousand questions.
        marks: the answers that users would have got.
        shares: by the backend's name, the share of the questions that it would have got, 0 to 1.
    """

    name: str
    cost: float
    marks: Marks
    shares: Mapping[str, float]

    @property
    def quality(self) -> float:
        """The share of right answers, 0 to 1."""
        return self.marks.quality

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.0%} to {name}" for name, share in self.shares.items())
        return f"{self.name}: {self.quality:.0%} right for ${self.cost:.3f} per 1,000 questions ({shares})"


def replay(name: str, where: Where, exams: Mapping[str, Marks]) -> Point:
    """Applies a rule to an exam that all backends took.

    Args:
        name: what to call the rule.
        where: the rule.
        exams: the marks of each backend, by its name, all in the same exam.

    Raises:
        ValueError: the rule names a backend that took no exam.
    """
    asked = [mark.question.text for mark in next(iter(exams.values()))]
    chosen = [_checked(name, where(text), exams) for text in asked]
    marks = Marks(tuple(exams[target][text] for target, text in zip(chosen, asked, strict=True)))
    shares = {target: chosen.count(target) / len(asked) for target in exams}
    return Point(name, marks.cost, marks, shares)


def tradeoff(*series: Point | list[Point]) -> Picture:
    """Draws cost against quality; each point with its 95% confidence interval.

    Args:
        series: single points, or lists of points that are joined by a line, such as those of one rule with different
            thresholds.
    """
    from labkit.plots import STYLES, axes, picture

    figure, ax = axes("What a rule costs, and how good it is", "USD for 1,000 questions", "right answers, %")
    told = []
    for number, each in enumerate(series):
        points = each if isinstance(each, list) else [each]
        colour, marker = STYLES[number % len(STYLES)]
        costs, shares = [point.cost for point in points], [100 * point.quality for point in points]
        label = points[0].name if len(points) == 1 else points[0].name.partition(" ")[0]
        ax.plot(costs, shares, color=colour, marker=marker, label=label, linewidth=1 if len(points) > 1 else 0)
        lows, highs = zip(*(point.marks.interval for point in points), strict=True)
        ax.vlines(costs, [100 * low for low in lows], [100 * high for high in highs], color=colour, alpha=0.3)
        told += [f"{point.name}: {point.quality:.0%} right for ${point.cost:.3f}." for point in points]
    ax.set_ylim(0, 100)
    ax.legend(frameon=False, loc="lower right")
    return picture(figure, "Cost and quality. " + " ".join(told))


def _checked(name: str, target: object, exams: Mapping[str, Marks]) -> str:
    if not isinstance(target, str) or target not in exams:
        known = " or ".join(map(repr, exams))
        raise ValueError(f"The rule {name!r} gave {target!r}. Let it return {known}.")
    return target
