"""Somebody chats in the real Open WebUI, in a real browser, with the real model behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from labkit.client import Lab
from labkit.exercises.recorder import Recorder
from labkit.launch import Program
from labkit.open_webui import OpenWebUI
from labkit.service import Service

PATIENCE = 120_000  # milliseconds; machines are busy
ANSWER = ".chat-assistant"


@pytest.fixture
def page(browser: Browser, program: Program) -> Iterator[Page]:
    """Gives the page in a browser that has never been there."""
    context = browser.new_context(locale="en-US", viewport={"width": 1200, "height": 800})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    opened = context.new_page()
    opened.goto(program.url)
    yield opened
    context.close()


def ask(page: Page, question: str) -> None:
    """Types a question and sends it."""
    page.locator("#chat-input").click()
    page.keyboard.type(question)
    page.keyboard.press("Enter")


def test_the_first_question_gets_its_answer(page: Page, lab: Lab) -> None:
    """No login, no news, no set-up: the model is chosen, and it answers."""
    expect(page.locator("#model-selector-model-button")).to_contain_text(lab.model)
    ask(page, "What is a token?")
    expect(page.locator(ANSWER).last).to_contain_text("piece of text")
    expect(page.locator("#response-message-model-name").last).to_have_text(lab.model)


def test_one_question_costs_one_request(page: Page, recorder: Recorder) -> None:
    """No titles, tags or follow-ups are asked for, no tools come along, and the limit does."""
    before = len(recorder.chats)
    ask(page, "What is a stream?")
    expect(page.locator("button.copy-response-button").last).to_be_visible()  # comes when the answer is complete
    page.wait_for_timeout(3_000)  # whatever would be asked for afterwards has had its time
    (chat,) = recorder.chats[before:]
    assert chat.request["max_tokens"] == 256
    assert chat.request["temperature"] == 0
    assert "tools" not in chat.request
    assert [message["role"] for message in chat.request["messages"]] == ["user"]
    assert len(chat.pieces) > 5


def test_the_page_loads_nothing_from_elsewhere(browser: Browser, program: Program) -> None:
    """Not even fonts: the browser speaks with this machine only."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    opened, addresses = context.new_page(), list[str]()
    opened.on("request", lambda request: addresses.append(request.url))
    opened.goto(program.url)
    ask(opened, "What is a token?")
    expect(opened.locator(ANSWER).last).to_contain_text("token")
    context.close()
    assert {url for url in addresses if not url.startswith((program.url, "data:", "blob:"))} == set()
    assert len(addresses) > 10


def test_a_conversation_goes_on(page: Page, recorder: Recorder) -> None:
    """The second question carries the first one and its answer."""
    ask(page, "What is a token?")
    expect(page.locator("button.copy-response-button")).to_have_count(1)
    ask(page, "Shorter, please.")
    expect(page.locator("button.copy-response-button")).to_have_count(2)
    assert [m["role"] for m in recorder.chats[-1].request["messages"]] == ["user", "assistant", "user"]


def test_models_do_not_appear_and_then_they_do(page: Page, api: OpenWebUI, lab: Lab) -> None:
    """The seed's second trouble, as people see it."""
    api.connect_to(lab.endpoint.removesuffix("/v1"))
    page.reload()
    expect(page.locator("#model-selector-model-button")).to_contain_text("Select a model")
    api.connect_to(lab.endpoint)
    page.reload()
    expect(page.locator("#model-selector-model-button")).to_contain_text(lab.model)


def test_a_model_that_is_not_loaded_says_so_on_the_page(page: Page, lab: Lab) -> None:
    """The page passes on what Foundry Local says."""
    expect(page.locator("#model-selector-model-button")).to_contain_text(lab.model)
    service = Service(lab.endpoint.removesuffix("/v1"))
    service.unload("course-small")
    try:
        ask(page, "What is a token?")
        expect(page.locator(ANSWER).last).to_contain_text("must be loaded")
    finally:
        service.load("course-small")
