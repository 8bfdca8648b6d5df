# ruff: noqa: T201  # a benchmark prints its table
"""How true to time, how fast and how frugal the simulated cloud is, beside llmock, a published mock server.

Both servers run in processes of their own and get the same load from this one: streams of 100 tokens with 20 ms
between them, then whole answers as fast as 16 connections can ask. llmock comes from the package index, into an
environment of its own; without one, its rows are left out. Run it while the machine has nothing else to do: the
table starts with what else was running.

    uv run python tests/bench/bench_simulator.py
    uv run python tests/bench/bench_simulator.py streams throughput memory virtual     some of the tables
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2
import psutil

from labkit import simulator
from labkit.ports import free_port
from labkit.simulator import Cloud, Latency, Moment, Profile, VirtualClock
from labkit.simulator.inprocess import AsyncTransport

TOKENS, GAP = 100, 0.020  # for each stream; seconds
TEXT = " ".join(f"word{number}" for number in range(TOKENS))
STEADY = Profile("steady", Latency(GAP * 1000), Latency(GAP * 1000))
DRAWN = Profile("drawn", Latency(GAP * 1000), Latency(GAP * 1000, 12, 3, 200, "lognormal"))
PROFILES = {"steady": STEADY, "drawn": DRAWN, "instant": Profile("instant")}
LLMOCK = "llmock==0.2.2"

Gaps = Callable[[int], list[float]]  # the number of a request -> the gaps that its tokens should have


@dataclass
class Server:
    """A server under test."""

    name: str
    port: int
    process: psutil.Process
    model: str = "fixed-text"

    def request(self, stream: bool) -> bytes:
        """Builds the bytes of a request; both servers answer it with the same 100 words."""
        messages = [{"role": "user", "content": TEXT}]
        body = json.dumps({"model": self.model, "messages": messages, "stream": stream}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: {len(body)}"
        )
        return f"{head}\r\nContent-Type: application/json\r\n\r\n".encode() + body


def main() -> None:
    """Runs everything and prints the tables."""
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
        return
    if hasattr(os, "getloadavg"):  # Windows has none
        print(f"{os.cpu_count()} cores; load average before: {os.getloadavg()[0]:.1f}")
    tables = {
        "streams": print_streams,
        "throughput": print_throughput,
        "memory": print_memory,
        "virtual": print_virtual,
    }
    for name in sys.argv[1:] or tables:
        tables[name]()


def serve(profile: str, port: int) -> None:
    """Runs our server until the process is ended."""
    simulator.serve(PROFILES[profile], ready=lambda _: None, text=TEXT, port=port)


def print_streams() -> None:
    """Prints how far the gaps between tokens are from what they should be, seen by the client."""
    print(f"\nGaps between tokens, {TOKENS} tokens a stream; error = |gap seen - gap planned|, in ms")
    print("limits: p99 below 2 ms for one stream, below 10 ms for 200")
    print(f"{'server':<26}{'streams':>9}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    for name, start, gaps in (
        ("labkit, gaps all alike", lambda: ours("steady"), _alike),
        ("labkit, gaps drawn", lambda: ours("drawn"), _drawn),
        ("llmock, gaps all alike", llmock, _alike),
    ):
        with start() as server:
            if server is None:
                print(f"{name:<26}{'not available':>18}")
                continue
            asyncio.run(gap_errors(server, 5, gaps))  # once without a clock
            for streams in (1, 200):
                rounds = 5 if streams == 1 else 1
                errors = [e * 1000 for _ in range(rounds) for e in asyncio.run(gap_errors(server, streams, gaps))]
                cuts = quantiles(errors, n=100)
                print(f"{name:<26}{streams:>9}{cuts[49]:>9.2f}{cuts[94]:>9.2f}{cuts[98]:>9.2f}{max(errors):>9.2f}")


def print_throughput() -> None:
    """Prints how many whole answers a second come from one server process."""
    print("\nWhole answers of 100 words, 16 connections; limit: at least 1,500 requests/s")
    print(f"{'server':<26}{'requests':>9}{'per second':>12}{'CPU us each':>13}")
    for name, start, number in (("labkit", lambda: ours("instant"), 16_000), ("llmock", llmock_instant, 4_000)):
        with start() as server:
            if server is None:
                print(f"{name:<26}{'not available':>18}")
                continue
            asyncio.run(ask_many(server, 800))
            before, start_time = _cpu(server), time.perf_counter()
            asyncio.run(ask_many(server, number))
            seconds, cpu = time.perf_counter() - start_time, _cpu(server) - before
            print(f"{name:<26}{number:>9,}{number / seconds:>12,.0f}{cpu / number * 1e6:>13,.0f}")


def print_memory(total: int = 100_000) -> None:
    """Prints the memory of our server while it answers many requests."""
    print(f"\nMemory over {total:,} requests; limit: flat once the journal is full (20,000 requests)")
    print(f"{'requests':>10}{'MB':>9}")
    with ours("instant") as server:
        assert server is not None
        for done in range(0, total + 1, total // 10):
            print(f"{done:>10,}{server.process.memory_info().rss / 1e6:>9.1f}", flush=True)
            if done < total:
                asyncio.run(ask_many(server, total // 10))


def print_virtual() -> None:
    """Prints how long a minute takes in virtual time, and whether it is the same each time."""
    print("\nA minute in virtual time: 60 requests, faults in a third of them; limit: below 200 ms, identical")
    runs = [virtual_minute() for _ in range(7)]
    times = sorted(seconds * 1000 for seconds, _, _ in runs)
    same = all(timeline == runs[0][2] for _, _, timeline in runs)
    print(f"{runs[0][1]:.1f} virtual seconds, {len(runs[0][2]):,} events, {'identical' if same else 'NOT identical'}")
    print(f"median {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms")


def virtual_minute() -> tuple[float, float, tuple[Moment, ...]]:
    """Runs a minute of requests in virtual time; gives real seconds, virtual seconds and the timeline."""
    faults = "cut:0.1,429:0.1,truncated:0.05,stall:0.05"
    with VirtualClock() as clock, simulator.run("cloud", text=TEXT[:160], faults=faults, clock=clock) as cloud:
        started = time.perf_counter()
        clock.run(_minute(cloud))
        return time.perf_counter() - started, clock.now(), cloud.timeline()


async def _minute(cloud: Cloud) -> None:
    async with httpx2.AsyncClient(transport=AsyncTransport(cloud.app), timeout=20) as client:
        await asyncio.gather(*(_virtual_visit(client, second) for second in range(60)))


async def _virtual_visit(client: httpx2.AsyncClient, second: int) -> None:
    await asyncio.sleep(second)
    body = {"model": "fixed-text", "stream": True, "messages": [{"role": "user", "content": f"visit {second}"}]}
    try:
        async with client.stream("POST", "http://simulated/v1/chat/completions", json=body) as reply:
            async for _ in reply.aiter_raw():
                pass
    except httpx2.TransportError:
        pass  # a fault, as planned


async def gap_errors(server: Server, streams: int, gaps: Gaps) -> list[float]:
    """Reads that many streams at once, started within a second, and gives the error of each gap in seconds."""
    starts = random.Random(streams)  # repeatable on purpose

    async def visit(delay: float) -> list[float]:
        await asyncio.sleep(delay)
        number, times = await read_stream(server)
        seen = [after - before for before, after in pairwise(times)]
        return [abs(gap - planned) for gap, planned in zip(seen, gaps(number), strict=False)]

    visits = await asyncio.gather(*(visit(starts.random() if streams > 1 else 0) for _ in range(streams)))
    return [error for visit in visits for error in visit]


async def read_stream(server: Server) -> tuple[int, list[float]]:
    """Reads one stream and gives the request's number, if the server tells it, and when each token came."""
    loop = asyncio.get_running_loop()
    transport, reader = await loop.create_connection(lambda: Reader(loop), "127.0.0.1", server.port)
    transport.write(server.request(stream=True))
    await reader.is_done
    transport.close()
    return reader.number, reader.times


