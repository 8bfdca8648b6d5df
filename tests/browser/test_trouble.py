"""What goes wrong is said in plain words, with the way out; bad input does no harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attentive import Attentive
from conftest import WORDS
from person import Person
from playwright.sync_api import Browser, expect

from labkit import launch
from labkit.chat.client import ChatClient
from labkit.launch import Program
from labkit.launch.process_tree import kill, tree
from labkit.launch.program import Plan
from labkit.ports import free_port
from labkit.simulator import Cloud

_STARTING = 60.0  # seconds
_RECOVERY = 90_000  # milliseconds: a look at health every five seconds, on a machine that is busy


@contextmanager
def _served(port: int, home: Path) -> Iterator[Program]:
    """Runs `labkit serve` in a process of its own."""
    command = [sys.executable, "-m", "labkit", "serve", "--port", str(port), "--model", "course-small"]
    url = f"http://127.0.0.1:{port}/models/loaded"
    plan = Plan("Foundry Local", command, url, home / f"serve-{port}.log", env={"LABKIT_HOME": str(home)})
    with Program(plan) as program:
        yield program.wait_until_ready(_STARTING)


def test_a_backend_that_is_killed_and_restarted_in_the_middle_of_a_chat(browser: Browser, tmp_path: Path) -> None:
    """The page says that it is down, offers the cloud, shows a banner, and all of it goes away by itself."""
    port = free_port()
    settings = {"BASE_URL": f"http://127.0.0.1:{port}/v1", "MODEL": "course-small"}
    with (
        _served(port, tmp_path) as backend,
        launch.chat(port=free_port(), env=settings) as app,
        Person.at(browser, app.url) as person,
    ):
        person.ask("What is a token?")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("course-small:1")
        kill(tree(backend.pid))
        person.ask("What is an alias?")
        person.see("Local cannot be reached.")
        person.see("labkit serve")
        expect(person.banner).to_contain_text("One of the models cannot answer", timeout=_RECOVERY)
        person.press("Ask Cloud (simulated cloud) instead")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("simulated cloud")
        person.ask("What is port 51211 for?")
        person.see("Local cannot be reached.")
        with _served(port, tmp_path):
            expect(person.banner).to_be_hidden(timeout=_RECOVERY)
            person.press("Retry")
            person.wait_for_answer()
            expect(person.answers.last).to_contain_text("course-small:1")
            expect(person.page.locator("#root")).not_to_contain_text("cannot be reached")


def test_retry_asks_the_same_question_again(person: Person, cloud: Cloud, model: Attentive) -> None:
    """The error goes away, and the history holds no trace of it."""
    cloud.break_with("500")
    person.ask("Fail once.")
    person.see("Local failed.")
    cloud.break_with(None)
    person.press("Retry")
    person.wait_for_answer()
    expect(person.answers).to_have_count(1)
    expect(person.answers.last).to_contain_text("word99")
    assert len(model.told("Fail once.").messages) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("429", "Local wants fewer requests for now."),
        ("unauthorised", "Local refuses the API key."),
        ("cut", "The answer broke off."),
        ("error", "The answer broke off."),
        ("truncated", "The answer broke off."),
    ],
)
def test_each_fault_is_said_in_plain_words(person: Person, cloud: Cloud, fault: str, said: str) -> None:
    """With what to do, and a way to retry; never a traceback."""
    cloud.break_with(fault)
    try:
        person.ask("Hello?")
        person.see(said)
    finally:
        cloud.break_with(None)
    expect(person.page.get_by_role("button", name="Retry")).to_be_visible()
    assert "Traceback" not in person.page.inner_text("body")


def test_a_broken_answer_is_not_told_to_the_model(person: Person, cloud: Cloud, model: Attentive) -> None:
    """What broke off stays on the page, and counts for nothing in the conversation."""
    cloud.break_with("cut")
    person.ask("Break off.")
    person.see("The answer broke off.")
    expect(person.answers.first).to_contain_text("word1")
    cloud.break_with(None)
    person.ask("Say: fine")
    person.see("fine")
    assert [message["content"] for message in model.told("Say: fine").messages[1:]] == ["Say: fine"]


@pytest.mark.parametrize("nothing", ["", "   \n "])
def test_an_empty_message_cannot_be_sent(person: Person, nothing: str) -> None:
    """The button stays off."""
    person.page.fill("#chat-input", nothing)
    person.page.keyboard.press("Enter")
    expect(person.page.locator("#chat-submit")).to_be_disabled()
    expect(person.questions).to_have_count(0)


def test_a_message_of_control_characters_is_told_to_be_empty(person: Person) -> None:
    """The page lets it through, and the server does not."""
    person.ask("\x01\x02\x7f")
    person.see("Type a question first")


def test_control_characters_do_not_reach_the_model(person: Person, model: Attentive) -> None:
    """What people paste from terminals has some."""
    person.ask("Say:\x07 a\x1b[31mb\x00c\ttab")
    person.see("tab")
    assert model.asks[-1].messages[-1]["content"] == "Say: a[31mbc\ttab"


def test_a_hundred_thousand_characters_are_too_long_and_the_chat_goes_on(browser: Browser, real: Program) -> None:
    """The error says how long the question is and how much the model holds; nothing is offered that cannot help."""
    with Person.at(browser, real.url) as person:
        person.ask("a" * 100_000)
        person.see("The question is too long")
        expect(person.answers.last).to_contain_text("1,024")
        expect(person.page.get_by_role("button", name="Retry")).to_have_count(0)
        person.ask("What is a token?")
        person.wait_for_answer()


def test_files_are_not_accepted(person: Person) -> None:
    """There is no button for them, a file that is dropped changes nothing, and the server refuses an upload."""
    assert person.page.locator("#upload-button").count() == 0
    person.ask("Say: before")
    person.wait_for_answer()
    transfer = person.page.evaluate_handle(
        "() => { const d = new DataTransfer(); d.items.add(new File(['x'], 'x.txt', {type: 'text/plain'})); return d }"
    )
    person.page.dispatch_event("#chat-input", "drop", {"dataTransfer": transfer})
    person.ask("Say: after")
    person.see("after")
    expect(person.page.locator("body")).not_to_contain_text("x.txt")


def test_ten_messages_during_an_answer_are_answered_in_order(steady: Program, model: Attentive) -> None:
    """The page sends no second message while one is answered; a client that does is served one by one.

    Each is told to the model with the turns before it, and without those after it.
    """
    with ChatClient.at(steady.url) as chat:
        for number in range(10):
            chat.send(f"Say: said{number}")
        exchange = chat.wait()
    assert [answer.text.split()[0] for answer in exchange.answers] == [f"said{number}" for number in range(10)]
    told = [message["content"] for message in model.told("Say: said9").messages[1:]]
    assert told == [text for number in range(9) for text in (f"Say: said{number}", f"said{number}")] + ["Say: said9"]


def test_stop_also_stops_messages_that_wait(steady: Program, model: Attentive) -> None:
    """Whoever presses Stop wants silence."""
    with ChatClient.at(steady.url) as chat:
        chat.send("Talk.")
        chat.wait_for_text()
        chat.send("Say: never")
        chat.stop()
        exchange = chat.ask("Say: now")
    assert exchange.text.startswith("now")
    assert not any(ask.messages[-1]["content"] == "Say: never" for ask in model.asks)


def test_while_an_answer_streams_the_page_sends_nothing(person: Person) -> None:
    """The button for sending has become the one for stopping."""
    person.ask("Take your time.")
    person.see("word3")
    person.page.fill("#chat-input", "Impatient.")
    person.page.keyboard.press("Enter")
    expect(person.questions).to_have_count(1)
    person.wait_for_answer()
    expect(person.answers.last).to_contain_text(WORDS.split()[-1])
