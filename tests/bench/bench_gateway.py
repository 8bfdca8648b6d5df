# ruff: noqa: T201  # a benchmark prints its table
"""What the gateway adds to a request and to a first token, with nginx as a plain proxy beside it.

The server behind, the gateway and nginx run in processes of their own, and one client asks all three in turn, so that
a busy moment meets all of them alike. nginx comes from the system; without it, its rows are left out.

    uv run python tests/bench/bench_gateway.py
    uv run python tests/bench/bench_gateway.py latency first streams memory     some of the tables
    uv run python tests/bench/bench_gateway.py quick                            a tenth of everything
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psutil

from labkit import gateway, simulator
from labkit.client import Lab
from labkit.gateway import KeyRing, Rules
from labkit.gateway.gate import Door
from labkit.ports import free_port, is_free
from labkit.simulator import Latency, Profile

TOKENS = 100
TEXT = " ".join(f"word{number}" for number in range(TOKENS))
PROFILES = {"instant": Profile("instant"), "steady": Profile("steady", Latency(20), Latency(20))}
NO_LIMITS = Rules(10_000_000, 2_000_000_000, 10_000, 10_000)
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@dataclass
class Target:
    """A server under test."""

    name: str
    port: int
    key: str
    process: psutil.Process

    def request(self, stream: bool, tokens: int = 200) -> bytes:
        """Builds the bytes of a request for that many tokens."""
        messages = [{"role": "user", "content": TEXT}]
        body = json.dumps({"model": "fixed-text", "messages": messages, "stream": stream, "max_tokens": tokens})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def main() -> None:
    """Runs everything and prints the tables."""
    match sys.argv[1:]:
        case ["cloud", profile, port]:
            simulator.serve(PROFILES[profile], ready=lambda _: None, text=TEXT, port=int(port))
        case ["gate", upstream, port, keys]:
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # the log is written, and nobody reads it here
            lab = Lab("openai-compatible", f"http://127.0.0.1:{upstream}/v1", "key", "fixed-text")
            door = Door(port=int(port))
            gateway.serve(lab, ready=lambda _: None, rules=NO_LIMITS, keys=KeyRing(Path(keys)), door=door)
        case wanted:
            _tables(wanted)


def _tables(wanted: list[str]) -> None:
    part = 10 if "quick" in wanted else 1
    if hasattr(os, "getloadavg"):  # Windows has none
        print(f"{os.cpu_count()} cores; load average before: {os.getloadavg()[0]:.1f}")
    tables = {"latency": print_latency, "first": print_first, "streams": print_streams, "memory": print_memory}
    for name in [name for name in wanted if name in tables] or tables:
        tables[name](part)


def print_latency(part: int) -> None:
    """Prints what is added to a whole answer, asked for on a kept connection."""
    print("\nA whole answer of 100 words, one after the other; limit: at most 1 ms added at p50")
    with targets("instant") as tried:
        times = asyncio.run(in_turn(tried, False, 2_000 // part))
        _print_times(times, tried)


def print_first(part: int) -> None:
    """Prints when the first token of a stream is there."""
    print("\nFirst token of a stream that begins after 20 ms; limit: within 1 ms of the bare endpoint")
    with targets("steady") as tried:
        times = asyncio.run(in_turn(tried, True, 200 // part))
        _print_times(times, tried)


def print_streams(part: int) -> None:
    """Prints how 200 streams at once fare."""
    count = 200
    print(f"\n{count} streams at once, {TOKENS} tokens each, 20 ms between two; limit: no error")
    print(f"{'':<10}{'whole':>8}{'errors':>8}{'gap p50':>9}{'gap p99':>9}{'first p50':>11}{'CPU s':>8}")
    with targets("steady") as tried:
        for target in tried:
            before = _cpu(target)
            streams = asyncio.run(at_once(target, count // part))
            gaps = [after - before for times in streams for before, after in pairwise(times[1:])]
            whole = sum(len(times) == TOKENS + 1 for times in streams)
            cuts = quantiles([gap * 1000 for gap in gaps], n=100)
            first = median(times[1] - times[0] for times in streams if len(times) > 1) * 1000
            figures = f"{cuts[49]:>9.1f}{cuts[98]:>9.1f}{first:>11.1f}{_cpu(target) - before:>8.2f}"
            print(f"{target.name:<10}{whole:>8}{len(streams) - whole:>8}{figures}")


def print_memory(part: int) -> None:
    """Prints the gateway's memory while it answers many requests, a tenth of them without a key."""
    total = 50_000 // part
    print(f"\nMemory of the gateway over {total:,} requests; limit: flat")
    print(f"{'requests':>10}{'MB':>9}{'files':>7}")
    with targets("instant") as tried:
        (gate,) = [target for target in tried if target.name == "gateway"]
        for done in range(0, total + 1, total // 10):
            print(f"{done:>10,}{gate.process.memory_info().rss / 1e6:>9.1f}{gate.process.num_fds():>7}", flush=True)
            if done < total:
                asyncio.run(ask_many(gate, total // 10))


async def in_turn(tried: list[Target], stream: bool, rounds: int) -> dict[str, list[float]]:
    """Asks each server in each round, on kept connections, and gives the times of each in milliseconds."""
    times: dict[str, list[float]] = {target.name: [] for target in tried}
    connections = {target.name: await asyncio.open_connection("127.0.0.1", target.port) for target in tried}
    for number in range(rounds + rounds // 10):
        for target in tried:
            reader, writer = connections[target.name]
            started = time.perf_counter()
            writer.write(target.request(stream, 3 if stream else 200))
            seen = await (first_token(reader) if stream else whole_answer(reader))
            if number >= rounds // 10:  # the first ones warm up
                times[target.name].append((seen - started) * 1000)
    for _, writer in connections.values():
        writer.close()
    return times


async def whole_answer(reader: asyncio.StreamReader) -> float:
    """Reads a whole answer, and gives the moment at which it was there."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200"), head
    await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
    return time.perf_counter()


async def first_token(reader: asyncio.StreamReader) -> float:
    """Reads a stream, and gives the moment at which its first token was there."""
    await reader.readuntil(b'"content":"word')
    seen = time.perf_counter()
    await reader.readuntil(b"[DONE]")
    await reader.readuntil(b"0\r\n\r\n")
    return seen


async def at_once(target: Target, count: int) -> list[list[float]]:
    """Reads streams at once, begun within a second; gives for each its start and the moments of its tokens."""

    async def read(delay: float) -> list[float]:
        await asyncio.sleep(delay)
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        times = [time.perf_counter()]
        writer.write(target.request(stream=True))
        async for line in reader:
            if b'"content":"' in line and b'"content":""' not in line:
                times.append(time.perf_counter())
            elif b"[DONE]" in line:
                break
        writer.close()
        return times

    return await asyncio.gather(*(read(number / count) for number in range(count)))


async def ask_many(target: Target, number: int, connections: int = 16) -> None:
    """Asks for whole answers on kept connections; every tenth request has a wrong key."""
    refused = Target(target.name, target.port, "wrong", target.process).request(stream=False)
    granted = target.request(stream=False)

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        for count in range(number // connections):
            writer.write(granted if count % 10 else refused)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200" if count % 10 else b"http/1.1 401"), head
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
        writer.close()

    await asyncio.gather(*(ask() for _ in range(connections)))


@contextmanager
def targets(profile: str) -> Iterator[list[Target]]:
    """Runs the server, the gateway and nginx."""
    bare, gate, proxy = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        keys = KeyRing(folder / "keys.json")
        key = keys.create("bench")
        cloud = stack.enter_context(started([sys.executable, __file__, "cloud", profile, str(bare)], bare))
        found = [Target("bare", bare, key, cloud)]
        ours = [sys.executable, __file__, "gate", str(bare), str(gate), str(keys.path)]
        found.append(Target("gateway", gate, key, stack.enter_context(started(ours, gate))))
        if shutil.which("nginx"):
            (folder / "nginx.conf").write_text(NGINX.format(folder=folder, upstream=bare, port=proxy))
            command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", "stderr"]
            found.append(Target("nginx", proxy, key, stack.enter_context(started(command, proxy))))
        yield found


@contextmanager
def started(command: list[str], port: int) -> Iterator[psutil.Process]:
    """Runs a server until the block ends."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 60
            while is_free(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise TimeoutError(f"{command} does not listen")
                time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def _print_times(times: dict[str, list[float]], tried: list[Target]) -> None:
    print(f"{'':<10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'added p50':>11}")
    bare = median(times["bare"])
    for target in tried:
        cuts = quantiles(times[target.name], n=100)
        print(f"{target.name:<10}{cuts[49]:>9.2f}{cuts[94]:>9.2f}{cuts[98]:>9.2f}{cuts[49] - bare:>11.2f}")


def _cpu(target: Target) -> float:
    times = target.process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
