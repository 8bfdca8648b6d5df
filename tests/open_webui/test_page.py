"""Somebody chats in the real Open WebUI, in a real browser, with the real model behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from labkit.client import Lab
from labkit.launch import Program

PATIENCE = 60_000  # milliseconds; machines are busy


@pytest.fixture
def page(browser: Browser, program: Program, tmp_path: Path) -> Iterator[Page]:
    """Gives the page in a browser window of its own, as it is after the first visit."""
    context = browser.new_context(locale="en-US", viewport={"width": 1200, "height": 800})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    opened = context.new_page()
    opened.goto(program.url)
    yield opened
    context.close()


def test_the_model_is_chosen_and_answers(page: Page, lab: Lab) -> None:
    """No login, no set-up: the first question gets its answer."""
    print(page.content()[:100])
