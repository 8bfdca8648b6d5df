"""What every notebook of the course owes its readers, checked without running it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from course_notebooks import PATHS, code_cells, exercises_of, parsed, read, stub_cell

IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<file>[^)]+)\)")
FORBIDDEN = {
    r"^\s*[%!].*\binstall\b": "installs packages",
    r"\bsys\.path\b": "edits sys.path",
    r"except\s*(Exception|BaseException)?\s*(as \w+)?\s*:": "swallows every exception",
    r"\bfoundry_local\b(?!_sdk)": "uses the SDK that has ended",
}

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def prose(notebook: Any) -> list[str]:
    """Lists the sources of the Markdown cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


@each_notebook
def test_outputs_are_stripped(path: Path) -> None:
    """A learner sees what the own machine measured, and nothing else."""
    assert [cell.source for cell in code_cells(read(path)) if cell.outputs or cell.execution_count] == []


@each_notebook
def test_the_kernel_exists_in_every_environment(path: Path) -> None:
    """`python3` is the one kernel that JupyterLab, VS Code and CI find without registration."""
    assert read(path).metadata.kernelspec.name == "python3"


@each_notebook
def test_cells_are_short(path: Path) -> None:
    """One idea fits into seven lines, and no cell is longer than thirty."""
    lengths = [len(cell.source.splitlines()) for cell in code_cells(read(path))]
    assert median(lengths) <= 7
    assert max(lengths) <= 30


@each_notebook
@pytest.mark.parametrize("pattern", FORBIDDEN, ids=FORBIDDEN.get)
def test_no_cell_teaches_bad_habits(path: Path, pattern: str) -> None:
    """What a notebook does, learners copy."""
    assert [cell.source for cell in code_cells(read(path)) if re.search(pattern, cell.source, re.MULTILINE)] == []


@each_notebook
def test_no_cell_prints_a_lesson(path: Path) -> None:
    """Prose belongs into Markdown; `print` shows what was measured or answered."""
    calls = [
        node
        for cell in code_cells(read(path))
        for node in ast.walk(parsed(cell))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    lessons = [ast.unparse(call) for call in calls if call.args and all(isinstance(a, ast.Constant) for a in call.args)]
    assert lessons == []


@each_notebook
def test_it_opens_with_goals_time_requirements_and_a_picture(path: Path) -> None:
    """The first cell says what a learner gets, and what it takes."""
    first = read(path).cells[0].source
    assert first.startswith(f"# {path.stem[:2]} ")
    for part in ("We aim to", "**Time:**", "**Before this notebook:**", "]("):
        assert part in first
    assert 3 <= len(re.findall(r"^\d\. ", first, re.MULTILINE)) <= 5


@each_notebook
def test_the_first_code_cell_looks_at_the_machine(path: Path) -> None:
    """A broken set-up is told before anything depends on it."""
    assert code_cells(read(path))[0].source == "import labkit\n\nlabkit.doctor.check()"


@each_notebook
def test_it_says_what_to_expect_and_closes_with_what_was_learned(path: Path) -> None:
    """Each goal is taken up again at the end, and the way leads on."""
    cells = prose(read(path))
    (learned,) = [cell for cell in cells if cell.startswith("## We learned")]
    goals, lessons = (len(re.findall(r"^\d\. ", cell, re.MULTILINE)) for cell in (cells[0], learned))
    assert goals == lessons
    assert sum("You should see" in cell for cell in cells) >= sum(cell.startswith("## ") for cell in cells) / 2
    assert "**Next:" in cells[-1]
    assert "phi-4-mini" in "".join(cells)
    assert "Azure" in "".join(cells)


@each_notebook
def test_every_image_exists_and_says_what_it_shows(path: Path) -> None:
    """Who cannot see the picture reads its alternative text."""
    images = [match for cell in prose(read(path)) for match in IMAGE.finditer(cell)]
    assert images
    assert "<img" not in "".join(prose(read(path))), "Markdown images only: their alternative text is checked here"
    for image in images:
        assert len(image["alt"]) > 40, image[0]
        assert (path.parent / image["file"]).is_file(), "pictures lie beside the notebooks, not on the network"


@each_notebook
def test_every_exercise_has_one_stub_cell_followed_by_its_check(path: Path) -> None:
    """The stub carries the exercise's name as a tag, and the check gets what the stub defines."""
    notebook = read(path)
    cells = code_cells(notebook)
    exercises = exercises_of(path)
    for exercise in exercises:
        check = cells[cells.index(stub_cell(notebook, exercise)) + 1].source
        assert f"{exercise.name} = exercises.{exercise.notebook}.{exercise.name}\n" in check
        assert check.endswith(f"{exercise.name}.check({exercise.answer_name})")
    assert sum(bool(cell.metadata.get("tags")) for cell in cells) == len(exercises) >= 4
