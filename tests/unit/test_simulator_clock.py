"""In virtual time a scenario runs in milliseconds, the same every time, and as in real time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import APIConnectionError, APITimeoutError

from labkit import simulator
from labkit.client import Lab
from labkit.errors import SimulatorError, StreamInterrupted
from labkit.simulator import Cloud, Latency, Moment, Profile, RealClock, VirtualClock
from labkit.streaming import astream, stream

TEXT = "one two three four five six seven eight nine ten"
FAULTS = "cut:0.1,429:0.1,stall:0.1,truncated:0.1,503:0.1"


async def _visit(cloud: Cloud, at: float, prompt: str) -> str:
    await asyncio.sleep(at)
    answer = astream(cloud.lab, prompt, clock=cloud.clock.now, stall_timeout=5)
    try:
        return "".join([piece async for piece in answer])
    except Exception as error:
        return type(error).__name__


async def _minute(cloud: Cloud) -> list[str]:
    return await asyncio.gather(*(_visit(cloud, second, f"visit {second}") for second in range(60)))


def _virtual_minute(seed: int) -> tuple[list[str], tuple[Moment, ...], float]:
    with VirtualClock() as clock, simulator.run("cloud", text=TEXT, faults=FAULTS, seed=seed, clock=clock) as cloud:
        return clock.run(_minute(cloud)), cloud.timeline(), clock.now()


def test_a_minute_is_the_same_every_time() -> None:
    """Each moment of each run is the same, to the last bit; another seed is another minute."""
    first = _virtual_minute(1)
    assert first == _virtual_minute(1)
    assert first[1] != _virtual_minute(2)[1]
    assert len(set(first[0])) > 3
    assert first[2] > 59


def test_virtual_time_has_the_events_of_real_time() -> None:
    """The same scenario over a socket has the same events in the same order, planned for the same moments."""
    profile = Profile("p", Latency(30, 10, 10, 60), Latency(6, 4, 2, 20, "lognormal"), jitter_ms=1)
    faults = "cut@2,429@3,truncated@4"

    async def scenario(cloud: Cloud) -> None:
        for number in range(5):
            await _visit(cloud, 0, f"visit {number}")

    def happened(cloud: Cloud) -> tuple[list[tuple[int, str]], list[list[float]]]:
        events = [(moment.request, moment.what) for moment in cloud.timeline()]
        plans = [[round(due - request.arrived, 6) for due in request.planned] for request in cloud.requests]
        return events, plans

    with VirtualClock() as clock, simulator.run(profile, text=TEXT, faults=faults, clock=clock) as cloud:
        clock.run(scenario(cloud))
        virtual = happened(cloud)
    with simulator.run(profile, text=TEXT, faults=faults) as cloud:
        asyncio.run(_closing(cloud, scenario(cloud)))
        real = happened(cloud)
    assert virtual == real


async def _closing(cloud: Cloud, work: Any) -> None:
    async with cloud.lab.async_client:
        await work


def test_tokens_leave_exactly_when_they_are_due() -> None:
    """In virtual time nothing is late."""
    with VirtualClock() as clock, simulator.run("mobile", text=TEXT, clock=clock) as cloud:
        list(stream(cloud.lab, "hi", clock=clock.now))
        (request,) = cloud.requests
    assert list(request.sent) == pytest.approx(list(request.planned), abs=1e-9)


def test_asyncio_itself_lives_in_virtual_time() -> None:
    """Sleeps, timeouts and the loop's own clock agree."""

    async def hours() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(3_600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7_200):
                await asyncio.Event().wait()
        return loop.time() - start

    with VirtualClock() as clock:
        assert clock.run(hours()) == pytest.approx(10_800)
        assert clock.now() == pytest.approx(10_800, abs=0.001)
        clock.sleep(60)
        assert clock.now() == pytest.approx(10_860, abs=0.001)


def test_sleepers_wake_in_order_of_time_and_then_of_coming() -> None:
    """Two that wake at the same moment wake in the order in which they went to sleep."""

    async def scenario() -> list[str]:
        woken: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(name)

        await asyncio.gather(sleeper("c", 3), sleeper("a", 1), sleeper("b1", 2), sleeper("b2", 2))
        return woken

    with VirtualClock() as clock:
        assert clock.run(scenario()) == ["a", "b1", "b2", "c"]


