"""What a check answers: not attempted, wrong or right, each readable as plain text and in a notebook.

This module knows nothing of how an answer is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import ClassVar, Literal

State = Literal["not attempted", "wrong", "right"]
SYMBOLS: Mapping[State, str] = {"not attempted": "○", "wrong": "✗", "right": "✓"}
# Mid-tones that keep a contrast of at least 3:1 on both white and dark notebook backgrounds.
_COLOURS: Mapping[State, str] = {"not attempted": "#8a7a00", "wrong": "#d0453e", "right": "#2e8b57"}


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check found; use one of the three subclasses.

    Attributes:
        state: `not attempted`, `wrong` or `right`.
        exercise: the exercise that was checked, such as `q1`; the exercise fills it in.
        note: what else the learner should know, such as a progress file that cannot be written.
    """

    state: ClassVar[State]
    exercise: str = field(default="", kw_only=True)
    note: str = field(default="", kw_only=True)

    def __repr__(self) -> str:
        details = [f"  {name + ':':<10}{text}" for name, text in self._shown().items()]
        return "\n".join([f"[{self.state.upper()}] {self.exercise}", *details])

    def _repr_html_(self) -> str:
        colour, symbol = _COLOURS[self.state], SYMBOLS[self.state]
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left;vertical-align:top'>{name}</th>"
            f"<td style='text-align:left;white-space:pre-wrap'>{escape(text)}</td></tr>"
            for name, text in self._shown().items()
        )
        return (
            f"<div role='status' style='border-left:4px solid {colour};padding-left:10px'>"
            f"<strong style='color:{colour}'>{symbol} {self.state.capitalize()}</strong> {escape(self.exercise)}"
            f"<table style='color:inherit'>{rows}</table></div>"
        )

    def _shown(self) -> Mapping[str, str]:
        rows = self._details()
        return rows | {"note": self.note} if self.note else rows

    def _details(self) -> dict[str, str]:
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class NotAttempted(Verdict):
    """The learner has not written an answer yet.

    Attributes:
        answer_name: what the stub cell defines.
    """

    state: ClassVar[State] = "not attempted"
    answer_name: str

    def _details(self) -> dict[str, str]:
        todo = f"Write your code for {self.answer_name} where the ... is, run that cell, then this one again."
        return {"next": f"{todo} {self.exercise}.hint() helps."}


@dataclass(frozen=True, repr=False)
class Wrong(Verdict):
    """The answer does not do what was asked for.

    Attributes:
        expected: what a right answer does, in words or as a value.
        came: what the learner's answer did.
    """

    state: ClassVar[State] = "wrong"
    expected: str
    came: str

    def _details(self) -> dict[str, str]:
        help_ = f"Change your code and run both cells again. {self.exercise}.hint() helps."
        return {"expected": self.expected, "came": self.came, "next": help_}


@dataclass(frozen=True, repr=False)
class Right(Verdict):
    """The answer does what was asked for.

    Attributes:
        why: what the learner's code did, or why it matters, in one sentence.
    """

    state: ClassVar[State] = "right"
    why: str

    def _details(self) -> dict[str, str]:
        return {"why": self.why}
