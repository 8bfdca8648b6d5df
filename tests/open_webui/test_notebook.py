"""Notebook 07 drives the real Open WebUI where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from course_notebooks import FOLDER, code_cells
from nbmake.nb_run import NotebookRun

from labkit.open_webui import Installation

CELL_TIMEOUT = 600  # seconds; one cell starts it


def test_the_notebook_drives_the_real_one(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell runs, and what is simulated elsewhere is real here; only the container stays simulated."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "labkit"))
    monkeypatch.setenv("OPEN_WEBUI_ENV", str(installation.folder))
    desk = shutil.copytree(FOLDER, tmp_path / "notebooks")
    result = NotebookRun(desk / "07_open_webui.ipynb", CELL_TIMEOUT).execute()
    assert result.error is None, result.error.trace
    shown = {cell.source: str(cell.outputs) for cell in code_cells(result.nb)}
    assert "'0.12.4'" in next(output for source, output in shown.items() if "page.version(), page.models()" in source)
    assert [source for source, output in shown.items() if "(simulated)" in output and "container" not in source] == []
