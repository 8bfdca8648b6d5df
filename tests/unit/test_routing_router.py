"""The router over real HTTP: fallbacks, limits, traces, and what it never does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from random import Random

import pytest

from labkit.client import Lab
from labkit.errors import (
    ContextTooLong,
    DeadlineExceeded,
    NoBackend,
    NotOpenAI,
    PolicyError,
    RequestRefused,
    StreamInterrupted,
)
from labkit.ports import free_port
from labkit.routing import Always, Backend, Policy, Price, RoutedStream, Router, Trace
from labkit.simulator import Cloud, Latency, Profile, VirtualClock, run

ALPHA, BETA = "alpha beta gamma delta epsilon zeta eta theta", "one two three four five six seven eight nine"
PRICE = Price(2.5, 10)
ORDER = Policy([])


@pytest.fixture
def first() -> Iterator[Cloud]:
    """Gives a healthy cloud that says ALPHA."""
    with run("instant", text=ALPHA) as cloud:
        yield cloud


@pytest.fixture
def second() -> Iterator[Cloud]:
    """Gives a healthy cloud that says BETA."""
    with run("instant", text=BETA) as cloud:
        yield cloud


def router(first: Cloud, second: Cloud, **options: object) -> Router:
    """Gives a router that asks the first one first; only the first one is private."""
    backends = [Backend.of(first.lab, "first", is_private=True), Backend.of(second.lab, "second", price=PRICE)]
    return Router(backends, ORDER, **options)  # type: ignore[arg-type]


def statuses(trace: Trace) -> list[tuple[str, str, str]]:
    """Gives backend, rule and status of each attempt."""
    return [(attempt.backend, attempt.rule, attempt.status) for attempt in trace]


def test_a_reply_says_where_it_came_from_and_what_it_cost(first: Cloud, second: Cloud) -> None:
    """Text, source, model, tokens, cost and the one attempt are all there."""
    reply = router(first, second).with_policy(Policy([Always("second")])).complete("hello")
    assert (str(reply), reply.source, reply.model) == (BETA, "simulated-cloud", "fixed-text")
    (attempt,) = reply.trace
    assert (attempt.backend, attempt.rule, attempt.status) == ("second", "always", "ok")
    assert (attempt.prompt_tokens, attempt.completion_tokens) == (
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
    )
    assert reply.cost == pytest.approx(PRICE.of(attempt.prompt_tokens, attempt.completion_tokens))
    assert "simulated-cloud" in reply._repr_html_()
    assert second.requests[-1].cost == 0  # the profile is free, so the cost is the backend's price, not the server's


FALL_BACK = ["429", "500", "503", "refuse", "unauthorised", "content_type", "cut", "malformed", "error", "truncated"]


@pytest.mark.parametrize("fault", FALL_BACK)
def test_a_whole_answer_falls_back_after_any_failure(first: Cloud, second: Cloud, fault: str) -> None:
    """Nothing has been shown yet, so the next backend answers, and the trace shows both attempts."""
    first.break_with(fault)
    reply = router(first, second).complete("hello")
    assert reply.text == BETA
    assert [a.backend for a in reply.trace] == ["first", "second"]
    assert reply.trace[1].rule == "fallback"
    assert reply.trace[0].error is not None


@pytest.mark.parametrize("fault", ["429", "500", "refuse", "unauthorised", "content_type"])
def test_a_stream_falls_back_before_its_first_piece(first: Cloud, second: Cloud, fault: str) -> None:
    """The reader sees one answer from one backend."""
    first.break_with(fault)
    stream = router(first, second).stream("hello")
    assert "".join(stream) == BETA
    assert stream.reply is not None
    assert (stream.reply.backend.name, len(stream.trace)) == ("second", 2)


@pytest.mark.parametrize("fault", ["cut", "malformed", "error", "truncated"])
def test_a_stream_never_falls_back_after_its_first_piece(first: Cloud, second: Cloud, fault: str) -> None:
    """The error carries what was given out, and the second backend is never asked."""
    first.break_with(fault)
    pieces = []
    stream = router(first, second).stream("hello")
    with pytest.raises(StreamInterrupted) as caught:
        for piece in stream:
            pieces.append(piece)
    assert pieces
    assert caught.value.text == "".join(pieces)
    assert ALPHA.startswith(caught.value.text)
    assert caught.value.trace is stream.trace
    assert second.requests == ()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_private_request_never_reaches_the_cloud(first: Cloud, second: Cloud, streamed: bool) -> None:
    """Neither a dead local backend nor an open circuit opens the way: the cloud's request log stays empty."""
    first.break_with("refuse")
    routed = router(first, second, random=Random(0))
    for prompt, private in (("hello", True), ("I am anna@example.com", False)):
        with pytest.raises(NoBackend, match="second: privacy") as caught:
            "".join(routed.stream(prompt, private=private, deadline=2)) if streamed else routed.complete(
                prompt, private=private, deadline=2
            )
        assert {attempt.backend for attempt in caught.value.trace} == {"first"}
    assert second.requests == ()


