"""What the browser tests share: a real Chromium, and running chat applications.

A browser that is missing fails the tests in CI, and skips them elsewhere. All tests of this folder run in one process,
because each application takes seconds to start.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attentive import Attentive
from person import Person
from playwright.sync_api import Browser, sync_playwright
from visitor import Visitor

from labkit import launch
from labkit.launch import Program
from labkit.ports import free_port
from labkit.simulator import Cloud, Faults, Latency, Profile
from labkit.simulator.app import App
from labkit.simulator.cloud import ServedCloud
from labkit.webgpu.headless import SOFTWARE_GPU, find_browser

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "chrome")
_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage")  # tests run as root in containers with little shared memory
WORDS = " ".join(f"word{number}" for number in range(100))  # what the steady cloud answers, in four seconds
STEADY = Profile("steady", first_token=Latency(200), inter_token=Latency(40))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="module")  # not for the session: while Playwright runs, asyncio.run() cannot
def browser() -> Iterator[Browser]:
    """Gives Chromium."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        assert "CI" not in os.environ, "install Chromium: CI must not skip these proofs"
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def model() -> Attentive:
    """Gives what stands behind that cloud, and remembers what it was told."""
    return Attentive(WORDS)


@pytest.fixture(scope="session")
def cloud(model: Attentive) -> Iterator[Cloud]:
    """Gives a simulated cloud that takes four seconds for an answer, so that there is time to stop it."""
    with ServedCloud(App(model, STEADY, Faults.parse(None)), 0) as running:
        yield running


@pytest.fixture(scope="session")
def steady(cloud: Cloud) -> Iterator[Program]:
    """Gives the application in front of that cloud."""
    with launch.chat(port=free_port(), env={"BASE_URL": cloud.endpoint, "MODEL": cloud.lab.model}) as program:
        yield program


@pytest.fixture(scope="session")
def real() -> Iterator[Program]:
    """Gives the application as learners get it, in front of the real runtime."""
    with launch.chat(port=free_port()) as program:
        yield program


@pytest.fixture
def person(browser: Browser, steady: Program) -> Iterator[Person]:
    """Gives somebody who has opened the application in front of the steady cloud."""
    with Person.at(browser, steady.url) as somebody:
        yield somebody


@pytest.fixture(scope="module")
def graphics(browser: Browser) -> Iterator[Browser]:
    """Gives a second Chromium, with a graphics adapter that the processor imitates."""
    chromium = browser.browser_type.launch(executable_path=find_browser(), args=[*_FLAGS, *SOFTWARE_GPU])
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def demo() -> Iterator[Program]:
    """Gives the page of the WebGPU demo as `labkit webgpu` serves it."""
    with launch.webgpu(port=free_port(), show=False) as program:
        yield program


@pytest.fixture
def visitor(browser: Browser, demo: Program) -> Iterator[Visitor]:
    """Gives somebody who has opened that page in a browser without a graphics adapter, and waited until it is ready."""
    with Visitor.at(browser, demo.url) as somebody:
        yield somebody.wait()