def test_several_clouds_share_one_time() -> None:
    """A slow one and a fast one, asked together, answer in the right order."""

    async def both(clouds: list[Cloud]) -> list[int]:
        order: list[int] = []

        async def ask(index: int) -> None:
            await _visit(clouds[index], 0, "hi")
            order.append(index)

        await asyncio.gather(ask(0), ask(1))
        return order

    with VirtualClock() as clock:
        clouds = [simulator.run(name, text=TEXT, clock=clock) for name in ("overloaded", "local")]
        assert clock.run(both(clouds)) == [1, 0]


def test_a_client_that_waits_too_long_gets_its_timeout() -> None:
    """Timeouts of the openai client count virtual seconds, blocking or not."""
    with VirtualClock() as clock, simulator.run("instant", text=TEXT, faults="stall", clock=clock) as cloud:
        with pytest.raises(APITimeoutError):
            cloud.lab.client.chat.completions.create(
                model=cloud.lab.model, messages=[{"role": "user", "content": "hi"}], timeout=40
            )
        assert clock.now() == pytest.approx(40, abs=0.01)
        with pytest.raises(StreamInterrupted, match="stall"):
            list(stream(cloud.lab, "hi", clock=clock.now, stall_timeout=9))
        assert clock.now() == pytest.approx(49, abs=0.01)
        assert [request.ending for request in cloud.requests] == ["left", "left"]


def test_a_client_that_leaves_is_noticed() -> None:
    """Closing a stream ends the request, as a closed connection does."""
    with VirtualClock() as clock, simulator.run("local", text=TEXT, clock=clock) as cloud:
        answer = stream(cloud.lab, "hi", clock=clock.now)
        for piece in answer:
            assert piece == "one"
            break
        answer.close()
        clock.sleep(1)
        assert cloud.requests[0].ending == "left"
        assert cloud.requests[0].completion_tokens < 10


def test_a_connection_can_be_refused() -> None:
    """The client sees a connection error."""
    with VirtualClock() as clock, simulator.run("instant", text=TEXT, faults="refuse", clock=clock) as cloud:
        create = cloud.lab.client.chat.completions.create
        with pytest.raises(APIConnectionError):
            create(model=cloud.lab.model, messages=[{"role": "user", "content": "hi"}])


def test_threads_do_not_disturb_the_timeline() -> None:
    """What asyncio would give to a thread runs at once, and takes no virtual time."""

    async def scenario() -> tuple[int, float]:
        async def tick() -> None:
            await asyncio.sleep(1)

        ticking = asyncio.create_task(tick())
        result = await asyncio.to_thread(sum, [1, 2])
        now = asyncio.get_running_loop().time()
        await ticking
        return result, now

    with VirtualClock() as clock:
        assert clock.run(scenario()) == (3, 0.0)


def test_a_wait_that_nothing_can_end_is_reported() -> None:
    """The clock does not hang."""
    with VirtualClock() as clock, pytest.raises(SimulatorError, match="stands still"):
        clock.run(asyncio.Event().wait())


def test_the_clock_works_inside_a_running_loop() -> None:
    """A notebook has a loop of its own in the thread of the cells."""

    async def cell() -> float:
        with VirtualClock() as clock, simulator.run("cloud", text=TEXT, clock=clock) as cloud:
            list(stream(cloud.lab, "hi", clock=clock.now))
            return clock.now()

    assert asyncio.run(cell()) > 0.2


def test_blocking_calls_inside_virtual_time_are_refused() -> None:
    """They would wait for themselves."""
    with VirtualClock() as clock:

        async def wrong() -> None:
            clock.sleep(1)

        with pytest.raises(SimulatorError, match=r"await clock\.asleep"):
            clock.run(wrong())


def test_a_real_model_answers_in_virtual_time(large: Lab) -> None:
    """The model takes no virtual time; its tokens leave when the profile says."""
    with VirtualClock() as clock, simulator.run("cloud", model=large, clock=clock) as cloud:
        answer = stream(cloud.lab, "What is a token?", clock=clock.now, max_tokens=8)
        assert "".join(answer)
        assert clock.now() > 0.2
        (request,) = cloud.requests
    assert list(request.sent) == pytest.approx(list(request.planned), abs=1e-9)


def test_the_real_clock_keeps_the_time_of_asyncio() -> None:
    """Whoever takes a clock can take either."""

    async def compare() -> float:
        before = RealClock().now()
        await RealClock().asleep(0)
        return asyncio.get_running_loop().time() - before

    RealClock().sleep(0)
    assert 0 <= asyncio.run(compare()) < 60