def test_no_backend_lists_each_rejection(first: Cloud, second: Cloud) -> None:
    """Whoever reads the error knows what stands in the way of each backend."""
    with pytest.raises(NoBackend) as caught:
        router(first, second).complete("hello", tools=[{"type": "function", "function": {"name": "f"}}])
    assert [name for name, _ in caught.value.rejections] == ["first", "second"]
    assert "first: capability: it cannot do tools" in str(caught.value)
    assert first.requests == second.requests == ()


def test_a_router_without_backends_says_so() -> None:
    """There is nobody to list."""
    with pytest.raises(NoBackend, match="there is none"):
        Router([]).complete("hello")


def test_html_instead_of_an_answer_is_one_typed_error(first: Cloud) -> None:
    """A captive portal's page ends in NoBackend, and its cause says what came."""
    first.break_with("content_type")
    routed = Router([Backend.of(first.lab, "only")])
    with pytest.raises(NoBackend, match="only: not open ai") as caught:
        routed.complete("hello")
    assert isinstance(caught.value.__cause__, NotOpenAI)


def test_nobody_at_the_address_is_one_typed_error() -> None:
    """A port where nothing listens is tried again after a pause, and then given up."""
    lab = Lab("openai-compatible", f"http://127.0.0.1:{free_port()}/v1", "key", "model")
    with pytest.raises(NoBackend, match="only: endpoint unreachable"):
        Router([Backend.of(lab, "only")]).complete("hello", deadline=1)


def test_a_refused_request_is_not_taken_elsewhere(first: Cloud, second: Cloud) -> None:
    """What one backend refuses as wrong, perhaps by a content filter, no other one may answer."""
    with pytest.raises(RequestRefused) as caught:
        router(first, second).complete("hello", max_tokens=-1)
    assert len(caught.value.trace) == 1
    assert second.requests == ()


def test_a_prompt_too_long_for_one_backend_goes_to_the_next(small: Lab, second: Cloud) -> None:
    """The real model refuses, although the estimate had let the prompt pass."""
    tight = Backend("tight", small.source, small.model, is_private=True, characters_per_token=1_000, lab=small)
    reply = Router([tight, Backend.of(second.lab, "second")], ORDER).complete("token " * 2_000)
    assert statuses(reply.trace)[0] == ("tight", "order", "context too long")
    assert reply.text == BETA
    with pytest.raises(NoBackend) as caught:
        Router([tight], ORDER).complete("token " * 2_000)
    assert isinstance(caught.value.__cause__, ContextTooLong)


def test_the_real_runtime_answers_through_a_router(small: Lab) -> None:
    """Foundry Local is private by itself, so a private request stays with it."""
    backend = Backend.of(small)
    assert backend.is_private
    stream = Router([backend]).stream("My card is 4111 1111 1111 1111. What is a token?", max_tokens=8)
    text = "".join(stream)
    assert stream.reply is not None
    assert (stream.reply.source, stream.text) == ("foundry-local", text)


