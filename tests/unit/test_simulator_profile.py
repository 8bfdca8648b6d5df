"""Profiles say how fast, how dear and how generous a cloud is, and refuse absurd numbers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice
from random import Random
from statistics import mean, median
from typing import Any

import pytest

from labkit import simulator
from labkit.errors import ServerFailed, SimulatorError
from labkit.simulator import PROFILES, Latency, Profile, VirtualClock
from labkit.simulator.fault import FaultSpec
from labkit.streaming import astream, stream


def _draws(latency: Latency, number: int = 4_000) -> list[float]:
    random = Random(7)
    return [latency.draw(random) * 1000 for _ in range(number)]


def test_the_named_profiles_of_the_course_exist() -> None:
    """Four for the course, and one without any wait for tests."""
    assert set(PROFILES) == {"instant", "local", "cloud", "mobile", "overloaded"}


def test_the_cloud_takes_200_to_2000_ms_for_its_first_token() -> None:
    """As in the course's first exercise on streams; the whole range is used."""
    first = _draws(PROFILES["cloud"].first_token)
    assert 200 <= min(first) < 230
    assert 1_700 < max(first) <= 2_000


def test_a_normal_latency_has_its_mean_and_is_clamped() -> None:
    """Half lies below the mean, nothing outside the limits."""
    drawn = _draws(Latency(100, 20, 60, 130))
    assert median(drawn) == pytest.approx(100, abs=2)
    assert (min(drawn), max(drawn)) == (60, 130)


def test_a_lognormal_latency_has_its_mean_and_a_long_tail() -> None:
    """Mean and deviation are those of the waits themselves, not of their logarithms."""
    drawn = _draws(Latency(100, 50, shape="lognormal"), 40_000)
    assert mean(drawn) == pytest.approx(100, rel=0.02)
    assert median(drawn) < 95
    assert max(drawn) > 350


def test_a_latency_without_deviation_is_constant() -> None:
    """What a test needs to know exactly."""
    assert set(_draws(Latency(20))) == {20}
    assert set(_draws(Latency(20, shape="lognormal"))) == {20}


def test_jitter_moves_each_wait_between_tokens_both_ways() -> None:
    """No wait gets negative."""
    waits = list(islice(Profile("p", Latency(0), Latency(10), jitter_ms=15).waits(Random(1), 0), 1, 500))
    assert min(waits) == 0
    assert 0.020 < max(waits) <= 0.025


def test_load_makes_everything_slower() -> None:
    """With a factor of a half, two others in flight double each wait."""
    profile = Profile("p", Latency(100), Latency(10), load_factor=0.5)
    assert list(islice(profile.waits(Random(1), 0), 3)) == pytest.approx([0.1, 0.01, 0.01])
    assert list(islice(profile.waits(Random(1), 2), 3)) == pytest.approx([0.2, 0.02, 0.02])


def test_load_is_counted_from_requests_in_flight() -> None:
    """The second of two streams at once gets slower tokens than a stream alone."""
    profile = Profile("p", Latency(100), Latency(10), load_factor=1.0)

    async def two(lab: Any) -> None:
        await asyncio.gather(*(_drain(lab, text) for text in ("a", "b")))

    async def _drain(lab: Any, text: str) -> None:
        async for _ in astream(lab, text):
            pass

    with VirtualClock() as clock, simulator.run(profile, text="one two", clock=clock) as cloud:
        clock.run(two(cloud.lab))
        alone, together = cloud.requests
    assert alone.planned[0] - alone.arrived == pytest.approx(0.1)
    assert together.planned[0] - together.arrived == pytest.approx(0.2)


def test_the_same_seed_gives_the_same_waits_whatever_breaks() -> None:
    """Faults draw from a chance of their own, so that breaking one request does not change the next."""

    def planned(faults: FaultSpec, seed: int) -> list[float]:
        with VirtualClock() as clock, simulator.run("cloud", text="a b c", faults=faults, seed=seed, clock=clock) as c:
            for _ in range(3):
                with suppress(ServerFailed):
                    list(stream(c.lab, "hi", clock=clock.now))
            return [round(at - r.arrived, 9) for r in (c.requests[0], c.requests[2]) for at in r.planned]

    assert planned(None, 1) == planned({2: "500"}, 1)
    assert planned(None, 1) != planned(None, 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Latency(-1), ["Latency.mean_ms=-1", "0", "600,000"]),
        (lambda: Latency(1e9), ["Latency.mean_ms", "600,000"]),
        (lambda: Latency(float("nan")), ["Latency.mean_ms=nan"]),
        (lambda: Latency(float("inf")), ["Latency.mean_ms=inf"]),
        (lambda: Latency(1, -1), ["Latency.std_ms=-1"]),
        (lambda: Latency(1, low_ms=-5), ["Latency.low_ms=-5"]),
        (lambda: Latency(1, low_ms=9, high_ms=3), ["low_ms=9", "high_ms=3"]),
        (lambda: Latency("fast"), ["Latency.mean_ms='fast'"]),  # type: ignore[arg-type]
        (lambda: Latency(True), ["Latency.mean_ms=True"]),
        (lambda: Latency(1, shape="flat"), ["shape='flat'", "normal or lognormal"]),  # type: ignore[arg-type]
        (lambda: Profile("p", jitter_ms=-1), ["Profile.jitter_ms=-1", "10,000"]),
        (lambda: Profile("p", load_factor=11), ["Profile.load_factor=11", "0 to 10"]),
        (lambda: Profile("p", input_price=-1), ["Profile.input_price=-1"]),
        (lambda: Profile("p", output_price=1e9), ["Profile.output_price"]),
        (lambda: Profile("p", requests_per_minute=0), ["Profile.requests_per_minute=0", "from 1"]),
        (lambda: Profile("p", tokens_per_minute=-3), ["Profile.tokens_per_minute=-3"]),
    ],
)
def test_absurd_numbers_are_refused_by_name(make: Any, words: list[str]) -> None:
    """The error names the field and the range."""
    with pytest.raises(SimulatorError) as raised:
        make()
    assert [word for word in words if word not in str(raised.value)] == []


def test_an_unknown_profile_gets_the_list_of_known_ones() -> None:
    """And the nearest name."""
    with pytest.raises(SimulatorError, match=r"'clod'.*Did you mean cloud\?.*local, cloud, mobile, overloaded"):
        simulator.run("clod", text="x")
