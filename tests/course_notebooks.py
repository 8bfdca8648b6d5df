"""The notebooks as the tests see them: their cells, their stub cells, and a copy with the solutions filled in.

A stub cell carries the name of its exercise as a tag (`q1`); the solution that fills it is the one that learners see.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat

from labkit.exercises import NOTEBOOKS
from labkit.exercises.exercise import Exercise
from labkit.exercises.overview import questions

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    """Reads a notebook."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    """Lists the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercises_of(path: Path) -> list[Exercise]:
    """Lists the exercises of a notebook; none when the notebook has no module in `labkit.exercises`."""
    name = path.stem.partition("_")[2]
    return questions(name) if name in NOTEBOOKS else []


def all_exercises() -> list[Exercise]:
    """Lists the exercises of all notebooks."""
    return [question for name in NOTEBOOKS for question in questions(name)]


def path_of(exercise: Exercise) -> Path:
    """Gives the notebook of an exercise."""
    return next(path for path in PATHS if path.stem.endswith(f"_{exercise.notebook}"))


def stub_cell(notebook: Any, exercise: Exercise) -> Any:
    """Gives the one cell of a notebook in which the learner answers an exercise."""
    (cell,) = [cell for cell in code_cells(notebook) if exercise.name in cell.metadata.get("tags", ())]
    return cell


def solved(path: Path) -> Any:
    """Gives a notebook with the solutions in its stub cells."""
    notebook = read(path)
    for exercise in exercises_of(path):
        stub_cell(notebook, exercise).source = exercise.solution().code
    return notebook


def parsed(cell: Any) -> ast.Module:
    """Gives the syntax tree of a code cell; that of an empty one for a cell that writes a file."""
    return ast.parse("" if cell.source.startswith("%%writefile ") else cell.source)


def names(notebook: Any) -> dict[str, Any]:
    """Gives what the import lines of a notebook define, for code that is run outside of it."""
    namespace: dict[str, Any] = {}
    for cell in code_cells(notebook):
        imports = [node for node in parsed(cell).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "imports", "exec"), namespace)  # noqa: S102  # the course's own notebook
    return namespace


def answer(exercise: Exercise, code: str) -> Any:
    """Runs a learner's cell and gives what it defines for an exercise."""
    namespace = names(read(path_of(exercise)))
    exec(compile(code, f"<{exercise.name}>", "exec"), namespace)  # noqa: S102  # answers that the tests bring along
    return namespace[exercise.answer_name]


def wrong_answers(exercise: Exercise) -> list[str]:
    """Gives the wrong answers that `tests/wrong_answers` declares for an exercise."""
    declared: list[str] = getattr(import_module(f"wrong_answers.{exercise.notebook}"), exercise.name)
    return declared