def test_leaving_a_stream_stops_the_model_and_counts_against_nobody(second: Cloud) -> None:
    """The attempt ends as left, and the server saw its client go."""
    profile = Profile("endless", Latency(0), Latency(200))
    with run(profile, text=ALPHA * 20) as slow:
        stream = router(slow, second).stream("hello")
        for _ in stream:
            break
        del _
        stream.close()
        assert statuses(stream.trace) == [("first", "order", "left by the reader")]


def test_a_stream_can_be_stopped_before_its_first_piece(second: Cloud) -> None:
    """A Stop button works while nothing is to be seen yet."""
    with run(Profile("slow", Latency(1_000)), text=ALPHA) as slow:
        stream = router(slow, second).stream("hello")
        threading.Timer(0.3, stream.close).start()
        assert list(stream) == []
        assert second.requests == ()


def test_sync_and_async_do_the_same(first: Cloud, second: Cloud) -> None:
    """Both drivers carry out the same plan."""
    first.break_with("500")

    async def both() -> tuple[str, str, Trace]:
        routed = router(first, second)
        stream = routed.astream("hello")
        text = "".join([piece async for piece in stream])
        whole = (await routed.acomplete("hello")).text
        await _close(first, second)
        return whole, text, stream.trace

    whole, streamed, trace = asyncio.run(both())
    assert whole == streamed == BETA
    assert statuses(trace) == [("first", "order", "server failed (500)"), ("second", "fallback", "ok")]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_late_first_token_is_hedged_and_the_extra_cost_reported(second: Cloud, streamed: bool) -> None:
    """The second backend wins; what the loser cost stands in the trace."""
    with run(Profile("slow", Latency(3_000)), text=ALPHA) as slow:
        backends = [Backend.of(slow.lab, "slow", price=PRICE), Backend.of(second.lab, "second")]
        routed = Router(backends, ORDER, hedge_after=0.05)
        stream = routed.stream("hello")
        text = "".join(stream) if streamed else routed.complete("hello").text
        reply = stream.reply if streamed else routed.complete("hello")
        assert reply is not None
        assert text == BETA
        assert statuses(reply.trace) == [("slow", "order", "hedge lost"), ("second", "hedge", "ok")]
        assert reply.extra_cost == reply.trace[0].cost > 0


def test_hedging_works_for_await_too(second: Cloud) -> None:
    """The loser's connection is closed at once."""
    with run(Profile("slow", Latency(3_000)), text=ALPHA) as slow:

        async def ask() -> Trace:
            routed = router(slow, second, hedge_after=0.05)
            assert (await routed.acomplete("hello")).text == BETA
            stream = routed.astream("hello")
            assert "".join([piece async for piece in stream]) == BETA
            await _close(slow, second)
            return stream.trace

        assert [status for *_, status in statuses(asyncio.run(ask()))] == ["hedge lost", "ok"]


def test_an_observer_gets_every_trace_and_cannot_break_an_answer(first: Cloud, second: Cloud) -> None:
    """Answers and failures are reported; an observer that raises is only logged."""
    traces: list[Trace] = []

    def broken(trace: Trace) -> None:
        raise ZeroDivisionError

    routed = router(first, second, observers=[broken, traces.append])
    routed.complete("hello")
    list(routed.stream("hello"))
    with pytest.raises(NoBackend):
        routed.complete("hello", tools=[{"type": "function"}])
    assert [trace.is_answered for trace in traces] == [True, True, False]


def test_explain_sends_nothing(first: Cloud, second: Cloud) -> None:
    """The decision is there before any request is."""
    decision = router(first, second).explain("mail anna@example.com", task="research")
    assert decision.chain[0].name == "first"
    assert first.requests == second.requests == ()


@pytest.mark.parametrize("limit", ["deadline", "max_cost", "hedge_after"])
def test_a_limit_below_zero_is_refused(limit: str) -> None:
    """Impossible limits never get as far as a request."""
    with pytest.raises(PolicyError, match=f"{limit} is -1"):
        Router([], **{limit: -1})


# From here on the clock is virtual: waits of seconds and minutes take no time, and are exact.


