"""A progress bar shows in a terminal and in a notebook, and says nothing on standard output."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from labkit.progress import in_notebook, progress_bar

_CELL = """
from labkit.progress import in_notebook, progress_bar
with progress_bar("Downloading a model") as report:
    report(40)
print(in_notebook())
"""


def test_a_terminal_shows_title_and_percent_on_standard_error() -> None:
    """Standard output stays free for the answer, which may go into a file."""
    run = subprocess.run([sys.executable, "-c", _CELL], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "False\n"
    assert "Downloading a model" in run.stderr
    assert "40%" in run.stderr


def test_a_notebook_shows_a_widget() -> None:
    """A kernel has no terminal to draw in."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_CELL)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    widget, printed = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert "Downloading a model" in str(notebook.metadata.widgets)
    assert printed.text == "True\n"


def test_an_error_inside_passes_through(capsys: pytest.CaptureFixture[str]) -> None:
    """A failed download is an error, with or without a bar."""
    with pytest.raises(ValueError, match="broken off"), progress_bar("Downloading") as report:
        report(10)
        raise ValueError("broken off")
    assert not in_notebook()
    assert capsys.readouterr().out == ""
