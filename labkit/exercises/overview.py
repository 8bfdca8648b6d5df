"""`progress()`: how far the learner is, notebook by notebook.

This module reads; what is recorded, and how, is the business of `record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import import_module

from labkit.exercises import NOTEBOOKS
from labkit.exercises.exercise import Exercise
from labkit.exercises.record import ProgressFile
from labkit.exercises.verdict import SYMBOLS, State


@dataclass(frozen=True, repr=False)
class Progress:
    """How far the learner is.

    Attributes:
        states: by notebook, such as `01_client_setup`, the state of each of its exercises.
    """

    states: dict[str, dict[str, State]]

    @property
    def right(self) -> int:
        """How many exercises are solved."""
        return sum(state == "right" for states in self.states.values() for state in states.values())

    @property
    def total(self) -> int:
        """How many exercises there are."""
        return sum(map(len, self.states.values()))

    def __repr__(self) -> str:
        lines = [f"Progress: {self.right} of {self.total} exercises right"]
        for notebook, states in self.states.items():
            lines += [notebook, *(f"  {SYMBOLS[state]} {name} {state}" for name, state in states.items())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(notebook)}</th>"
            f"<td>{sum(s == 'right' for s in states.values())} of {len(states)}</td>"
            f"<td style='text-align:left'>{_cells(states)}</td></tr>"
            for notebook, states in self.states.items()
        )
        head = "<tr><th scope='col'>Notebook</th><th scope='col'>Right</th><th scope='col'>Exercises</th></tr>"
        return f"<table><caption>{self.right} of {self.total} exercises right</caption>{head}{rows}</table>"


def progress() -> Progress:
    """Gives the learner's progress in all notebooks that have exercises."""
    record = ProgressFile.of_learner().read()
    states: dict[str, dict[str, State]] = {}
    for number, notebook in enumerate(NOTEBOOKS, 1):
        entries = record.get(notebook, {})
        names = [question.name for question in questions(notebook)]
        states[f"{number:02}_{notebook}"] = {
            name: entries[name].state if name in entries else "not attempted" for name in names
        }
    return Progress(states)


def questions(notebook: str) -> list[Exercise]:
    """Lists the exercises of a notebook, in their order.

    Args:
        notebook: one of `NOTEBOOKS`.
    """
    members = vars(import_module(f"labkit.exercises.{notebook}")).values()
    return [member for member in members if isinstance(member, Exercise)]


def _cells(states: dict[str, State]) -> str:
    return " &nbsp; ".join(f"{SYMBOLS[state]} {escape(name)} {state}" for name, state in states.items())
