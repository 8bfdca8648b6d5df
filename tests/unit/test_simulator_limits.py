"""Rate limits refuse what is over them, and say so in OpenAI's headers."""

from __future__ import annotations

from typing import Any

import pytest
from openai import RateLimitError

from labkit import simulator
from labkit.limits import go_duration
from labkit.simulator import Cloud, Profile, VirtualClock

HELLO = [{"role": "user", "content": "one two three"}]  # six tokens


def _ask(cloud: Cloud, **options: Any) -> Any:
    return cloud.lab.client.chat.completions.with_raw_response.create(model=cloud.lab.model, messages=HELLO, **options)


def test_each_reply_says_what_is_left() -> None:
    """Six headers, for requests and for tokens; the time until everything is free again is a Go duration."""
    profile = Profile("p", requests_per_minute=60, tokens_per_minute=6_000)
    with VirtualClock() as clock, simulator.run(profile, text="x", clock=clock) as cloud:
        _ask(cloud, max_tokens=54)
        headers = _ask(cloud, max_tokens=54).headers
    assert {name: value for name, value in headers.items() if name.startswith("x-ratelimit")} == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "58",
        "x-ratelimit-reset-requests": "2s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "5880",
        "x-ratelimit-reset-tokens": "1.2s",
    }


def test_without_limits_there_are_no_such_headers() -> None:
    """As with servers that have none."""
    with simulator.run("instant", text="x") as cloud:
        assert not [name for name in _ask(cloud).headers if name.startswith("x-ratelimit")]


def test_a_request_over_the_limit_waits_as_long_as_told() -> None:
    """After Retry-After the next request gets through; before it does not."""
    with VirtualClock() as clock, simulator.run(Profile("p", requests_per_minute=2), text="x", clock=clock) as cloud:
        _ask(cloud)
        _ask(cloud)
        with pytest.raises(RateLimitError) as refused:
            _ask(cloud)
        headers = refused.value.response.headers
        assert int(headers["retry-after"]) == 30
        assert 29_000 < int(headers["retry-after-ms"]) <= 30_000
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.type == "requests"
        assert "requests per min (RPM): Limit 2, Used 2, Requested 1" in refused.value.message
        clock.sleep(int(headers["retry-after-ms"]) / 1000 - 1)
        with pytest.raises(RateLimitError):
            _ask(cloud)
        clock.sleep(1)
        assert _ask(cloud).status_code == 200


def test_prompt_and_max_tokens_count_against_the_token_limit() -> None:
    """What the answer may use is reserved when the request comes."""
    with VirtualClock() as clock, simulator.run(Profile("p", tokens_per_minute=100), text="x", clock=clock) as cloud:
        assert _ask(cloud, max_tokens=90).status_code == 200
        with pytest.raises(RateLimitError) as refused:
            _ask(cloud, max_tokens=90)
    assert refused.value.type == "tokens"
    assert int(refused.value.response.headers["retry-after"]) == 56


def test_a_request_that_can_never_fit_is_not_told_to_wait() -> None:
    """No Retry-After, because waiting does not help."""
    with simulator.run(Profile("p", tokens_per_minute=50), text="x") as cloud, pytest.raises(RateLimitError) as refused:
        _ask(cloud, max_tokens=90)
    assert "Request too large" in refused.value.message
    assert "retry-after" not in refused.value.response.headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.017, "17ms"),
        (0.9996, "1s"),
        (1, "1s"),
        (8.64, "8.64s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (95, "1m35s"),
    ],
)
def test_times_are_written_like_openai_writes_them(seconds: float, text: str) -> None:
    """Go's notation."""
    assert go_duration(seconds) == text
