"""Profiles, settings, privacy, language, looks: what a user can choose, and what the page is made of."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from attentive import Attentive
from axe_playwright_python.sync_playwright import Axe
from person import Person
from playwright.sync_api import Browser, expect

from labkit.launch import Program

_SERIOUS = ("serious", "critical")


def test_settings_change_what_the_model_is_asked(person: Person, model: Attentive) -> None:
    """Temperature, longest answer and system prompt reach the model with the next question."""
    person.set(temperature=7, max_tokens=1, system="Answer in rhyme.")  # steps of 0.1 and of 16 tokens
    person.ask("How long?")
    person.wait_for_answer()
    asked = model.told("How long?")
    assert asked.body["temperature"] == pytest.approx(0.7)
    assert asked.max_tokens == 32
    assert asked.messages[0] == {"role": "system", "content": "Answer in rhyme."}
    expect(person.answers.last).to_contain_text("The answer was cut at 32 tokens")


def test_the_settings_offer_the_models_in_memory(browser: Browser, real: Program) -> None:
    """A model that is chosen there answers."""
    with Person.at(browser, real.url) as person:
        person.page.click("#chat-settings-open-modal")
        person.page.click("#model")
        expect(person.page.get_by_role("option")).to_contain_text(["course-large:1", "course-small:1"])
        person.page.get_by_role("option", name="course-small:1").click()
        person.page.click("#confirm")
        person.ask("What is a token?")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("course-small:1 · foundry-local")


def test_the_cloud_profile_asks_the_cloud_and_calls_it_simulated(browser: Browser, real: Program) -> None:
    """A simulated number is never shown as a real one."""
    with Person.at(browser, real.url) as person:
        person.choose_profile("Cloud")
        expect(person.page.locator("body")).to_contain_text("simulated cloud")
        person.ask("What is a token?")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("simulated cloud")


def test_auto_shows_why_it_chose(browser: Browser, real: Program) -> None:
    """A short question stays here, a long one goes to the cloud, and a step says so."""
    with Person.at(browser, real.url) as person:
        person.choose_profile("Auto")
        person.ask("What is a token?")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("foundry-local")
        person.page.get_by_role("button", name="Routing").first.click()
        expect(person.page.locator("body")).to_contain_text("4 words are fewer than 100")
        person.ask("token " * 120)
        expect(person.answers).to_have_count(2)
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("simulated cloud")


def test_with_privacy_on_nothing_goes_to_the_cloud(browser: Browser, real: Program) -> None:
    """The refusal names the fix, and offers the model on this machine."""
    with Person.at(browser, real.url) as person:
        person.choose_profile("Cloud")
        person.set(private=True)
        person.ask("My secret.")
        person.see("Privacy is on, so nothing may leave this machine.")
        expect(person.page.get_by_role("button", name="Retry")).to_have_count(0)
        person.press("Ask Local instead")
        person.wait_for_answer()
        expect(person.answers.last).to_contain_text("foundry-local")


def test_the_page_speaks_german(browser: Browser, real: Program) -> None:
    """Starters, readme, profile and errors; regional German too."""
    with Person.at(browser, real.url, language="de-AT") as person:
        expect(person.page.locator("body")).to_contain_text("Warum streamen Chat-Apps Tokens?")
        expect(person.page.locator("body")).to_contain_text("bleibt hier")
        person.page.click("#readme-button")
        expect(person.page.get_by_role("dialog")).to_contain_text("Dieser Chat läuft auf Ihrem Rechner")
        person.page.keyboard.press("Escape")
        person.ask("Wort " * 3000)
        person.see("Die Frage ist zu lang")
        assert person.page.get_attribute("html", "lang") == "de"


def test_a_starter_asks_its_question(browser: Browser, real: Program) -> None:
    """One click, and the answer comes."""
    with Person.at(browser, real.url) as person:
        person.page.get_by_role("button", name="What is Foundry Local?").click()
        person.wait_for_answer()
        assert person.questions.all_inner_texts() == ["What is Foundry Local?"]


def test_no_request_of_the_page_leaves_this_machine(browser: Browser, real: Program) -> None:
    """No font, no style sheet, no telemetry; the page is used, and everything that it asks for is counted."""
    with Person.at(browser, real.url) as person:
        person.ask("What is a token?")
        person.wait_for_answer()
        person.page.click("#readme-button")
        hosts = {urlsplit(url).hostname for url in person.requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert len(person.requests) > 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_ours_is_accessible(browser: Browser, real: Program, theme: str) -> None:
    """axe-core finds nothing serious in what we add, nor in the colours of our theme."""
    with Person.at(browser, real.url) as person:
        person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        person.ask("What is a token?")
        person.wait_for_answer()
        person.page.evaluate("t => document.documentElement.className = t", theme)
        found = Axe().run(person.page).response["violations"]
    serious = [v for v in found if v["impact"] in _SERIOUS]
    ours = [(v["id"], node["html"][:200]) for v in serious for node in v["nodes"] if _is_ours(v["id"], node["html"])]
    assert ours == []


def test_the_page_has_a_logo_and_a_theme_of_its_own(browser: Browser, real: Program) -> None:
    """They come from this machine, too."""
    with Person.at(browser, real.url) as person:
        person.page.locator("#chat-input").wait_for()
        logo = person.page.request.get(f"{real.url}/logo?theme=light").text()
        assert "Foundry Local chat" in logo
        assert "M8 14a8" in person.page.request.get(f"{real.url}/favicon").text()
        primary = person.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--primary')")
    assert primary.strip() in ("190 75% 55%", "196 90% 27%")


def _is_ours(rule: str, html: str) -> bool:
    ours = ("health-banner", "spoken-answer", "message-content")
    return rule == "color-contrast" or any(name in html for name in ours)
