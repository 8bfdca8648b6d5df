# ruff: noqa: T201  # a benchmark prints its tables
"""What routing costs, and what it saves: decisions, whole answers and streams, and a chaos run, side by side.

The bare OpenAI client and litellm's Router get the same servers in the same run. litellm runs in an environment of
its own, because it needs an older openai.

    uv run python tests/bench/bench_routing.py            all, about ten minutes
    uv run python tests/bench/bench_routing.py decide     one part: decide, speed, chaos or live
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))  # the scenario is shared with the unit test

from routing_chaos import ANSWERS, PROFILES, RATES, bare, chaos, report

from labkit.client import Lab
from labkit.errors import LabkitError
from labkit.routing import (
    Backend,
    Condition,
    LengthThreshold,
    Policy,
    Price,
    Request,
    Router,
    State,
    TaskTable,
    complexity,
)
from labkit.simulator import Cloud, run

_LITELLM = Path(__file__).with_name("litellm_router.py")
_QUESTION = "Why do chat apps stream tokens?"
_CHUNKS = 100
_ROUNDS = 300
_CHAOS = 10_000
_LIVE, _LIVE_EACH_SECOND = 400, 20


def main() -> None:
    """Prints the parts that are asked for, or all."""
    if sys.argv[1:] == ["serve"]:
        serve()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()}")
    parts: dict[str, Callable[[], None]] = {"decide": decisions, "speed": speed, "chaos": virtual_chaos, "live": live}
    for name in sys.argv[1:] or parts:
        print(f"\n== {name}")
        parts[name]()


def decisions() -> None:
    """Prints the time of a decision with the five standing rules, a task table and a length threshold."""
    backends = [
        Backend("small", "foundry-local", "s", True, 1_024),
        Backend("large", "foundry-local", "l", True, 1_024),
        Backend("cloud", "azure", "c", False, 128_000, Price(2.5, 10)),
        Backend("spare", "simulated-cloud", "d", False, 128_000, Price(1, 2)),
    ]
    state = State({backend.name: Condition(0.0, "", "pass", 100.0) for backend in backends})
    policy = Policy([TaskTable(), LengthThreshold()])
    texts = {
        "5 words": "Why do chat apps stream?",
        "99 words": "word " * 99,
        "300 words": "word " * 300,
        "46 words, an address": "mail me at a@b.de " + "why stream " * 21,
    }
    print("decide(), 7 rules (5 standing, 2 wishes), 4 backends; at most 20 us with 5 rules")
    for name, text in texts.items():
        request = Request.of(text)
        again = _best(lambda request=request: policy.decide(request, backends, state))  # type: ignore[misc]
        fresh = _best(lambda text=text: policy.decide(Request.of(text), backends, state))  # type: ignore[misc]
        print(f"  {name:22} {again:6.1f} us decide()   {fresh:6.1f} us with making the Request and searching its text")
    score = _best(lambda: complexity("Explain why the design of each step matters in detail. " * 100), 100)
    print(f"  complexity of 1,000 words: {score:.0f} us; at most 1,000 us")


def speed() -> None:
    """Prints what the router adds to a whole answer and to a stream of 100 chunks."""
    with subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            ours = _ours(url)
            theirs = _litellm("speed", url, "fixed-text", str(_ROUNDS // 3))
        finally:
            server.terminate()
    for kind in ("complete", "stream"):
        _compare(ours[f"openai {kind}"], ours[f"labkit {kind}"], f"labkit {kind}")
        if theirs:
            _compare(theirs[f"openai {kind}"], theirs[f"litellm {kind}"], f"litellm {kind} (openai 2)")


def virtual_chaos() -> None:
    """Prints the chaos run under the virtual clock, for the router and for the bare client."""
    for name, scenario in (("labkit.Router", chaos), ("openai client", bare)):
        started = time.perf_counter()
        print(report(name, scenario(_CHAOS)), f"\n  took {time.perf_counter() - started:.0f} real seconds")


def live() -> None:
    """Prints a small chaos run in real time on real ports, since litellm cannot live in virtual time."""
    random, requests, at = Random(5), [], 0.0
    for number in range(_LIVE):
        at += random.expovariate(_LIVE_EACH_SECOND)
        words = "word " * random.choice((5, 30))
        requests.append({"at": at, "stream": random.random() < 0.5, "prompt": f"request {number} {words}"})
    for name in ("labkit.Router", "openai client", "litellm.Router", "litellm.Router without cooldowns"):
        clouds = {n: run(PROFILES[n], text=text, faults=RATES, seed=9) for n, text in ANSWERS.items()}
        try:
            outcomes = _live_run(name, clouds, requests)
            proved = {n: sum(f.proved for f in cloud.verdict().findings) for n, cloud in clouds.items()}
        finally:
            for cloud in clouds.values():
                cloud.stop()
        answered = outcomes.pop("answered", 0)
        print(
            f"{name}: {answered} of {_LIVE} answered ({answered / _LIVE:.1%}); else {outcomes}; proved faults {proved}"
        )


def serve() -> None:
    """Serves a fixed text of 100 pieces, as fast as it can, until it is ended."""
    with run("instant", text=" ".join(["word"] * _CHUNKS)) as cloud:
        print(cloud.endpoint.rsplit(":", 1)[1].removesuffix("/v1"), flush=True)
        sys.stdin.read()
    sys.exit()


def _best(work: Callable[[], Any], number: int = 50) -> float:
    """Gives the fastest of many short repetitions in microseconds: other programs can only make them slower."""
    return min(timeit.repeat(work, number=number, repeat=400)) / number * 1e6


def _ours(url: str) -> dict[str, list[float]]:
    lab = Lab("bench", url, "none", "fixed-text")
    bare_lab = replace(lab)  # each reader has a client of its own
    client = bare_lab.client
    router = Router([Backend.of(lab, "only")], Policy([TaskTable(), LengthThreshold()]))
    messages: Any = [{"role": "user", "content": _QUESTION}]

    def bare_stream() -> None:
        for _ in client.chat.completions.create(model="fixed-text", messages=messages, stream=True):
            pass

    def routed_stream() -> None:
        for _ in router.stream(_QUESTION):
            pass

    return _alternate(
        {
            "openai complete": lambda: client.chat.completions.create(model="fixed-text", messages=messages),
            "labkit complete": lambda: router.complete(_QUESTION),
            "openai stream": bare_stream,
            "labkit stream": routed_stream,
        }
    )


def _alternate(readers: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(_ROUNDS + 5):
        for name, read in readers.items():
            started = time.perf_counter()
            read()
            if number >= 5:
                times[name].append(time.perf_counter() - started)
    return times


def _compare(base: list[float], other: list[float], name: str) -> None:
    a, b = statistics.median(base) * 1e3, statistics.median(other) * 1e3
    print(f"  {name:28} p50 {b:7.2f} ms   bare client {a:7.2f} ms   added {b - a:+7.2f} ms ({b / a - 1:+.1%})")


def _litellm(*arguments: str) -> dict[str, Any]:
    command = ["uv", "run", "--no-project", "--python", "3.11", "--with", "litellm==1.106.0", "python", str(_LITELLM)]
    done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        print("  litellm could not be run; its rows are left out")
        return {}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _live_run(name: str, clouds: dict[str, Cloud], requests: list[dict[str, Any]]) -> dict[str, int]:
    if name.startswith("litellm"):
        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "plan.json"
            content = {"requests": requests, "answers": list(ANSWERS.values()), "cooldowns": name == "litellm.Router"}
            plan.write_text(json.dumps(content), "utf-8")
            return _litellm("chaos", json.dumps({n: cloud.endpoint for n, cloud in clouds.items()}), str(plan))
    backends = [Backend.of(cloud.lab, n, is_private=n == "local") for n, cloud in clouds.items()]
    router = Router(backends, Policy([LengthThreshold(20)]), deadline=20)
    return asyncio.run(_all(clouds, requests, _bare_ask if name == "openai client" else router))


async def _all(clouds: dict[str, Cloud], requests: list[dict[str, Any]], asker: Any) -> dict[str, int]:
    outcomes: Counter[str] = Counter()

    async def one(request: dict[str, Any]) -> None:
        await asyncio.sleep(request["at"])
        try:
            text = await (_routed_ask(asker, request) if isinstance(asker, Router) else asker(clouds["azure"], request))
        except LabkitError as error:
            outcomes[type(error).__name__] += 1
        except Exception as error:  # whatever the bare client raises is what is counted here
            outcomes[f"untyped {type(error).__name__}"] += 1
        else:
            outcomes["answered" if text in ANSWERS.values() else "wrong or mixed"] += 1

    await asyncio.gather(*(one(request) for request in requests))
    for cloud in clouds.values():
        await cloud.lab.async_client.close()
    return dict(outcomes)


async def _routed_ask(router: Router, request: dict[str, Any]) -> str:
    if request["stream"]:
        return "".join([piece async for piece in router.astream(request["prompt"])])
    return (await router.acomplete(request["prompt"])).text


async def _bare_ask(cloud: Cloud, request: dict[str, Any]) -> str:
    client = cloud.lab.async_client.with_options(max_retries=2, timeout=20)
    messages: Any = [{"role": "user", "content": request["prompt"]}]
    if not request["stream"]:
        reply = await client.chat.completions.create(model="fixed-text", messages=messages)
        return reply.choices[0].message.content or ""
    stream = await client.chat.completions.create(model="fixed-text", messages=messages, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


if __name__ == "__main__":
    main()
