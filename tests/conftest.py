"""What all tests share: a HOME of their own, no settings from outside, and the real Foundry Local runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit
from labkit.client import Lab
from labkit.ports import free_port

_OUTSIDE = ("MODEL", "BASE_URL", "API_KEY", "FOUNDRY_CATALOG_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gives the tests a HOME and a LABKIT_HOME of their own, and clears settings that come from outside."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in [n for n in os.environ if n.upper() in _OUTSIDE or n.startswith(("OPENAI_", "AZURE_"))]:
        patch.delenv(name)
    patch.setenv("HOME", str(folder))
    patch.setenv("USERPROFILE", str(folder))
    patch.setenv("LABKIT_HOME", str(folder / "labkit"))
    patch.setenv("FOUNDRY_PORT", str(free_port()))
    yield folder
    patch.undo()


@pytest.fixture
def small() -> Lab:
    """Gives a Lab with course-small on the real runtime."""
    return labkit.connect("course-small")


@pytest.fixture
def large() -> Lab:
    """Gives a Lab with course-large on the real runtime."""
    return labkit.connect("course-large")