def virtual(clock: VirtualClock, *texts: str, profile: str | Profile = "instant") -> list[Cloud]:
    """Gives clouds that share a clock."""
    return [run(profile, text=text, clock=clock) for text in texts]


def test_retry_after_is_kept_when_nobody_else_is_left() -> None:
    """The only backend is asked again exactly when it wants to be."""
    with VirtualClock() as clock:
        (cloud,) = virtual(clock, ALPHA)
        cloud.break_with("429@1")
        routed = Router([Backend.of(cloud.lab, "only")], ORDER, clock=clock)
        reply = clock.run(routed.acomplete("hello"))
        assert statuses(reply.trace) == [("only", "order", "rate limited (429)"), ("only", "retry", "ok")]
        assert reply.trace[1].started == pytest.approx(1_000, abs=50)
        assert cloud.verdict().is_clean


def test_retry_after_is_kept_between_requests_too() -> None:
    """A second request does not disturb a backend that the first one was sent away from."""
    with VirtualClock() as clock:
        a, b = virtual(clock, ALPHA, BETA)
        a.break_with("429@1")
        backends = [Backend.of(a.lab, "a"), Backend.of(b.lab, "b")]
        routed = Router(backends, ORDER, clock=clock)
        assert clock.run(routed.acomplete("one")).text == BETA
        reply = clock.run(routed.acomplete("two"))
        assert (reply.text, reply.decision.rule) == (BETA, "health")
        assert "Retry-After" in reply.decision.reason
        clock.sleep(1.1)
        assert clock.run(routed.acomplete("three")).text == ALPHA


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """The error says when the backend could be asked again, and comes at once."""
    with VirtualClock() as clock:
        (cloud,) = virtual(clock, ALPHA)
        cloud.break_with("429")
        routed = Router([Backend.of(cloud.lab, "only")], ORDER, clock=clock)
        with pytest.raises(NoBackend, match=r"rate limited \(429\); it may be asked again in 1\.0 s"):
            clock.run(routed.acomplete("hello", deadline=0.5))
        assert clock.now() < 0.5


def test_the_deadline_holds_for_the_whole_chain() -> None:
    """Two silent backends share the time; together they do not exceed it."""
    with VirtualClock() as clock:
        a, b = virtual(clock, ALPHA, BETA, profile=Profile("silent", Latency(600_000)))
        routed = Router([Backend.of(a.lab, "a"), Backend.of(b.lab, "b")], ORDER, deadline=10, clock=clock)
        with pytest.raises(DeadlineExceeded) as caught:
            clock.run(routed.acomplete("hello"))
        assert clock.now() == pytest.approx(10, abs=0.1)
        assert statuses(caught.value.trace) == [("a", "order", "timed out"), ("b", "fallback", "timed out")]


def test_the_deadline_ends_a_stream_that_goes_on_for_too_long() -> None:
    """The error carries what had arrived."""
    with VirtualClock() as clock:
        (cloud,) = virtual(clock, ALPHA, profile=Profile("steady", Latency(0), Latency(1_000)))
        routed = Router([Backend.of(cloud.lab, "only")], ORDER, deadline=3, clock=clock)
        stream = routed.astream("hello")
        with pytest.raises(DeadlineExceeded) as caught:
            clock.run(_read(stream))
        assert ALPHA.startswith(caught.value.text)
        assert caught.value.text


def test_the_cost_budget_holds_for_the_whole_chain() -> None:
    """What failed attempts have cost counts: the next paid backend is not asked."""
    with VirtualClock() as clock:
        a, b = virtual(clock, ALPHA * 10, BETA)
        a.break_with("error")
        dollar = Price(0, 1_000_000)  # USD 1 for each token of the answer
        backends = [Backend.of(cloud.lab, name, price=dollar) for cloud, name in ((a, "a"), (b, "b"))]
        routed = Router(backends, ORDER, clock=clock, hedge_after=100)
        with pytest.raises(NoBackend, match="of the budget are left"):
            clock.run(routed.acomplete("hello", max_tokens=10, max_cost=10.5))
        assert b.requests == ()


