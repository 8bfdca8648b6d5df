"""Somebody at the WebGPU demo: draws, asks, and reads what is there.

It knows where things are on the page, so that the tests need not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

PATIENCE = 120_000  # milliseconds; an imitated graphics adapter on a busy machine is slow


class Visitor:
    """Somebody at the page.

    Args:
        context: the browser window.
        page: the page, open.

    Attributes:
        requests: the addresses of all requests so far, those of workers included.
    """

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context, self.page = context, page
        self.requests: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))

    @classmethod
    @contextmanager
    def at(cls, browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
        """Opens the page in a window of its own, with nothing kept.

        Args:
            browser: Chromium.
            url: the page.
            options: of the window, such as its colour scheme.
        """
        context = browser.new_context(viewport={"width": 1000, "height": 1400}, **options)
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        visitor = cls(context, context.new_page())
        try:
            visitor.page.goto(url)
            yield visitor
        finally:
            context.close()

    def text(self, place: str) -> Locator:
        """Gives an element by its id."""
        return self.page.locator(f"#{place}")

    def wait(self) -> Visitor:
        """Waits until drawings are answered."""
        self.page.locator("html[data-ready]").wait_for(state="attached")
        return self

    def see(self, place: str, words: str) -> str:
        """Waits until an element contains words, and gives all of its text."""
        expect(self.text(place)).to_contain_text(words)
        return self.text(place).inner_text()

    def press(self, name: str) -> None:
        """Presses a button by its name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def take_sample(self, digit: int) -> None:
        """Takes one of the samples, and waits for its answer."""
        self.press("Clear")
        self.see("digits-status", "empty")
        self.press(f"Sample: a handwritten {digit}")
        self.see("digits-status", "looks like")

    @property
    def recognised(self) -> str:
        """The digit that the page names."""
        return self.text("digits-answer").inner_text()

    def draw(self, lines: Sequence[Sequence[tuple[float, float]]]) -> None:
        """Draws with the mouse.

        Args:
            lines: points in tenths of the height.
        """
        self.text("pad").scroll_into_view_if_needed()
        box = self.text("pad").bounding_box()
        assert box
        unit = box["height"] / 14
        for line in lines:
            (x, y), *others = [(box["x"] + (2 + a) * unit, box["y"] + (2 + b) * unit) for a, b in line]
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            for point in others:
                self.page.mouse.move(*point, steps=4)
            self.page.mouse.up()

    def ask(self, question: str) -> None:
        """Types a question and sends it."""
        self.page.fill("#chat-input", question)
        self.press("Send")

    def answer(self, question: str) -> str:
        """Asks, waits for the whole answer, and gives it."""
        self.ask(question)
        expect(self.text("chat-status")).to_contain_text(re.compile("complete|cut at the limit"))
        return self.page.locator(".answer").last.inner_text()

    def run(self, script: str, argument: Any = None) -> Any:
        """Runs a script in the page."""
        return self.page.evaluate(script, argument)
