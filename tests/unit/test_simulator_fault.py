"""Each fault looks to a client as it does in the real world, and a seed decides which request it hits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from openai import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    RateLimitError,
)

from labkit import simulator
from labkit.errors import SimulatorError, StreamInterrupted
from labkit.simulator import Cloud, Fault, Faults, VirtualClock
from labkit.streaming import stream

TEXT = "one two three four five six seven eight nine ten eleven twelve"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a healthy cloud; a header breaks single requests."""
    with simulator.run("instant", text=TEXT) as running:
        yield running


def _ask(cloud: Cloud, fault: str, **options: Any) -> Any:
    headers = {"X-Labkit-Fault": fault}
    return cloud.lab.client.chat.completions.create(
        model=cloud.lab.model, messages=HELLO, extra_headers=headers, **options
    )


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("429", RateLimitError, 429),
        ("500", InternalServerError, 500),
        ("503", InternalServerError, 503),
        ("unauthorised", AuthenticationError, 401),
    ],
)
def test_a_refusal_has_its_status(cloud: Cloud, fault: str, error: type[APIError], status: int, streamed: bool) -> None:
    """The openai client raises what it raises for the real service."""
    with pytest.raises(error):
        _ask(cloud, fault, stream=streamed)
    assert cloud.requests[0].status == status


def test_a_429_and_a_503_say_when_to_come_again(cloud: Cloud) -> None:
    """Retry-After comes in seconds and, as OpenAI has it, in milliseconds."""
    for fault in ("429", "503"):
        with pytest.raises(APIError) as raised:
            _ask(cloud, fault)
        headers = raised.value.response.headers  # type: ignore[attr-defined]
        assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "1000")
        assert cloud.requests[-1].retry_after == 1.0


def test_a_refused_connection_closes_without_an_answer(cloud: Cloud) -> None:
    """Not a byte comes back."""
    with pytest.raises(APIConnectionError):
        _ask(cloud, "refuse")
    assert (cloud.requests[0].status, cloud.requests[0].ending) == (0, "refuse")


@pytest.mark.parametrize(
    ("fault", "reason"), [("cut", "cut"), ("malformed", "malformed"), ("error", "error"), ("truncated", "truncated")]
)
def test_a_broken_stream_ends_as_its_fault_says(fault: str, reason: str) -> None:
    """A reader that looks closely gets text, then the typed error."""
    with simulator.run("instant", text=TEXT, faults=fault) as cloud:
        answer = stream(cloud.lab, "Hello")
        with pytest.raises(StreamInterrupted) as raised:
            list(answer)
    assert raised.value.reason == reason
    assert TEXT.startswith(raised.value.text)
    assert 0 < len(raised.value.text) < len(TEXT)


def test_a_cut_stream_is_really_reset(cloud: Cloud) -> None:
    """The system reports a reset connection, not an orderly end."""
    body = b'{"model": "fixed-text", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
    with socket.create_connection(("127.0.0.1", int(cloud.endpoint.split(":")[2].removesuffix("/v1")))) as raw:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Labkit-Fault: cut\r\nContent-Length: %d\r\n\r\n"
        raw.sendall(head % len(body) + body)
        received = b""
        with pytest.raises(ConnectionResetError):
            while part := raw.recv(1 << 16):
                received += part
    assert b"data: " in received


def test_a_stalled_stream_stays_open_and_silent(cloud: Cloud) -> None:
    """Only the client's own limit ends the wait; the server notices that it left."""
    with pytest.raises(StreamInterrupted) as raised:
        list(stream(cloud.lab, "Hello", stall_timeout=0.2, extra_headers={"X-Labkit-Fault": "stall"}))
    assert raised.value.reason == "stall"


def test_a_slow_first_token_comes_in_the_end() -> None:
    """Ten times the usual wait, two seconds at least."""
    with VirtualClock() as clock, simulator.run("instant", text=TEXT, faults="slow@1", clock=clock) as cloud:
        assert "".join(stream(cloud.lab, "Hello", clock=clock.now)) == TEXT
        list(stream(cloud.lab, "Hello", clock=clock.now))
        slow, usual = cloud.requests
    assert slow.sent[0] - slow.arrived == pytest.approx(2.0)
    assert usual.sent[0] - usual.arrived == pytest.approx(0.0)


def test_a_wrong_content_type_is_html(cloud: Cloud) -> None:
    """A page comes with status 200, as from a hotel's network."""
    raw = cloud.lab.client.chat.completions.with_raw_response.create(
        model=cloud.lab.model, messages=HELLO, extra_headers={"X-Labkit-Fault": "content_type"}
    )
    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("fault", "error"),
    [("cut", APIConnectionError), ("stall", APITimeoutError), ("malformed", ValueError)],
)
def test_a_whole_answer_can_break_too(cloud: Cloud, fault: str, error: type[Exception]) -> None:
    """What breaks a stream breaks an answer in one piece."""
    with pytest.raises(error):
        _ask(cloud, fault, timeout=0.3)


def test_a_whole_answer_can_lack_its_end_or_be_an_error(cloud: Cloud) -> None:
    """Without a finish reason the text is cut short; an error object may come with status 200."""
    truncated = _ask(cloud, "truncated").choices[0]
    assert truncated.finish_reason is None
    assert TEXT.startswith(truncated.message.content)
    assert _ask(cloud, "error").error["message"]