class Reader(asyncio.Protocol):
    """Notes when tokens come, with as little work as possible, since it shares the machine with the server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.number = 0
        self.times: list[float] = []
        self.is_done: asyncio.Future[None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        """Notes the time of each token in the data; a chunk with an empty content is none."""
        now = time.perf_counter()
        if not self.times and b"x-request-id: req_sim_" in data:
            self.number = int(data.partition(b"x-request-id: req_sim_")[2].partition(b"\r")[0])
        self.times += [now] * (data.count(b'"content":"') - data.count(b'"content":""'))
        if b"[DONE]" in data and not self.is_done.done():
            self.is_done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Ends the wait."""
        if not self.is_done.done():
            self.is_done.set_result(None)


async def ask_many(server: Server, number: int, connections: int = 16) -> None:
    """Asks for whole answers on kept connections."""

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        request = server.request(stream=False)
        for _ in range(number // connections):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
        writer.close()

    await asyncio.gather(*(ask() for _ in range(connections)))


@contextmanager
def ours(profile: str) -> Iterator[Server | None]:
    """Runs our server in a process of its own."""
    port = free_port()
    with started([sys.executable, __file__, "serve", profile, str(port)], port) as process:
        yield Server("labkit", port, process)


@contextmanager
def llmock(delay: int = int(GAP * 1000)) -> Iterator[Server | None]:
    """Runs llmock in an environment of its own, or gives None where the package index cannot be reached."""
    port = free_port()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--response-style", "echo", "--log-level", "error", "--stream-chunk-delay-ms", str(delay)]
    command = ["uv", "run", "--no-project", "--python", python, "--with", LLMOCK, "llmock", "serve"]
    try:
        with started([*command, "--port", str(port), *options], port) as process:
            yield Server("llmock", port, process, "gpt-4o")
    except (OSError, TimeoutError):
        yield None


def llmock_instant() -> Any:
    """Runs llmock without delays."""
    return llmock(0)


@contextmanager
def started(command: list[str], port: int) -> Iterator[psutil.Process]:
    """Runs a server, waits until it listens, and ends it with its children."""
    environment = {"HOME": str(Path.home()), **os.environ}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield _listening(psutil.Process(process.pid), port)
        finally:
            for running in [*psutil.Process(process.pid).children(recursive=True), process]:
                with suppress(psutil.NoSuchProcess):
                    running.terminate()


def _listening(process: psutil.Process, port: int) -> psutil.Process:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.is_running():
        for running in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):  # children come and go while an environment is made
                if any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in running.net_connections()):
                    return running
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


def _cpu(server: Server) -> float:
    times = server.process.cpu_times()
    return float(times.user + times.system)


def _alike(_: int) -> list[float]:
    return [GAP] * TOKENS


def _drawn(number: int) -> list[float]:
    # The server draws from the seed and the request's number, so anybody can draw the same again.
    chance = random.Random(f"0/{number}/latency")  # repeatable on purpose
    return list(islice(DRAWN.waits(chance, 0), 1, TOKENS))


if __name__ == "__main__":
    main()
