"""What the tests with the real Open WebUI share: its environment, a real Foundry Local, one running page, a browser.

They are not part of the default run, because Open WebUI takes 3 GB:

    uv run labkit open-webui install && uv run pytest -m openwebui
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import labkit
from labkit import open_webui
from labkit.client import Lab
from labkit.exercises.recorder import Recorder
from labkit.launch import Program
from labkit.open_webui import Installation, OpenWebUI
from labkit.ports import free_port

_ENVIRONMENT = Installation.find().folder  # looked up before the tests get a LABKIT_HOME of their own
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "chrome")
_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")  # tests run as root in containers with little shared memory


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.openwebui)
            item.add_marker(pytest.mark.xdist_group("openwebui"))  # one page serves them all
            item.add_marker(pytest.mark.timeout(900))  # its first start reads 3 GB


@pytest.fixture(scope="session")
def installation(home: Path) -> Installation:
    """Gives Open WebUI's environment; whoever asks for these tests must have it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OPEN_WEBUI_ENV", str(_ENVIRONMENT))
    return Installation.find().require()


@pytest.fixture(scope="session")
def recorder(home: Path) -> Iterator[Recorder]:
    """Gives the real runtime, with somebody who writes down what it is asked."""
    with Recorder(labkit.connect("course-small").endpoint) as between:
        yield between


@pytest.fixture(scope="session")
def lab(recorder: Recorder) -> Lab:
    """Gives a model on the real runtime."""
    return replace(labkit.connect("course-small"), endpoint=recorder.endpoint)


@pytest.fixture(scope="session")
def program(installation: Installation, lab: Lab) -> Iterator[Program]:
    """Gives a running Open WebUI as learners get it."""
    with open_webui.start(lab, port=free_port()) as running:
        yield running


@pytest.fixture
def api(program: Program, lab: Lab) -> Iterator[OpenWebUI]:
    """Gives its administrator, who leaves things as they were."""
    with OpenWebUI(program.url) as page:
        page.sign_in()
        good = page.model_defaults()
        yield page
        page.connect_to(lab.endpoint)
        page.set_model_defaults(**good)


@pytest.fixture(scope="module")  # not for the session: while Playwright runs, asyncio.run() cannot
def browser() -> Iterator[Browser]:
    """Gives Chromium."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert found, "install Chromium: these tests are asked for by name, so nothing of them is skipped"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield chromium
        chromium.close()
