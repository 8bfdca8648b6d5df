"""Notebooks run without a browser: what works, what fails and where, and what stays untouched."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from commands import Terminal, running

from labkit import notebooks
from labkit.errors import NotebookNotFound

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals as a POSIX terminal does")


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives a course of two notebooks, of which the second fails, as the working directory."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    _write(folder / "01_works.ipynb", "import os", "", "open('here.txt', 'w').write(os.environ['LABKIT_HOME'])")
    _write(folder / "02_fails.ipynb", "x = 1", "def half(n):\n    return n / 0\nhalf(x)", "print('never')")
    monkeypatch.chdir(tmp_path)
    return folder


def test_run_prints_a_table_and_fails_when_a_notebook_fails(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name, cells, time and result of each; the failing cell and its error; the files stay as they were."""
    before = {path: path.read_bytes() for path in course.iterdir()}
    ran = Terminal(capsys, monkeypatch).type("run")
    assert ran.code == 1
    assert re.search(r"01_works │ +2 │ +\d+\.\d s │ OK +│", ran.out)
    assert re.search(r"02_fails │ +2 │ +\d+\.\d s │ FAILED in cell 2 │", ran.out)
    assert "02_fails, cell 2: ZeroDivisionError: division by zero" in ran.err
    assert "half(x)" in ran.err
    assert (course / "here.txt").read_text() == os.environ["LABKIT_HOME"], "it runs in the notebook's folder"
    assert {path: path.read_bytes() for path in before} == before


def test_run_succeeds_when_every_notebook_that_was_named_works(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beginning of a name is enough."""
    ran = Terminal(capsys, monkeypatch).type("run", "01")
    assert ran.code == 0
    assert "02_fails" not in ran.out


def test_a_notebook_runs_in_this_python(course: Path) -> None:
    """Whatever kernel its metadata names, and whatever other kernels there are."""
    _write(course / "03_python.ipynb", "import sys, labkit", "assert sys.prefix == " + repr(sys.prefix))
    assert notebooks.execute(course / "03_python.ipynb").failure is None


def test_a_cell_that_does_not_end_is_stopped(course: Path) -> None:
    """Nothing hangs."""
    _write(course / "03_slow.ipynb", "1", "import time; time.sleep(600)")
    run = notebooks.execute(course / "03_slow.ipynb", timeout=1)
    assert run.failure is not None
    assert (run.failure.cell, run.failure.error) == (2, "The cell did not end within 1 seconds.")


def test_a_kernel_that_dies_is_a_failure_of_its_cell(course: Path) -> None:
    """As a crash in native code would be."""
    _write(course / "03_dies.ipynb", "import os", "os._exit(3)")
    run = notebooks.execute(course / "03_dies.ipynb")
    assert run.failure is not None
    assert (run.failure.cell, run.failure.source) == (2, "os._exit(3)")
    assert "The kernel died." in run.failure.error


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 1}'])
def test_a_file_that_is_no_notebook_is_a_failure(content: str, course: Path) -> None:
    """And no traceback."""
    (course / "03_none.ipynb").write_text(content)
    run = notebooks.execute(course / "03_none.ipynb")
    assert run.failure is not None
    assert "no notebook that can be read" in run.failure.error
    assert notebooks.count_cells(course / "03_none.ipynb") == 0


def test_an_unknown_name_gets_the_nearest_ones(course: Path) -> None:
    """A beginning that fits two is not guessed."""
    with pytest.raises(NotebookNotFound, match="Did you mean 01_works or 02_fails"):
        notebooks.find("0")
    with pytest.raises(NotebookNotFound, match="Did you mean 01_works"):
        notebooks.find("1_works")


@posix
def test_ctrl_c_stops_the_notebook_and_its_kernel(course: Path) -> None:
    """Nothing is left running."""
    marker = course / "started"
    _write(
        course / "03_slow.ipynb",
        f"open({str(marker)!r}, 'w').write(str(__import__('os').getpid()))",
        "while True: pass",
    )
    os.mkfifo(marker)  # reading it waits until the cell has written
    with running("run", "03", cwd=course.parent) as program:
        kernel = psutil.Process(int(marker.read_text()))
        assert program.end(signal.SIGINT) == 130
    assert not kernel.is_running()
    assert "Traceback" not in program.out


def _write(path: Path, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)
