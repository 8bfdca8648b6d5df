"""Whatever a server answers becomes one labkit error, the same for streams and for whole answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from scripted_server import CUT, SILENCE, scripted, whole

from labkit.client import Lab
from labkit.errors import (
    ContextTooLong,
    EndpointUnreachable,
    LabkitError,
    ModelNotFound,
    NotOpenAI,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TimedOut,
    Unauthorised,
)
from labkit.streaming import acomplete, astream, complete, stream
from labkit.translation import context_too_long, retry_after


def _stream(lab: Lab) -> None:
    list(stream(lab, "Hello?"))


def _complete(lab: Lab) -> None:
    complete(lab, "Hello?")


def _astream(lab: Lab) -> None:
    async def read() -> None:
        async with lab.async_client:
            async for _piece in astream(lab, "Hello?"):
                pass

    asyncio.run(read())


def _acomplete(lab: Lab) -> None:
    async def read() -> None:
        async with lab.async_client:
            await acomplete(lab, "Hello?")

    asyncio.run(read())


all_ways = pytest.mark.parametrize("ask", [_stream, _astream, _complete, _acomplete])
Ask = Callable[[Lab], None]


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def _raised(ask: Ask, kind: type[LabkitError], status: str, body: object, *headers: str) -> Any:
    with scripted(whole(status, body, *headers)) as server, pytest.raises(kind) as caught:
        ask(server.lab)
    assert len(server.requests) == 1, "nothing may be repeated behind the caller's back"
    return caught.value


@all_ways
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_refused_key_is_said_so(ask: Ask, status: str) -> None:
    """The message names the variable to set."""
    assert "API_KEY" in str(_raised(ask, Unauthorised, status, _error("Incorrect API key")))


@all_ways
def test_an_unknown_model_is_not_found(ask: Ask) -> None:
    """OpenAI-compatible servers answer 404 with an error object."""
    assert _raised(ask, ModelNotFound, "404 Not Found", _error("no such model")).name == "scripted"


@all_ways
@pytest.mark.parametrize("body", [b"<h1>Not found</h1>", {"detail": "Not Found"}])
def test_an_unknown_path_is_a_wrong_address(ask: Ask, body: object) -> None:
    """404 without an error object means that the server knows no chat."""
    _raised(ask, NotOpenAI, "404 Not Found", body)


@all_ways
def test_too_many_requests_tell_how_long_to_wait(ask: Ask) -> None:
    """Retry-After is kept for whoever decides about another attempt."""
    error = _raised(ask, RateLimited, "429 Too Many Requests", _error("Slow down."), "Retry-After: 7")
    assert (error.status, error.retry_after) == (429, 7.0)
    assert "Wait 7 seconds" in str(error)


@all_ways
def test_an_empty_account_is_no_rate_limit(ask: Ask) -> None:
    """OpenAI answers 429 then, too, but waiting does not help."""
    body = _error("You exceeded your current quota", "insufficient_quota")
    assert _raised(ask, RequestRefused, "429 Too Many Requests", body).status == 429


@all_ways
def test_a_failing_server_keeps_its_status(ask: Ask) -> None:
    """A router treats 500 and 503 alike, a reader may not."""
    error = _raised(ask, ServerFailed, "503 Service Unavailable", b"busy", "Retry-After: 2")
    assert (error.status, error.retry_after) == (503, 2.0)
    assert "busy" in str(error)


@all_ways
def test_a_refused_request_says_why(ask: Ask) -> None:
    """The server's own words are the best explanation of a wrong option."""
    error = _raised(ask, RequestRefused, "400 Bad Request", _error("temperature must be at most 2"))
    assert error.status == 400
    assert "temperature must be at most 2" in str(error)


@all_ways
def test_openais_words_for_a_too_long_prompt_are_understood(ask: Ask) -> None:
    """Azure and OpenAI phrase it differently from Foundry Local."""
    words = "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens."
    error = _raised(ask, ContextTooLong, "400 Bad Request", _error(words, "context_length_exceeded"))
    assert (error.needed, error.limit) == (130000, 128000)


@all_ways
def test_the_real_runtimes_words_are_understood(ask: Ask, small: Lab) -> None:
    """A model that Foundry Local does not have is not found there."""
    from dataclasses import replace

    lab = replace(small, model="course-none:1")
    with lab.client, pytest.raises(ModelNotFound):
        ask(lab)


@pytest.mark.parametrize("ask", [_complete, _acomplete])
def test_a_server_that_hangs_up_is_unreachable(ask: Ask) -> None:
    """No answer at all came, so that there is nothing to keep."""
    with scripted(CUT) as server, pytest.raises(EndpointUnreachable, match="hung up"):
        ask(server.lab)


def test_a_silent_server_times_out() -> None:
    """A whole answer has one limit."""
    with scripted(SILENCE) as server, pytest.raises(TimedOut, match=r"0\.2 seconds"):
        complete(server.lab, "Hello?", timeout=0.2)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": formatdate(0)}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_comes_in_several_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds, a date that has passed, and nonsense."""
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        (
            "request requires 6017 total tokens (6012 input + 5 output), which exceeds the model's maximum context "
            "length of 1024 tokens",
            (6017, 1024),
        ),
        (
            "This model's maximum context length is 8192 tokens. However, you requested 8,500 tokens (8000 in the "
            "messages, 500 in the completion).",
            (8500, 8192),
        ),
    ],
)
def test_both_numbers_are_read_from_the_message(message: str, numbers: tuple[int, int]) -> None:
    """No server sends them as data."""
    error = context_too_long(message)
    assert error is not None
    assert (error.needed, error.limit) == numbers


def test_other_messages_are_left_alone() -> None:
    """Not everything that mentions tokens is about a long prompt."""
    assert context_too_long("max_tokens must be positive") is None
