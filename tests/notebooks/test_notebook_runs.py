"""Every notebook runs from top to bottom: as learners find it, and with every exercise solved.

nbmake runs them in a kernel of its own, which inherits this session's HOME, settings and ports.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from course_notebooks import FOLDER, PATHS, code_cells, exercises_of, read, solved
from nbmake.nb_run import NotebookRun

from labkit.exercises.record import ProgressFile

CELL_TIMEOUT = 120  # seconds
# These start servers, browsers and load tests, so they run one after the other.
BUSY = ("05", "06", "07", "08")
RUNS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.xdist_group("busy notebooks")] if path.stem[:2] in BUSY else [])
    for path in PATHS
]
IMAGE_WITHOUT_ALT = r"<img\b(?![^>]*\balt=)"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives a copy of the notebooks' folder, and a learner without progress."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "labkit"))
    return Path(shutil.copytree(FOLDER, tmp_path / "notebooks"))


def run(path: Path) -> Any:
    """Runs a notebook with nbmake and gives it with its outputs; an error in a cell fails the test."""
    result = NotebookRun(path, CELL_TIMEOUT).execute()
    assert result.error is None, result.error.trace
    return result.nb


def outcomes(notebook: Any) -> list[str]:
    """Gives the first line of what each check answered."""
    texts = [
        output["data"]["text/plain"]
        for cell in code_cells(notebook)
        for output in cell.outputs
        if re.search(r"^q\d+\.check\(", cell.source, re.MULTILINE) and "data" in output
    ]
    return [text.splitlines()[0] for text in texts]


def figures_without_text(notebook: Any) -> list[str]:
    """Gives the cells that show a figure without alternative text."""
    outputs = [(cell.source, output.get("data", {})) for cell in code_cells(notebook) for output in cell.outputs]
    return [source for source, data in outputs if "image/png" in data or re.search(IMAGE_WITHOUT_ALT, str(data))]


@pytest.mark.parametrize("path", RUNS)
def test_an_untouched_notebook_runs_to_its_end(path: Path, desk: Path) -> None:
    """No cell raises, every check says that nothing was attempted, and every figure has alternative text."""
    notebook = run(desk / path.name)
    assert figures_without_text(notebook) == []
    assert outcomes(notebook) == [f"[NOT ATTEMPTED] {exercise.name}" for exercise in exercises_of(path)]


@pytest.mark.parametrize("path", RUNS)
def test_a_solved_notebook_passes_every_check(path: Path, desk: Path) -> None:
    """With the solutions that learners see in the stub cells, every check says right, and the progress file as well."""
    nbformat.write(solved(path), desk / path.name)
    notebook = run(desk / path.name)
    names = [exercise.name for exercise in exercises_of(path)]
    assert outcomes(notebook) == [f"[RIGHT] {name}" for name in names]
    record = ProgressFile.of_learner().read().get(path.stem.partition("_")[2], {})
    assert {name: entry.state for name, entry in record.items()} == dict.fromkeys(names, "right")


def test_running_a_notebook_changes_nothing_in_the_course() -> None:
    """The tests run copies."""
    assert all(not cell.outputs for path in PATHS for cell in code_cells(read(path)))
