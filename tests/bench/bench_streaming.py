# ruff: noqa: T201  # a benchmark prints its table
"""What `stream()` costs over the bare OpenAI client: time to the first token and in all, side by side in one run.

Two servers: one in a process of its own that writes a fixed stream of 100 chunks as fast as it can, with a pause of
5 ms before the first, and the real Foundry Local with course-small. Rounds alternate and the medians are compared.

    uv run python tests/bench/bench_streaming.py
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import labkit
from labkit.client import Lab
from labkit.streaming import astream, stream

_ROUNDS = 200
_CHUNKS = 100
_QUESTION = "Why do chat apps stream tokens?"
_LIMITS = "limits: first token at most 0.3 ms later, total at most 5% longer"

Timing = tuple[float, float]  # first token and total, seconds


def main() -> None:
    """Prints one table for each server."""
    if sys.argv[1:] == ["serve"]:
        serve()
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            measure("fixed stream of 100 chunks", Lab("bench", f"http://127.0.0.1:{port}/v1", "none", "fixed"), _ROUNDS)
        finally:
            server.terminate()
    measure("Foundry Local, course-small", labkit.connect("course-small"), _ROUNDS // 2)


def measure(title: str, lab: Lab, rounds: int) -> None:
    """Prints how the four readers compare on one server."""
    # Each reader has a client of its own: one that closes its connection would make the next one open another.
    labs = [replace(lab) for _ in range(4)]
    with asyncio.Runner() as runner:
        readers: dict[str, Callable[[], Timing]] = {
            "openai": lambda: bare(labs[0]),
            "labkit.stream": lambda: ours(labs[1]),
            "AsyncOpenAI": lambda: runner.run(bare_async(labs[2])),
            "labkit.astream": lambda: runner.run(ours_async(labs[3])),
        }
        table: dict[str, list[Timing]] = {name: [] for name in readers}
        for number in range(rounds + 5):
            for name, read in readers.items():
                timing = read()
                if number >= 5:  # the first rounds load modules and open connections
                    table[name].append(timing)
    report(title, table)


def report(title: str, table: dict[str, list[Timing]]) -> None:
    """Prints medians, and the differences that the limits are about."""
    print(f"\n{title} ({_LIMITS})")
    print(f"{'':<16}{'first token ms':>16}{'total ms':>12}{'+first ms':>12}{'+total %':>12}")
    base: Timing = (0.0, 0.0)
    for name, timings in table.items():
        first, total = (statistics.median(column) * 1000 for column in zip(*timings, strict=True))
        if not name.startswith("labkit"):
            base = (first, total)
        print(f"{name:<16}{first:>16.3f}{total:>12.2f}{first - base[0]:>12.3f}{100 * (total / base[1] - 1):>12.1f}")


def _request(lab: Lab) -> dict[str, Any]:
    message = {"role": "user", "content": _QUESTION}
    return {
        "model": lab.model,
        "messages": [message],
        "max_tokens": _CHUNKS,
        "temperature": 0,
        "stream_options": {"include_usage": True},
    }


def bare(lab: Lab) -> Timing:
    """Reads a stream as the OpenAI client's documentation does."""
    sent, first = time.perf_counter(), 0.0
    for chunk in lab.client.chat.completions.create(**_request(lab), stream=True):
        if not first and chunk.choices and chunk.choices[0].delta.content:
            first = time.perf_counter() - sent
    return first, time.perf_counter() - sent


def ours(lab: Lab) -> Timing:
    """Reads a stream with labkit, and times it from outside."""
    sent, first = time.perf_counter(), 0.0
    for _piece in stream(lab, _QUESTION, max_tokens=_CHUNKS, temperature=0):
        first = first or time.perf_counter() - sent
    return first, time.perf_counter() - sent


async def bare_async(lab: Lab) -> Timing:
    """Reads a stream as the OpenAI client's documentation does, asynchronously."""
    sent, first = time.perf_counter(), 0.0
    async for chunk in await lab.async_client.chat.completions.create(**_request(lab), stream=True):
        if not first and chunk.choices and chunk.choices[0].delta.content:
            first = time.perf_counter() - sent
    return first, time.perf_counter() - sent


async def ours_async(lab: Lab) -> Timing:
    """Reads a stream with labkit, asynchronously, and times it from outside."""
    sent, first = time.perf_counter(), 0.0
    async for _piece in astream(lab, _QUESTION, max_tokens=_CHUNKS, temperature=0):
        first = first or time.perf_counter() - sent
    return first, time.perf_counter() - sent


def serve() -> None:
    """Answers every request with the same stream, on one thread a connection."""
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    """Serves one connection until the other side closes it."""
    chunks = [event({"content": f" word{number}"}) for number in range(_CHUNKS)] + [
        event({}, "stop"),
        b"data: [DONE]\n\n",
    ]
    while has_request(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        time.sleep(0.005)
        try:
            for chunk in chunks:
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            connection.sendall(b"0\r\n\r\n")
        except OSError:  # a reader that does not wait for the end
            return


def has_request(connection: socket.socket) -> bool:
    """Reads one whole request, or says that there is none."""
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536) or b"\r\n\r\n\r\n"
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"POST"):
            return False
        length = int(next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length" in line))
        while len(body) < length:
            body += connection.recv(65536)
    except OSError:
        return False
    return True


def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    """Gives one chunk in the form that servers send."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fixed", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


if __name__ == "__main__":
    main()
