"""What counts as personal data, and what only looks like it."""

from __future__ import annotations

import pytest

from labkit.routing import Backend, Finding, PatternDetector, Policy, PresidioDetector, Privacy, Request

PERSONAL = {
    "an e-mail address": ["write to anna.b+x@example.co.uk", "anna\uff20example.com"],
    "a telephone number": [
        *("ring +49 30 901820", "call 030/901820", "0301234567", "06 12 34 56 78"),
        *("(212) 555-0187", "212-555-0187", "0049 (0)30 901820"),
    ],
    "an IBAN": ["DE89 3704 0044 0532 0130 00 please", "de89370400440532013000", "GB29NWBK60161331926819"],
    "a card number": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "4111\u200b111111111111"],
}
HARMLESS = [
    *("What happened on 2026-11-22?", "on 01.02.2026 or 22/11/2026", "version 1.2.3.4567 on 10.0.0.1:8080"),
    *("4111111111111112", "3.14159265358979", "0.000001234567", "add 1000000 and 2000000", "ports 51211, 8080"),
    *(
        "@app.route",
        "a@b",
        "1a2b3c4d5e6f7a8b",
        "1732300000",
        "0 1 1 2 3 5 8 13 21",
        "12:30:45.123456",
        "course-large:1",
    ),
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in PERSONAL.items() for text in texts])
def test_personal_data_is_found_by_kind(kind: str, text: str) -> None:
    """Each usual way to write an address, a number, an IBAN or a card is found."""
    assert kind in {finding.kind for finding in PatternDetector().find(text)}


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_numbers_are_left_alone(text: str) -> None:
    """Dates, versions, addresses of machines, and numbers with wrong check digits are no personal data."""
    assert PatternDetector().find(text) == []


def test_an_iban_with_one_wrong_digit_is_none() -> None:
    """The check digits decide, not the form."""
    assert "an IBAN" not in {finding.kind for finding in PatternDetector().find("DE88 3704 0044 0532 0130 00")}


def test_a_number_is_one_kind_of_number() -> None:
    """Groups of an IBAN's digits are no telephone number, and the telephone number after it is still found."""
    text = "DE89 3704 0044 0532 0130 00 or 030 901820"
    found = PatternDetector().find(text)
    assert [(each.kind, text[each.start : each.end]) for each in found] == [
        ("an IBAN", "DE89 3704 0044 0532 0130 00"),
        ("a telephone number", "030 901820"),
    ]


@pytest.mark.parametrize("text", ["a", "a@", "+1 ( ", "0", "4 ", "DE89", "1-", "((("])
def test_no_text_makes_the_search_slow(text: str) -> None:
    """A hundred thousand characters are searched at once; backtracking would run into the test's time limit."""
    PatternDetector().find(text * (100_000 // len(text)))


def test_a_finding_does_not_hold_the_data() -> None:
    """Traces and logs can show findings without leaking what was found."""
    assert "anna" not in repr(PatternDetector().find("anna@example.com"))


def test_presidio_can_take_the_detectors_place() -> None:
    """Whatever an analyzer with Presidio's interface reports counts as personal data."""

    class Result:
        entity_type, start, end = "PERSON", 0, 4

    class Analyzer:
        def analyze(self, text: str, language: str) -> list[Result]:
            return [Result()] if "Anna" in text and language == "en" else []

    assert PresidioDetector(Analyzer()).find("Anna asks") == [Finding("PERSON (Presidio)", 0, 4)]


def test_a_detector_that_fails_keeps_the_request_here() -> None:
    """When nobody can say whether a text is private, it is treated as private."""

    class Broken:
        def find(self, text: str) -> list[Finding]:
            raise OSError("no model")

    cloud = Backend("cloud", "azure", "m", is_private=False)
    decision = Policy([Privacy(detector=Broken())]).decide(Request.of("hello"), [cloud])
    assert decision.chosen is None
    assert "failed (OSError)" in decision.rejected[0].reason


def test_the_whole_conversation_is_searched() -> None:
    """An address in an old message would be sent again, so it counts."""
    messages = [
        {"role": "user", "content": "I am anna@example.com"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "What is a token?"}]},
    ]
    cloud = Backend("cloud", "azure", "m", is_private=False)
    assert Policy([]).decide(Request.of(messages), [cloud]).chosen is None


def test_an_image_stays_here() -> None:
    """What cannot be searched is treated as private."""
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}]
    cloud = Backend("cloud", "azure", "m", is_private=False)
    assert Policy([]).decide(Request.of(messages), [cloud]).chosen is None
