"""The files that prepare a machine agree with each other: pyproject, conda, VS Code and the container."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

from labkit import doctor
from labkit.settings import Settings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_conda_installs_exactly_the_pins_of_pyproject() -> None:
    """Somebody with conda gets the same versions as somebody with uv."""
    *_, pip = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    pinned = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    assert pip["pip"] == ["-e .", *pinned]


def test_conda_takes_a_python_that_the_project_allows() -> None:
    """The project's range is what Foundry Local's SDK supports."""
    python, *_ = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    assert python == "python=3.12"
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.15"


def test_every_direct_dependency_is_pinned() -> None:
    """A course that always runs does not change under its learners."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = PROJECT["dependency-groups"].values()
    everything = [*PROJECT["project"]["dependencies"], *(line for part in (*extras, *groups) for line in part)]
    assert [line for line in everything if "==" not in line] == []


def test_vs_code_and_the_container_bring_the_same_extensions() -> None:
    """Both ways into the course show the same editor."""
    container = _json(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]
    assert container == _json(".vscode/extensions.json")["recommendations"]


def test_vs_code_uses_the_environment_of_the_project() -> None:
    """A learner who opens the folder need not choose an interpreter, and finds the tests."""
    settings = _json(".vscode/settings.json")
    assert settings["python.defaultInterpreterPath"] == "${workspaceFolder}/.venv"
    assert settings["python.testing.pytestEnabled"]
    assert settings["python.testing.pytestArgs"] == PROJECT["tool"]["pytest"]["ini_options"]["testpaths"]


def test_the_container_forwards_every_port_that_the_doctor_looks_at() -> None:
    """What the course opens can be opened from outside the container, by its owner."""
    forwarded = _json(".devcontainer/devcontainer.json")["forwardPorts"]
    assert {Settings.foundry_port, *doctor.PROGRAMS} <= set(forwarded)


def _json(path: str) -> Any:
    return json.loads((ROOT / path).read_text("utf-8"))