def test_a_hedge_must_fit_into_the_cost_budget_too() -> None:
    """What the running call may still cost is set aside, so that both together stay within the budget."""
    with VirtualClock() as clock:
        a, b = virtual(clock, ALPHA, BETA, profile=Profile("slow", Latency(5_000)))
        dollar = Price(0, 1_000_000)  # USD 1 for each token of the answer
        backends = [Backend.of(cloud.lab, name, price=dollar) for cloud, name in ((a, "a"), (b, "b"))]
        routed = Router(backends, ORDER, clock=clock, hedge_after=1)
        assert clock.run(routed.acomplete("hello", max_tokens=10, max_cost=15)).text == ALPHA
        assert b.requests == ()
        assert clock.run(routed.acomplete("hello", max_tokens=10, max_cost=25)).text == ALPHA
        assert len(b.requests) == 1


def test_the_deadline_runs_from_the_first_reading() -> None:
    """A stream that is prepared now and read later has all of its time."""
    with VirtualClock() as clock:
        (cloud,) = virtual(clock, ALPHA)
        stream = Router([Backend.of(cloud.lab, "only")], ORDER, deadline=5, clock=clock).astream("hello")
        clock.sleep(60)
        assert clock.run(_read(stream)) == ALPHA


def test_five_failures_open_the_circuit_and_recovery_closes_it() -> None:
    """The failing backend is left alone, probed after the pause, and used again."""
    with VirtualClock() as clock:
        a, b = virtual(clock, ALPHA, BETA)
        a.break_with("500")
        routed = Router([Backend.of(a.lab, "a"), Backend.of(b.lab, "b")], ORDER, clock=clock)
        for number in range(20):
            assert clock.run(routed.acomplete(f"question {number}")).text == BETA
        assert len(a.requests) == 5
        assert "circuit breaker is open" in str(routed.explain("hello"))
        a.break_with(None)
        clock.sleep(30)
        assert clock.run(routed.acomplete("again")).text == ALPHA


def test_nobody_is_stuck_when_all_circuits_are_open() -> None:
    """As soon as a backend is back, a request gets through, long before the pause is over."""
    with VirtualClock() as clock:
        (cloud,) = virtual(clock, ALPHA)
        cloud.break_with("500")
        routed = Router([Backend.of(cloud.lab, "only")], ORDER, clock=clock, random=Random(0))
        for number in range(10):
            with pytest.raises(NoBackend):
                clock.run(routed.acomplete(f"question {number}", deadline=3))
        assert routed.vitals["only"].breaker.state(clock.now()) == "open"
        cloud.break_with(None)
        before = clock.now()
        reply = clock.run(routed.acomplete("and now", deadline=3))
        assert (reply.text, reply.trace[0].rule) == (ALPHA, "last resort")
        assert clock.now() - before < 2
        assert cloud.verdict().is_clean


def test_a_failed_health_check_moves_a_backend_to_the_end() -> None:
    """What a health monitor reports drives the router."""
    with VirtualClock() as clock:
        a, b = virtual(clock, ALPHA, BETA)
        routed = Router([Backend.of(a.lab, "a"), Backend.of(b.lab, "b")], ORDER, clock=clock)
        routed.vitals["a"].report_health("fail", "the model is not loaded")
        reply = clock.run(routed.acomplete("hello"))
        assert (reply.text, reply.decision.rule) == (BETA, "health")
        assert "the model is not loaded" in reply.decision.reason


async def _close(*clouds: Cloud) -> None:
    """Closes the connections of the running loop."""
    for cloud in clouds:
        await cloud.lab.async_client.close()


async def _read(stream: object) -> str:
    return "".join([piece async for piece in stream])  # type: ignore[attr-defined]


def test_a_stream_is_read_once(first: Cloud, second: Cloud) -> None:
    """A second loop over the same stream gives nothing and sends nothing."""
    stream: RoutedStream = router(first, second).stream("hello")
    assert "".join(stream) == ALPHA
    assert list(stream) == []
    assert len(first.requests) == 1
