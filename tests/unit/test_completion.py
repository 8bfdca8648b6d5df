"""A whole answer reads like a stream that came in one piece."""

from __future__ import annotations

import asyncio

import pytest
from scripted_server import scripted, whole

from labkit.client import Lab
from labkit.errors import ContextTooLong, NotOpenAI
from labkit.streaming import Answer, acomplete, complete


def test_a_whole_answer_says_how_long_it_took(small: Lab) -> None:
    """All tokens come at once, so the first one is as late as the last."""
    answer = complete(small, "What is a token?", max_tokens=12, temperature=0)
    assert answer.text
    assert answer.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer.stats.time_to_first_token == pytest.approx(answer.stats.total, abs=0.01)


def test_the_async_twin_gives_the_same(small: Lab) -> None:
    """One implementation, two ways to wait."""

    async def ask() -> Answer:
        async with small.async_client:
            return await acomplete(small, "What is a token?", max_tokens=12, temperature=0)

    assert asyncio.run(ask()).text == complete(small, "What is a token?", max_tokens=12, temperature=0).text


def test_a_prompt_that_is_too_long_says_both_numbers(small: Lab) -> None:
    """Foundry Local answers HTTP 400 here, and it counts the answer in."""
    with pytest.raises(ContextTooLong) as caught:
        complete(small, "hello " * 3000, max_tokens=5)
    assert caught.value.limit == small.context_length
    assert caught.value.needed > 3000


def test_tool_calls_and_reasoning_are_kept() -> None:
    """An answer need not hold text."""
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]}
    with scripted(whole("200 OK", {"choices": [{"message": message, "finish_reason": "tool_calls"}]})) as server:
        answer = complete(server.lab, "Look!")
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert [event.kind for event in answer.events] == ["reasoning", "tool_call", "finish"]


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"choices": 1}'])
def test_a_web_page_is_no_answer(body: bytes) -> None:
    """A server that speaks something else is a wrong address."""
    with scripted(whole("200 OK", body, content_type="text/html")) as server, pytest.raises(NotOpenAI):
        complete(server.lab, "Hello?")
