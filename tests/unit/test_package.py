"""`import labkit` is light, gives a short list of names, and explains itself to a Python that is too old."""

from __future__ import annotations

import subprocess
import sys

import pytest

import labkit

_HEAVY = ("openai", "pydantic", "rich", "typer", "matplotlib", "IPython", "ipywidgets", "chainlit", "foundry_local_sdk")


def test_the_public_names_are_these() -> None:
    """A name that appears or disappears is a decision, not an accident."""
    assert labkit.__all__ == ["Lab", "Settings", "connect", "doctor", "errors", "exercises"]


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    """Completion in a notebook offers what a learner may use."""
    assert dir(labkit) == sorted(labkit.__all__)


@pytest.mark.parametrize("name", labkit.__all__)
def test_every_public_name_can_be_reached(name: str) -> None:
    """Names load on first use, so each of them is tried."""
    assert getattr(labkit, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Loading on first use changes nothing about wrong names."""
    with pytest.raises(AttributeError, match="'labkit' has no attribute 'conect'"):
        _ = labkit.conect


def test_importing_labkit_imports_nothing_heavy() -> None:
    """What takes long to import is imported where it is used."""
    assert _python(f"import sys, labkit; print([m for m in {_HEAVY} if m in sys.modules])").stdout == "[]\n"


def test_connecting_loads_neither_openai_nor_a_terminal_library() -> None:
    """A program that brings its own client does not pay for ours."""
    code = f"import sys, labkit; labkit.connect('course-small'); print([m for m in {_HEAVY[:-1]} if m in sys.modules])"
    assert _python(code).stdout == "[]\n"


def test_an_old_python_is_told_which_one_to_take() -> None:
    """A clone runs without an installer that would have refused it."""
    run = _python("import sys; sys.version_info = (3, 10, 4, 'final', 0); import labkit")
    assert run.returncode == 1
    assert "ImportError: labkit needs Python 3.11 or newer, and this is Python 3.10. Run" in run.stderr


def test_an_old_python_can_parse_the_explanation() -> None:
    """Python 3.8 reads the whole file before it runs the first line."""
    import ast
    from pathlib import Path

    ast.parse(Path(labkit.__file__).read_text("utf-8"), feature_version=(3, 8))


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
