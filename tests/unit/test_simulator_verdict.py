"""The verdict says what a client did wrong, and does not accuse without proof."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from openai import APIError, OpenAI

from labkit import simulator
from labkit.errors import LabkitError
from labkit.simulator import Cloud, Verdict, VirtualClock
from labkit.simulator.journal import Journal
from labkit.simulator.verdict import judge
from labkit.streaming import astream, stream

TEXT = "one two three four five six seven eight nine ten"


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Gives a virtual clock, so that clients can wait at no cost."""
    with VirtualClock() as running:
        yield running


def _attempt(cloud: Cloud, prompt: str = "hi", **options: Any) -> None:
    messages = [{"role": "user", "content": prompt}]
    with suppress(APIError):
        cloud.lab.client.chat.completions.create(model=cloud.lab.model, messages=messages, **options)


def _rules(verdict: Verdict, proved: bool = True) -> list[str]:
    return [finding.rule for finding in verdict.findings if finding.proved is proved]


def test_a_client_without_faults_is_clean(clock: VirtualClock) -> None:
    """A hundred good requests leave nothing to say."""
    with simulator.run("cloud", text=TEXT, clock=clock) as cloud:
        for number in range(100):
            _attempt(cloud, f"question {number}")
        assert cloud.verdict().is_clean
        assert "clean" in repr(cloud.verdict())
        assert not cloud.verdict().findings


def test_the_openai_client_with_its_own_retries_is_clean(clock: VirtualClock) -> None:
    """It waits for Retry-After, backs off, and gives up after three attempts."""

    async def load(cloud: Cloud) -> None:
        client = cloud.lab.async_client.with_options(max_retries=2, timeout=30)
        for number in range(60):
            with suppress(APIError):
                await client.chat.completions.create(
                    model=cloud.lab.model, messages=[{"role": "user", "content": f"question {number}"}]
                )

    with simulator.run("local", text=TEXT, faults="429:0.2,503:0.2,500:0.1,refuse:0.1", clock=clock) as cloud:
        clock.run(load(cloud))
        assert len(cloud.requests) > 70
        assert cloud.verdict().findings == ()


def test_coming_back_before_retry_after_is_proved(clock: VirtualClock) -> None:
    """Waiting long enough is not."""
    with simulator.run("instant", text=TEXT, faults="429@1,429@3", clock=clock) as cloud:
        _attempt(cloud, "hasty")
        clock.sleep(0.5)
        _attempt(cloud, "hasty")
        _attempt(cloud, "patient")
        clock.sleep(1.0)
        _attempt(cloud, "patient")
        (finding,) = cloud.verdict().findings
    assert (finding.rule, finding.proved, finding.requests) == ("ignored_retry_after", True, (1, 2))
    assert "0.50 s" in finding.detail


def test_repeating_what_cannot_succeed_is_proved(clock: VirtualClock) -> None:
    """The same request with another key is another try, and fair."""
    with simulator.run("instant", text=TEXT, faults="unauthorised", clock=clock) as cloud:
        _attempt(cloud)
        clock.sleep(5)
        _attempt(cloud, extra_headers={"Authorization": "Bearer another"})
        assert cloud.verdict().findings == ()
        clock.sleep(5)
        _attempt(cloud)
        assert _rules(cloud.verdict()) == ["retried_final"]


def test_more_than_five_attempts_are_a_storm(clock: VirtualClock) -> None:
    """Even with pauses."""
    with simulator.run("instant", text=TEXT, faults="500", clock=clock) as cloud:
        for _ in range(5):
            _attempt(cloud)
            clock.sleep(5)
        assert cloud.verdict().is_clean
        _attempt(cloud)
        assert _rules(cloud.verdict()) == ["retry_storm"]


def test_retries_without_a_pause_are_a_storm(clock: VirtualClock) -> None:
    """One at once is a reflex, two are a storm."""
    with simulator.run("instant", text=TEXT, faults="500", clock=clock) as cloud:
        _attempt(cloud)
        _attempt(cloud)
        assert cloud.verdict().is_clean
        _attempt(cloud)
        assert _rules(cloud.verdict()) == ["retry_storm"]


def test_mostly_retries_are_a_storm_though_each_call_is_polite(clock: VirtualClock) -> None:
    """Many callers with three attempts each keep a broken server down."""

    async def caller(cloud: Cloud, number: int) -> None:
        client = cloud.lab.async_client.with_options(max_retries=2)
        with suppress(APIError):
            await client.chat.completions.create(
                model=cloud.lab.model, messages=[{"role": "user", "content": f"question {number}"}]
            )

    async def crowd(cloud: Cloud) -> None:
        await asyncio.gather(*(caller(cloud, number) for number in range(40)))

    with simulator.run("instant", text=TEXT, faults="500", clock=clock) as cloud:
        clock.run(crowd(cloud))
        (finding,) = cloud.verdict().findings
    assert finding.rule == "retry_storm"
    assert "circuit breaker" in finding.detail


def test_the_same_question_at_the_same_time_is_no_retry(clock: VirtualClock) -> None:
    """Nobody retries what has not failed yet."""

    async def crowd(cloud: Cloud) -> None:
        create = cloud.lab.async_client.chat.completions.create
        same = [{"role": "user", "content": "hi"}]
        await asyncio.gather(*(create(model=cloud.lab.model, messages=same) for _ in range(30)), return_exceptions=True)

    with simulator.run("local", text=TEXT, faults="cut", clock=clock) as cloud:
        clock.run(crowd(cloud))
        assert cloud.verdict().findings == ()