def test_a_short_answer_breaks_as_well() -> None:
    """Where there is no middle, the fault comes at the end."""
    for fault in ("cut", "malformed", "error", "truncated"):
        with simulator.run("instant", text="Hi", faults=fault) as cloud, pytest.raises(StreamInterrupted):
            list(stream(cloud.lab, "Hello"))


def test_a_script_hits_the_request_it_names() -> None:
    """The third request fails, the others do not."""
    with simulator.run("instant", text=TEXT, faults={3: "500"}) as cloud:
        statuses = [_status(cloud) for _ in range(4)]
    assert statuses == [200, 200, 500, 200]


def test_the_same_seed_breaks_the_same_requests() -> None:
    """Another seed breaks others, and the rate is kept on the whole."""

    def broken(seed: int) -> list[str | None]:
        with VirtualClock() as clock, simulator.run("instant", text="x", faults="500:0.3", seed=seed, clock=clock) as c:
            for _ in range(100):
                _status(c)
            return [request.fault for request in c.requests]

    first = broken(1)
    assert first == broken(1)
    assert first != broken(2)
    assert 15 <= sum(fault is not None for fault in first) <= 45


def test_chance_does_not_depend_on_what_else_happens() -> None:
    """Request N has the same fault whether requests come one after the other or all at once."""

    async def at_once(cloud: Cloud) -> None:
        await asyncio.gather(*(_attempt(cloud) for _ in range(40)), return_exceptions=True)

    async def in_turn(cloud: Cloud) -> None:
        for _ in range(40):
            await asyncio.gather(_attempt(cloud), return_exceptions=True)

    async def _attempt(cloud: Cloud) -> None:
        await cloud.lab.async_client.chat.completions.create(model=cloud.lab.model, messages=HELLO)

    seen = []
    for scenario in (at_once, in_turn):
        with VirtualClock() as clock, simulator.run("local", text="x", faults="500:0.2,cut:0.2", clock=clock) as cloud:
            clock.run(scenario(cloud))
            seen.append([(request.number, request.fault) for request in cloud.requests])
    assert seen[0] == seen[1]


def test_a_cloud_can_be_broken_and_healed_while_it_runs(cloud: Cloud) -> None:
    """The plan counts from the next request on."""
    cloud.break_with("500")
    assert _status(cloud) == 500
    cloud.break_with(None)
    assert _status(cloud) == 200


def test_a_header_can_spare_a_request() -> None:
    """`none` makes one request safe in a broken cloud."""
    with simulator.run("instant", text=TEXT, faults="500") as cloud:
        assert _ask(cloud, "none").choices[0].message.content == TEXT


@pytest.mark.parametrize(
    ("spec", "script", "rates"),
    [
        (None, {}, {}),
        ("cut", {}, {"cut": 1.0}),
        ("cut:0.2", {}, {"cut": 0.2}),
        ("cut:0.2, 429:0.1", {}, {"cut": 0.2, "429": 0.1}),
        ("cut@3,content-type:0.5", {3: "cut"}, {"content_type": 0.5}),
        (["cut@3", "503:0.1"], {3: "cut"}, {"503": 0.1}),
        ({3: "cut", "429": 0.1}, {3: "cut"}, {"429": 0.1}),
        (Faults(rates={Fault.CUT: 0.1}), {}, {"cut": 0.1}),
    ],
)
def test_a_plan_can_be_written_in_many_ways(spec: Any, script: dict[int, str], rates: dict[str, float]) -> None:
    """Text for the command line, a dictionary for a program."""
    plan = Faults.parse(spec)
    assert (dict(plan.script), dict(plan.rates)) == (script, rates)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("explode", ["explode", "429", "cut", "unauthorised"]),
        ("cutt:0.1", ["Did you mean cut?"]),
        ("cut:1.5", ["cut", "1.5", "0 to 1"]),
        ("cut:-0.1", ["cut", "-0.1", "0 to 1"]),
        ("cut:nan", ["cut", "nan", "0 to 1"]),
        ("cut:often", ["cut:often", "cut:0.2"]),
        ("cut@first", ["cut@first", "cut@3"]),
        ("cut@0", ["request 0", "counted from 1"]),
        ("cut:0.7,429:0.7", ["more than 1"]),
        ({"cut": "often"}, ["cut:often"]),
        ({3: "explode"}, ["explode", "cut"]),
        ("", ["''", "cut"]),
    ],
)
def test_a_wrong_plan_is_refused_in_words(spec: Any, words: list[str]) -> None:
    """The error says what is wrong and what would be right."""
    with pytest.raises(SimulatorError) as raised:
        simulator.run("instant", text="x", faults=spec)
    assert [word for word in words if word not in str(raised.value)] == []


def test_an_unknown_fault_in_the_header_is_a_bad_request(cloud: Cloud) -> None:
    """The reply lists the known ones."""
    with pytest.raises(APIError) as raised:
        _ask(cloud, "explode")
    assert "malformed" in raised.value.message


def _status(cloud: Cloud) -> int:
    with suppress(APIError):
        cloud.lab.client.chat.completions.create(model=cloud.lab.model, messages=HELLO)
    return cloud.requests[-1].status
