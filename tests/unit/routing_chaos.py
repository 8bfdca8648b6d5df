"""A chaos run in virtual time: three backends with every fault, dying and returning, under thousands of requests.

Shared by the unit test, which runs it small, and by tests/bench/bench_routing.py, which runs it large.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from labkit.client import Lab
from labkit.errors import LabkitError
from labkit.routing import Backend, LengthThreshold, Policy, Price, Router, TaskTable
from labkit.simulator import Cloud, Fault, Latency, Profile, Verdict, VirtualClock, run

RATES = {fault: 0.02 for fault in Fault}
ANSWERS = {
    "local": "alpha one alpha two alpha three alpha four alpha five alpha six alpha seven alpha eight alpha nine",
    "azure": "beta one beta two beta three beta four beta five beta six beta seven beta eight beta nine beta ten",
    "other": "gamma one gamma two gamma three gamma four gamma five gamma six gamma seven gamma eight gamma nine",
}
PROFILES = {
    "local": Profile("local", Latency(40, 15, 10, 150), Latency(12, 3, 4, 40)),
    "azure": Profile("azure", Latency(600, 400, 200, 2_000, "lognormal"), Latency(20, 12, 3, 200, "lognormal")),
    "other": Profile("other", Latency(400, 300, 100, 2_000, "lognormal"), Latency(25, 12, 3, 200, "lognormal")),
}
PRIVATE = "SECRET"
_EACH_SECOND = 20  # requests
_OUTAGE = 25.0  # seconds that a dead backend stays dead
_TASKS = (None, None, "code_generation", "creative_writing", "data_analysis", "research")


@dataclass
class Tally:
    """What came of all requests."""

    requests: int
    answered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    untyped: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Requests without an answer and without an error."""
        return self.requests - self.answered - self.errors.total() - len(self.untyped) - len(self.mixed)


Ask = Callable[[str, bool, bool, str | None], Awaitable[str]]


def chaos(requests: int, seed: int = 1) -> Tally:
    """Runs the scenario against a router."""
    with VirtualClock() as clock:
        clouds = _clouds(clock, seed)
        backends = [
            Backend.of(clouds["local"].lab, "local", is_private=True),
            Backend.of(clouds["azure"].lab, "azure", is_private=False, price=Price(2.5, 10)),
            Backend.of(clouds["other"].lab, "other", is_private=False, price=Price(1, 4)),
        ]
        policy = Policy([TaskTable(), LengthThreshold(20)])
        router = Router(backends, policy, deadline=25, clock=clock, random=Random(seed))

        async def ask(prompt: str, private: bool, streamed: bool, task: str | None) -> str:
            if not streamed:
                return (await router.acomplete(prompt, private=private, task=task)).text
            return "".join([piece async for piece in router.astream(prompt, private=private, task=task)])

        return _run(clock, clouds, requests, seed, ask)


def bare(requests: int, seed: int = 1) -> Tally:
    """Runs the scenario against the openai client with its own retries, on the one backend that has most capacity."""
    from openai import AsyncOpenAI

    with VirtualClock() as clock:
        clouds = _clouds(clock, seed)
        lab: Lab = clouds["azure"].lab
        client: AsyncOpenAI = lab.async_client.with_options(max_retries=2, timeout=25)

        async def ask(prompt: str, private: bool, streamed: bool, task: str | None) -> str:
            messages = [{"role": "user", "content": prompt}]
            if not streamed:
                reply = await client.chat.completions.create(model=lab.model, messages=messages)
                return reply.choices[0].message.content or ""
            stream = await client.chat.completions.create(model=lab.model, messages=messages, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        return _run(clock, clouds, requests, seed, ask)


def _clouds(clock: VirtualClock, seed: int) -> dict[str, Cloud]:
    return {
        name: run(PROFILES[name], text=text, faults=RATES, seed=seed + place, clock=clock)
        for place, (name, text) in enumerate(ANSWERS.items())
    }


def _run(clock: VirtualClock, clouds: dict[str, Cloud], requests: int, seed: int, ask: Ask) -> Tally:
    tally = Tally(requests)
    clock.run(_load(clock, clouds, tally, seed, ask))
    tally.seconds = clock.now()
    for name, cloud in clouds.items():
        tally.verdicts[name] = cloud.verdict()
        if name != "local":
            tally.leaked += [r.prompt for r in cloud.requests if PRIVATE in r.prompt]
        cloud.stop()
    return tally


async def _load(clock: VirtualClock, clouds: dict[str, Cloud], tally: Tally, seed: int, ask: Ask) -> None:
    random, tasks = Random(seed), []
    outages = asyncio.create_task(_die_and_return(clock, clouds, random))
    for number in range(tally.requests):
        tasks.append(asyncio.create_task(_one(number, Random(f"{seed}/{number}"), tally, ask)))
        await clock.asleep(random.expovariate(_EACH_SECOND))
    await asyncio.gather(*tasks)
    outages.cancel()


async def _one(number: int, random: Random, tally: Tally, ask: Ask) -> None:
    private, streamed, task = random.random() < 0.2, random.random() < 0.5, random.choice(_TASKS)
    prompt = f"request {number} {PRIVATE if private else ''} {'word ' * random.choice((5, 30))}"
    try:
        text = await ask(prompt, private, streamed, task)
    except LabkitError as error:
        tally.errors[type(error).__name__] += 1
    except Exception as error:  # what must not happen is counted, not raised
        tally.untyped.append(f"{type(error).__name__}: {error}")
    else:
        if text in ANSWERS.values():
            tally.answered += 1
        else:
            tally.mixed.append(text)


async def _die_and_return(clock: VirtualClock, clouds: dict[str, Cloud], random: Random) -> None:
    """Lets one backend after another die for a while; now and then all of them are dead together."""
    while True:
        await clock.asleep(random.uniform(20, 60))
        dead = [random.choice(sorted(clouds))] if random.random() < 0.8 else sorted(clouds)
        for name in dead:
            clouds[name].break_with(random.choice(("refuse", "503", "500", "stall")))
        await clock.asleep(_OUTAGE)
        for name in dead:
            clouds[name].break_with(RATES)


def report(name: str, tally: Tally) -> str:
    """Gives the tally as text."""
    untyped = Counter(what.split(":")[0] for what in tally.untyped)
    lines = [
        f"{name}: {tally.answered:,} of {tally.requests:,} answered ({tally.answered / tally.requests:.2%}) "
        f"in {tally.seconds:,.0f} virtual seconds",
        f"  typed errors: {dict(tally.errors)}; untyped: {dict(untyped)}",
        f"  lost: {tally.lost}; wrong or mixed answers: {len(tally.mixed)}; private on a cloud: {len(tally.leaked)}",
    ]
    lines += [f"  verdict of {backend}: {_in_short(verdict)}" for backend, verdict in tally.verdicts.items()]
    return "\n".join(lines)


def _in_short(verdict: Verdict) -> str:
    """Gives the number of findings of each kind; there may be hundreds of them."""
    kinds = Counter(f"{'proved' if f.proved else 'suspected'} {f.rule}" for f in verdict.findings)
    return "clean" if verdict.is_clean else ", ".join(f"{number} {kind}" for kind, number in kinds.items())
