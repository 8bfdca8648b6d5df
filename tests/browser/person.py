"""Somebody at the page: asks, stops, edits, chooses, and reads what is there.

It knows where things are on Chainlit's page, so that the tests need not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect

PATIENCE = 60_000  # milliseconds; machines are busy


class Person:
    """Somebody at the page.

    Args:
        page: the page, open.

    Attributes:
        requests: the addresses of all requests so far.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.requests.append(request.url))

    @classmethod
    @contextmanager
    def at(cls, browser: Browser, url: str, language: str = "en-US") -> Iterator[Person]:
        """Opens the page in a browser window of its own, without cookies.

        Args:
            browser: Chromium.
            url: the page.
            language: the browser's language.
        """
        context = browser.new_context(locale=language, viewport={"width": 1100, "height": 800})
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        somebody = cls(context.new_page())
        try:
            somebody.page.goto(url)
            yield somebody
        finally:
            context.close()

    def ask(self, text: str) -> None:
        """Types a question, sends it, and waits until it is on the page."""
        before = self.questions.count()
        self.page.fill("#chat-input", text)
        self.page.click("#chat-submit:not([disabled])")
        expect(self.questions).not_to_have_count(before)

    @property
    def questions(self) -> Locator:
        """The questions on the page."""
        return self.page.locator('.step[data-step-type="user_message"] .message-content')

    @property
    def answers(self) -> Locator:
        """The answers and errors on the page."""
        return self.page.locator('.step[data-step-type="assistant_message"] .message-content')

    @property
    def _said(self) -> Locator:
        """Questions and answers, as they follow each other; what an answer holds inside is none of them."""
        return self.page.locator('.step[data-step-type="user_message"], .step[data-step-type="assistant_message"]')

    @property
    def banner(self) -> Locator:
        """The health banner."""
        return self.page.locator("#health-banner")

    def see(self, text: str) -> None:
        """Waits until the last answer contains a text."""
        expect(self.answers.last).to_contain_text(text)

    def wait_for_answer(self) -> None:
        """Waits until the last question has an answer, and the model has ended."""
        expect(self._said.last).to_have_attribute("data-step-type", "assistant_message")
        expect(self.page.locator("#stop-button")).to_have_count(0)
        self.see(" · ")

    def stop(self) -> None:
        """Presses Stop, and waits until the answer says so."""
        self.page.click("#stop-button")
        self.see("stopped")

    def edit(self, number: int, text: str) -> None:
        """Changes an earlier question.

        Args:
            number: which one, from 0.
            text: the new wording.
        """
        step = self.page.locator('.step[data-step-type="user_message"]').nth(number)
        step.hover()
        step.locator(".edit-message").click()
        self.page.fill("#edit-chat-input", text)
        self.page.click(".confirm-edit")

    def press(self, label: str) -> None:
        """Presses a button by its label."""
        self.page.get_by_role("button", name=label).click()

    def choose_profile(self, name: str) -> None:
        """Chooses a chat profile."""
        self.page.click("#chat-profiles")
        self.page.get_by_role("option", name=name).click()
        self.page.locator("#chat-submit").wait_for()

    def set(self, **values: str | bool | int) -> None:
        """Changes settings in their window.

        Args:
            values: by the name of the setting; a slider is given as steps from its lower end.
        """
        self.page.click("#chat-settings-open-modal")
        for name, value in values.items():
            field = self.page.locator(f"#{name}")
            if isinstance(value, bool):
                field.set_checked(value)
            elif isinstance(value, int):
                self._slide(field.get_by_role("slider"), value)
            else:
                field.fill(value)
        self.page.click("#confirm")
        expect(self.page.locator("#confirm")).to_have_count(0)

    def _slide(self, slider: Locator, steps: int) -> None:
        slider.press("Home")
        for _ in range(steps):
            slider.press("ArrowRight")

    def start_anew(self) -> None:
        """Begins a new chat."""
        self.page.click("#header #new-chat-button")
        expect(self.answers).to_have_count(0)
