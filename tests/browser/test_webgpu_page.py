"""The page of the WebGPU demo does what it says: digits, chat, accessibility, privacy."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from visitor import Visitor

from labkit.launch import Program

QUESTION = "Why do chat apps stream tokens?"
SEVEN = [[(1, 0), (8, 0), (4, 10)]]
FOUR = [[(5, 0), (1, 6), (8, 6)], [(6, 3), (6, 10)]]


def test_every_sample_is_recognised(visitor: Visitor) -> None:
    """The samples are digits that the model has not seen, and it knows them all."""
    found = []
    for digit in range(10):
        visitor.take_sample(digit)
        found.append(visitor.recognised)
    assert found == [str(digit) for digit in range(10)]


@pytest.mark.parametrize(("digit", "lines"), [(7, SEVEN), (4, FOUR)], ids=["7", "4"])
def test_a_digit_drawn_with_the_mouse_is_recognised(
    visitor: Visitor, digit: int, lines: list[list[tuple[int, int]]]
) -> None:
    """Lines become an image of the size that the model was trained on."""
    visitor.draw(lines)
    visitor.see("digits-status", f"looks like a {digit}")
    assert visitor.recognised == str(digit)


def test_a_digit_drawn_small_and_in_a_corner_is_recognised(visitor: Visitor) -> None:
    """Where and how large somebody draws says nothing about the digit."""
    visitor.draw([[(x / 3 + 7, y / 3 - 1) for x, y in line] for line in SEVEN])
    visitor.see("digits-status", "looks like a 7")


def test_a_digit_drawn_with_the_keyboard_is_recognised(visitor: Visitor) -> None:
    """Nobody needs a mouse."""
    visitor.text("pad").focus()
    keys = [*["ArrowLeft"] * 4, " ", *["ArrowRight"] * 6, *(["ArrowDown", "ArrowDown", "ArrowLeft"] * 4), " "]
    for key in keys:
        visitor.page.keyboard.press(key)
    visitor.see("digits-status", "looks like a 7")


def test_touch_draws_too(browser: Browser, demo: Program) -> None:
    """A finger's touch is a dot, and a dot is drawn and answered."""
    with Visitor.at(browser, demo.url, has_touch=True) as visitor:
        visitor.wait().text("pad").tap()
        visitor.see("digits-status", "looks like")


def test_probabilities_are_probabilities(visitor: Visitor) -> None:
    """Ten numbers that make one whole, and not logits under another name."""
    visitor.take_sample(3)
    shares = [float(cell.split()[0]) for cell in visitor.page.locator("#bars td:last-child").all_inner_texts()]
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert max(shares) == shares[3]


def test_an_answer_equals_foundry_locals(visitor: Visitor) -> None:
    """The same weights, greedy, give the same text in the browser and in Foundry Local; the page asks and says so."""
    answer = visitor.answer(QUESTION)
    assert "stream" in answer.lower()
    visitor.press("Compare with Foundry Local")
    visitor.see("chat-status", "The same answer, character by character")


@pytest.mark.parametrize(
    "question", ["WHAT is a token??", "Wie geht's? ünïcödé 🙂 日本", "<script>alert(1)</script>", "a" * 300]
)
def test_any_text_is_tokenised_as_foundry_local_does_it(visitor: Visitor, question: str) -> None:
    """Capitals, emoji, markup and nonsense reach the model as the same tokens, so the answer is the same."""
    visitor.answer(question)
    assert visitor.page.locator(".question").inner_text() == question
    visitor.press("Compare with Foundry Local")
    visitor.see("chat-status", "The same answer")


def test_a_second_question_is_answered_by_itself(visitor: Visitor) -> None:
    """The page says that each question stands alone, and so it is."""
    visitor.answer("What is a token?")
    alone = visitor.answer(QUESTION)
    visitor.page.reload()
    assert visitor.wait().answer(QUESTION) == alone


def test_stop_interrupts_and_keeps_what_has_come(graphics: Browser, demo: Program) -> None:
    """On a slow provider there is time to press Stop; half an answer stays, and the next question works."""
    with Visitor.at(graphics, f"{demo.url}/?provider=webgpu") as visitor:
        visitor.wait().ask(QUESTION)
        expect(visitor.page.locator(".answer").last).not_to_be_empty()
        visitor.press("Stop")
        visitor.see("chat-status", "stopped by you")
        half = visitor.page.locator(".answer").last.inner_text()
        expect(visitor.text("chat-compare")).to_be_disabled()
        visitor.ask("What is a token?")
        expect(visitor.page.locator(".answer").nth(1)).not_to_be_empty()
        assert visitor.page.locator(".answer").first.inner_text() == half
        visitor.press("Stop")
        visitor.see("chat-status", "stopped by you")


def test_the_answer_reaches_screen_readers_once(visitor: Visitor) -> None:
    """Token by token would be noise."""
    answer = visitor.answer(QUESTION)
    assert visitor.text("chat-spoken").inner_text().strip() == answer.strip()
    assert visitor.text("chat-spoken").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, demo: Program, scheme: str) -> None:
    """No violation at all, in both colour schemes, with results on the page."""
    with Visitor.at(browser, demo.url, color_scheme=scheme) as visitor:
        visitor.wait().take_sample(8)
        visitor.answer(QUESTION)
        visitor.page.locator("summary").click()
        found = Axe().run(visitor.page)
        assert found.violations_count == 0, found.generate_report()


def test_motion_stops_where_people_want_less(browser: Browser, demo: Program) -> None:
    """The bars jump instead of sliding."""
    with Visitor.at(browser, demo.url, reduced_motion="reduce") as visitor:
        durations = visitor.wait().run("() => getComputedStyle(document.querySelector('.bar')).transitionDuration")
        assert durations == "0s"


def test_everything_is_reached_with_the_tabulator(visitor: Visitor) -> None:
    """The drawing area, the samples and the question are on the way."""
    reached = set()
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        reached.add(visitor.run("() => document.activeElement.id || document.activeElement.ariaLabel"))
    assert {
        "pad",
        "pad-clear",
        "Sample: a handwritten 0",
        "digits-measure",
        "chat-input",
        "chat-send",
        "clear",
    } <= reached


def test_no_request_leaves_the_page(visitor: Visitor, demo: Program) -> None:
    """Drawing and chatting go nowhere; all requests go to the page's own server, and the page counts them."""
    visitor.take_sample(2)
    visitor.answer(QUESTION)
    before = len(visitor.requests)
    visitor.take_sample(5)
    visitor.answer("What is a token?")
    assert len(visitor.requests) == before
    assert [url for url in visitor.requests if not url.startswith(f"{demo.url}/")] == []
    visitor.see("requests", "0 elsewhere")


def test_the_policy_stops_requests_to_other_places(visitor: Visitor) -> None:
    """Even code that wanted to could send nothing away, when the libraries are installed here."""
    script = "url => fetch(url, {mode: 'no-cors'}).then(() => 'sent', error => error.name)"
    assert visitor.run(script, "https://cdn.jsdelivr.net/npm/onnxruntime-web/package.json") == "TypeError"
    assert visitor.run(script, "http://127.0.0.1:9/") == "TypeError"


def test_the_measured_time_is_a_median_after_a_warm_up(visitor: Visitor) -> None:
    """A single first run would measure compiling."""
    visitor.take_sample(1)
    visitor.press("Measure")
    said = visitor.see("digits-status", "the median of 30 runs after a warm-up")
    assert float(re.search(r"([\d.]+) ms", said)[1]) > 0  # type: ignore[index]  # the words above hold a number
