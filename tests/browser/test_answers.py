"""Answers stream in, each to whom it belongs, and whoever stops or leaves stops the model."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from attentive import Attentive
from conftest import WORDS
from person import Person
from playwright.sync_api import Browser, expect

from labkit.launch import Program
from labkit.simulator import Cloud
from labkit.simulator.journal import Request

_LIMIT = 30.0  # seconds until something that should happen has not


def test_an_answer_streams_in_and_says_who_gave_it(person: Person) -> None:
    """The first words are there long before the last ones."""
    person.ask("Please stream.")
    person.see("word3")
    assert "word90" not in person.answers.last.inner_text()
    person.wait_for_answer()
    expect(person.answers.last).to_contain_text("word99")
    expect(person.answers.last).to_contain_text("fixed-text · openai-compatible · first token")
    expect(person.answers.last).to_contain_text("tokens/s")


def test_the_real_model_answers_through_foundry_local(browser: Browser, real: Program) -> None:
    """That is what a learner sees first."""
    with Person.at(browser, real.url) as person:
        person.ask("Why do chat apps stream tokens?")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("stream")
        expect(person.answers.last).to_contain_text("course-large:1 · foundry-local")


def test_two_people_at_once_get_their_own_answers(browser: Browser, steady: Program, cloud: Cloud) -> None:
    """Each conversation is sent with its own questions only."""
    with Person.at(browser, steady.url) as anna, Person.at(browser, steady.url) as ben:
        anna.ask("I am Anna.")
        ben.ask("I am Ben.")
        anna.see("word5")
        ben.see("word5")
        anna.wait_for_answer()
        ben.wait_for_answer()
        assert anna.questions.all_inner_texts() == ["I am Anna."]
        assert ben.questions.all_inner_texts() == ["I am Ben."]
    assert {"I am Anna.", "I am Ben."} <= {request.prompt for request in cloud.requests}


def test_stop_stops_the_model_and_keeps_what_has_arrived(person: Person, cloud: Cloud) -> None:
    """The model's side sees the connection close in the middle; the page keeps and marks the half."""
    person.ask("Stop me.")
    person.see("word8")
    person.stop()
    expect(person.answers).to_have_count(1)  # Chainlit's own notice is gone
    assert "word8" in person.answers.last.inner_text()
    _assert_left(cloud, "Stop me.")


def test_a_stopped_answer_is_part_of_what_the_model_is_told_next(person: Person, model: Attentive) -> None:
    """The history holds the half that was read, without the line under it and without a notice of the stop."""
    person.ask("Stop here.")
    person.see("word8")
    person.stop()
    person.ask("And now?")
    person.see("word3")
    system, question, half, now = model.told("And now?").messages
    assert (system["role"], question["content"], now["content"]) == ("system", "Stop here.", "And now?")
    assert half["role"] == "assistant"
    assert WORDS.startswith(half["content"])
    assert "word8" in half["content"]


def test_stop_works_after_a_question_was_edited(person: Person, cloud: Cloud) -> None:
    """Chainlit itself forgets whom to stop after an edit."""
    person.ask("First wording.")
    person.wait_for_answer()
    person.edit(0, "Second wording.")
    person.see("word5")
    person.stop()
    assert person.questions.all_inner_texts() == ["Second wording."]
    expect(person.answers).to_have_count(1)
    _assert_left(cloud, "Second wording.")


def test_closing_the_browser_stops_the_model(browser: Browser, steady: Program, cloud: Cloud) -> None:
    """Nobody would read the rest."""
    with Person.at(browser, steady.url) as person:
        person.ask("I am leaving.")
        person.see("word5")
    _assert_left(cloud, "I am leaving.")


def test_an_edited_question_replaces_all_that_came_after_it(person: Person, model: Attentive) -> None:
    """The model is told the new wording, and nothing of the old one."""
    person.ask("Say: one")
    person.wait_for_answer()
    person.ask("Say: two")
    person.wait_for_answer()
    person.edit(0, "Say: three")
    person.see("three")
    assert [message["content"] for message in model.told("Say: three").messages[1:]] == ["Say: three"]
    expect(person.questions).to_have_count(1)


def test_a_new_chat_stops_the_model(person: Person, cloud: Cloud) -> None:
    """The old answer has no place any more."""
    person.ask("Clear me.")
    person.see("word5")
    person.start_anew()
    _assert_left(cloud, "Clear me.")


@pytest.mark.parametrize("question", ["<script>document.title='broken'</script>", "<b>bold</b> & <img src=x>"])
def test_html_is_shown_and_never_executed(person: Person, question: str) -> None:
    """What users type is text."""
    person.ask(question)
    person.see("word3")
    assert person.questions.all_inner_texts() == [question]
    assert person.page.title() != "broken"
    assert person.questions.locator("img, b, script").count() == 0


def test_a_newcomer_is_not_sent_to_a_login_where_nobody_logs_in(person: Person) -> None:
    """Else the page would show itself, a login and itself again, and what was typed meanwhile would be lost."""
    person.ask("Say: hello")
    person.see("hello")
    assert not [address for address in person.requests if address.endswith(("/login", "/auth/header"))]


def test_html_from_a_model_is_shown_and_never_executed(person: Person) -> None:
    """A model may repeat what it has read anywhere."""
    html = "Look: <script>document.title='broken'</script> <img src=x onerror=document.title='broken'> <b>bold</b>"
    person.ask(f"Say: {html}")
    person.wait_for_answer()
    assert person.page.title() != "broken"
    expect(person.answers.last).to_contain_text("<b>bold</b>")
    assert person.answers.last.locator("img, b, script").count() == 0


def test_an_answer_reaches_screen_readers(person: Person) -> None:
    """A live region holds what has arrived."""
    person.ask("Read to me.")
    person.wait_for_answer()
    region = person.page.locator("#spoken-answer")
    expect(region).to_contain_text("word99")
    assert region.get_attribute("aria-live") == "polite"


def _request(cloud: Cloud, prompt: str) -> Request | None:
    return next((request for request in reversed(cloud.requests) if request.prompt == prompt), None)


def _assert_left(cloud: Cloud, prompt: str) -> None:
    """Makes sure that the model's side saw the client go before the answer was complete."""
    _wait_for(lambda: (found := _request(cloud, prompt)) and found.ended is not None)
    request = _request(cloud, prompt)
    assert request is not None
    assert request.ending == "left"
    assert request.completion_tokens < len(WORDS.split())


def _wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