def test_stopping_a_good_answer_and_asking_again_is_no_retry(clock: VirtualClock) -> None:
    """People press stop."""
    with simulator.run("local", text=TEXT, clock=clock) as cloud:
        for _ in range(8):
            with stream(cloud.lab, "hi", clock=clock.now) as answer:
                next(iter(answer))
        assert [request.ending for request in cloud.requests] == ["left"] * 8
        assert cloud.verdict().findings == ()


def test_an_idempotency_key_tells_calls_apart(clock: VirtualClock) -> None:
    """Two people may ask the same thing."""
    with simulator.run("instant", text=TEXT, faults="500", clock=clock) as cloud:
        for number in range(8):
            _attempt(cloud, extra_headers={"Idempotency-Key": f"person {number}"})
        assert cloud.verdict().findings == ()


def test_a_truncated_stream_is_only_suspected(clock: VirtualClock) -> None:
    """A client that raised an error and one that looked away send the same."""
    with simulator.run("instant", text=TEXT, faults="truncated@1", clock=clock) as cloud:
        _attempt(cloud, stream=True)
        verdict = cloud.verdict()
        assert verdict.is_clean
        assert _rules(verdict, proved=False) == ["accepted_truncated"]
        cloud.noticed(1)
        assert cloud.verdict().findings == ()


def test_asking_again_shows_that_a_truncated_stream_was_noticed(clock: VirtualClock) -> None:
    """The retry clears the suspicion."""
    with simulator.run("instant", text=TEXT, faults="truncated@1", clock=clock) as cloud:
        for _ in range(2):
            with suppress(LabkitError):
                list(stream(cloud.lab, "hi", clock=clock.now))
            clock.sleep(1)
        assert cloud.verdict().findings == ()


@pytest.mark.parametrize("streamed", [True, False])
def test_going_on_with_a_truncated_answer_is_proved(clock: VirtualClock, streamed: bool) -> None:
    """The next request has it in its history as if it were whole."""
    with simulator.run("instant", text=TEXT, faults="truncated@1", clock=clock) as cloud:
        hi = {"role": "user", "content": "hi"}
        create = cloud.lab.client.chat.completions.create
        reply = create(model=cloud.lab.model, messages=[hi], stream=streamed)
        text = (
            "".join(chunk.choices[0].delta.content or "" for chunk in reply)
            if streamed
            else reply.choices[0].message.content
        )
        create(model=cloud.lab.model, messages=[hi, {"role": "assistant", "content": text}, hi])
        (finding,) = cloud.verdict().findings
    assert (finding.rule, finding.proved, finding.requests) == ("accepted_truncated", True, (1, 2))


def test_holding_a_stalled_stream_is_a_leak(clock: VirtualClock) -> None:
    """Half a minute of silence is too long; a client with a limit is clean."""

    async def wait(cloud: Cloud, limit: float) -> None:
        with suppress(LabkitError):
            async for _ in astream(cloud.lab, "hi", clock=clock.now, stall_timeout=limit):
                pass

    with simulator.run("instant", text=TEXT, faults="stall", clock=clock) as cloud:
        clock.run(wait(cloud, 10))
        assert cloud.verdict().findings == ()
        clock.run(wait(cloud, 100))
        assert _rules(cloud.verdict()) == ["leaked_connection"]


def test_one_client_for_many_requests_is_no_leak() -> None:
    """Its connection stays open and is used again."""
    with simulator.run("instant", text=TEXT) as cloud:
        for number in range(10):
            _attempt(cloud, f"question {number}")
        assert cloud.verdict().findings == ()
        assert len({request.connection for request in cloud.requests}) == 1


def test_clients_that_are_never_closed_are_a_leak() -> None:
    """Each new client opens a connection while the old ones lie idle."""
    with simulator.run("instant", text=TEXT) as cloud:
        clients = []
        for number in range(5):
            http = httpx2.Client(trust_env=False)
            clients.append(OpenAI(base_url=cloud.endpoint, api_key="k", http_client=http))
            clients[-1].chat.completions.create(
                model=cloud.lab.model, messages=[{"role": "user", "content": f"question {number}"}]
            )
            cloud.clock.sleep(0.1)  # real idle time is what the rule is about
        verdict = cloud.verdict()
        for client in clients:
            client.close()
    assert _rules(verdict) == ["leaked_connection"]
    assert "left 4 connections open" in verdict.findings[0].detail


def test_the_verdict_can_be_read_in_a_notebook_and_in_a_terminal(clock: VirtualClock) -> None:
    """What happened stands in words, next to what to do, and nothing of it is markup from outside."""
    with simulator.run("instant", text=TEXT, faults="429", clock=clock) as cloud:
        _attempt(cloud)
        _attempt(cloud)
        verdict = cloud.verdict()
    assert "1 proved" in repr(verdict)
    assert "[proved] ignored_retry_after: came again after 0.00 s" in repr(verdict)
    html = verdict._repr_html_()
    assert "<caption>Verdict on the client after 2 requests: 1 proved, 0 suspected.</caption>" in html
    assert html.count("<tr>") == 2


def test_a_long_run_is_judged_by_what_is_kept() -> None:
    """The verdict says how much it has seen."""
    journal = Journal()
    for number in range(20_001):
        entry = journal.open(float(number), 0)
        entry.status, entry.call = 200, str(number)
        journal.close(entry, number + 0.5, "complete")
    verdict = judge(journal, 20_001.0)
    assert (verdict.judged, verdict.total, verdict.is_clean) == (20_000, 20_001, True)
    assert "20,000 of 20,001 requests" in repr(verdict)
