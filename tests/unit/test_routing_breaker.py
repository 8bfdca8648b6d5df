"""The circuit breaker and the retry budget, with times made up."""

from __future__ import annotations

from labkit.routing.breaker import FAILURES, LAST_RESORT_EVERY, LONGEST_PAUSE, PAUSE, CircuitBreaker
from labkit.routing.budget import RetryBudget


def opened(at: float = 0.0) -> CircuitBreaker:
    """Gives a breaker that has just opened."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES):
        breaker.fail(at)
    return breaker


def test_five_failures_in_a_row_open_the_circuit() -> None:
    """Four do not, and a success in between starts the count again."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES - 1):
        breaker.fail(0)
    breaker.succeed()
    for _ in range(FAILURES - 1):
        breaker.fail(0)
    assert breaker.state(0) == "closed"
    breaker.fail(0)
    assert breaker.state(0) == "open"
    assert breaker.wait(10) == PAUSE - 10
    assert not breaker.enter(10, limit=5)


def test_after_the_pause_one_call_passes() -> None:
    """Half-open lets a single probe through, however many ask."""
    breaker = opened()
    assert breaker.state(PAUSE) == "half-open"
    assert [breaker.enter(PAUSE, limit=5) for _ in range(3)] == [True, False, False]


def test_a_good_probe_closes_and_a_bad_one_opens_for_longer() -> None:
    """The pause grows with each opening, up to a limit."""
    breaker = opened()
    assert breaker.enter(PAUSE, limit=5)
    breaker.fail(PAUSE)
    assert breaker.wait(PAUSE) == 2 * PAUSE
    now = PAUSE
    for _ in range(20):
        now += breaker.wait(now)
        assert breaker.enter(now, limit=5)
        breaker.fail(now)
    assert breaker.wait(now) == LONGEST_PAUSE
    assert breaker.enter(now + LONGEST_PAUSE, limit=5)
    breaker.succeed()
    assert breaker.state(now) == "closed"


def test_a_probe_that_never_ends_does_not_block_for_ever() -> None:
    """Its place is free again after the call's own limit."""
    breaker = opened()
    assert breaker.enter(PAUSE, limit=5)
    assert not breaker.enter(PAUSE + 4, limit=5)
    assert breaker.enter(PAUSE + 5, limit=5)


def test_a_call_that_shows_nothing_frees_the_probe() -> None:
    """A reader who leaves says nothing about the backend."""
    breaker = opened()
    assert breaker.enter(PAUSE, limit=5)
    breaker.leave()
    assert breaker.state(PAUSE) == "half-open"
    assert breaker.enter(PAUSE, limit=5)


def test_the_last_resort_is_tried_once_a_second() -> None:
    """Nobody is stuck when all circuits are open, and the backend is not hammered."""
    breaker = opened()
    assert breaker.wait(0.5, is_last_resort=True) == LAST_RESORT_EVERY - 0.5
    assert breaker.enter(1.0, limit=0.1, is_last_resort=True)
    breaker.fail(1.0)
    assert not breaker.enter(1.5, limit=0.1, is_last_resort=True)
    assert breaker.enter(2.0, limit=0.1, is_last_resort=True)


def test_retries_stay_a_fifth_of_the_traffic() -> None:
    """After the reserve is used up, five first calls pay for one retry."""
    budget = RetryBudget()
    retries = 0
    for _ in range(1_000):
        budget.pay_in()
        if budget.allows:
            budget.take()
            retries += 1
    assert 200 <= retries <= 210
