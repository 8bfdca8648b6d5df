"""The timeline: what a router did while a backend was down, in virtual time."""

from __future__ import annotations

from random import Random

import pytest

from labkit import simulator
from labkit.errors import NoBackend
from labkit.routing import Router, Timeline, simulated
from labkit.simulator import VirtualClock


def watched(clock: VirtualClock, users: int, down: range, both: bool = False) -> Timeline:
    """Gives the timeline of users who ask one after the other, with a backend that is down for some of them."""
    near = simulator.run("local", text="near", clock=clock)
    far = simulator.run("cloud", text="far", clock=clock, faults="refuse" if both else None)
    backends = [simulated(near, "local", is_private=True), simulated(far)]
    router = Router(backends, clock=clock, random=Random(1))
    timeline = Timeline.of(router, clock)
    clock.sleep(100)  # the figure begins with the first request, not with the clock
    for user in range(users):
        near.break_with("refuse" if user in down else None)
        try:
            router.complete("Why?")
        except NoBackend:
            assert both
        clock.sleep(1)
    return timeline


def test_an_outage_is_seen_from_the_first_failure_to_recovery() -> None:
    """Five failures open the circuit, the other one stands in, a probe fails, a later one closes the circuit."""
    with VirtualClock() as clock:
        timeline = watched(clock, 120, range(10, 60))
    assert timeline.answered == 120
    states = [state for state, _, _ in timeline.circuits("local")]
    assert states[0] == states[-1] == "closed"
    assert states.count("open") == 2
    failed = [attempt for _, attempt in timeline.attempts("local") if attempt.status != "ok"]
    assert len(failed) == 6
    assert all(attempt.status == "ok" for _, attempt in timeline.attempts("cloud"))
    times = [at for at, _ in timeline.attempts("local")]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.04, abs=0.2)


def test_the_figure_tells_the_same_in_words() -> None:
    """Who cannot see the drawing reads attempts, answers and the states of the circuit."""
    with VirtualClock() as clock:
        figure = watched(clock, 20, range(5, 20)).plot()
    assert "local: 10 attempts, 5 of them answered; circuit breaker closed from 0 to" in figure.alt
    assert "cloud: 15 attempts, 15 of them answered" in figure.alt
    assert b"open" in figure.svg


def test_requests_that_nobody_answers_are_on_it_as_well() -> None:
    """An error is no hole in the timeline."""
    with VirtualClock() as clock:
        timeline = watched(clock, 3, range(3), both=True)
    assert len(timeline.entries) == 3
    assert timeline.answered == 0
