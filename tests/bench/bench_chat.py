# ruff: noqa: T201  # a benchmark prints its tables
"""The chat application under load, and how soon its page can be used.

    uv run python tests/bench/bench_chat.py [start] [load] [memory]

Everything is real: Chromium, Chainlit, websockets. Behind the application stands a simulated cloud in a process of its
own, whose waits are fixed, so that whatever comes on top is ours.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from labkit import launch
from labkit.chat.client import AsyncChatClient
from labkit.client import Lab
from labkit.launch import Program
from labkit.ports import free_port
from labkit.streaming import astream

USERS, ROUNDS = 50, 4
WARM_UP, CHATS, AT_ONCE = 2_500, 1_000, 20  # chats; those of the last two minutes wait for their browsers
STARTS = 5
WAIT_MS, TOKEN_MS, TOKENS = 300, 30, 100
STAGGER = 3.0  # seconds over which the users arrive
MOST_ADDED_MS, MOST_START_RATIO = 60, 1.3
_MB = 1_000_000

# A cloud that repeats the question, so that an answer that reaches the wrong user is seen.
_CLOUD = f"""
import sys
from labkit.simulator import Faults, Latency, Profile
from labkit.simulator.app import App
from labkit.simulator.cloud import ServedCloud
from labkit.simulator.upstream import FixedText

class Echo(FixedText):
    async def answer(self, ask):
        async for piece in FixedText(" ".join([ask.messages[-1]["content"]] * {TOKENS})).answer(ask):
            yield piece

profile = Profile("fixed", Latency({WAIT_MS}), Latency({TOKEN_MS}))
with ServedCloud(App(Echo(""), profile, Faults.parse(None)), int(sys.argv[1])) as cloud:
    print("ready", flush=True)
    sys.stdin.read()
"""
_BARE = """
import chainlit as cl

@cl.on_message
async def answer(message: cl.Message):
    reply = cl.Message(content="")
    for word in message.content.split():
        await reply.stream_token(word + " ")
    await reply.send()
"""


@contextmanager
def cloud() -> Iterator[Lab]:
    """Runs the simulated cloud, and gives a Lab for it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _CLOUD, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield Lab("simulated-cloud", f"http://127.0.0.1:{port}/v1", "key", "fixed-text")
    finally:
        process.communicate("")


@contextmanager
def application(lab: Lab, home: str) -> Iterator[Program]:
    """Runs the application in front of the cloud."""
    env = {"BASE_URL": lab.endpoint, "MODEL": lab.model, "LABKIT_HOME": home}
    with launch.chat(port=free_port(), env=env) as program:
        yield program


async def bare_user(lab: Lab, number: int) -> list[float]:
    """Asks the endpoint directly, and gives the times to the first token, in milliseconds."""
    await asyncio.sleep(STAGGER * number / USERS)
    times = []
    for turn in range(ROUNDS):
        answer = astream(lab, f"user{number}turn{turn}")
        async for _piece in answer:
            pass
        times.append(answer.stats.time_to_first_token * 1000)
    return times


async def chat_user(url: str, number: int, all_here: asyncio.Barrier) -> tuple[list[float], list[str]]:
    """Asks through the application; gives the times to the first text, and what went wrong."""
    times, wrong = [], []
    async with AsyncChatClient(url) as chat:
        await all_here.wait()
        await asyncio.sleep(STAGGER * number / USERS)
        for turn in range(ROUNDS):
            question = f"user{number}turn{turn}"
            exchange = await chat.ask(question, timeout=120)
            words = set(exchange.text.split("\n\n")[0].split())
            if exchange.errors or words != {question}:
                wrong.append(f"{question}: {exchange.errors or sorted(words)}")
            if exchange.first_text_seconds is not None:
                times.append(exchange.first_text_seconds * 1000)
    return times, wrong


def load() -> None:
    """50 users at once."""
    with tempfile.TemporaryDirectory() as home, cloud() as lab:
        bare = asyncio.run(_all_bare(lab))
        with application(lab, home) as program:
            server = _server(program)
            before, since = server.cpu_times(), time.perf_counter()
            results = asyncio.run(_all_chats(program.url))
            after, seconds = server.cpu_times(), time.perf_counter() - since
    cpu = after.user + after.system - before.user - before.system
    times = [t for user, _ in results for t in user]
    wrong = [line for _, lines in results for line in lines]
    added, asked = _p95(times) - _p95(bare), USERS * ROUNDS
    print(f"\n{USERS} users, {ROUNDS} questions each; first token, ms   p50    p95")
    print(f"the endpoint itself                                {statistics.median(bare):6.0f} {_p95(bare):6.0f}")
    print(f"through the application                            {statistics.median(times):6.0f} {_p95(times):6.0f}")
    print(f"added at p95: {added:.0f} ms (at most {MOST_ADDED_MS}); errors and cross-talk: {len(wrong)} of {asked}")
    each, share = 1000 * cpu / asked, 100 * cpu / seconds
    print(f"processor time of the application: {each:.0f} ms a question, {share:.0f}% of a core")
    for line in wrong[:10]:
        print("  ", line)


async def _all_bare(lab: Lab) -> list[float]:
    return [t for user in await asyncio.gather(*(bare_user(lab, n) for n in range(USERS))) for t in user]


async def _all_chats(url: str) -> list[tuple[list[float], list[str]]]:
    all_here = asyncio.Barrier(USERS)
    return await asyncio.gather(*(chat_user(url, n, all_here) for n in range(USERS)))


def memory() -> None:
    """1,000 chats after many others, each opened, used for one question and closed like a tab."""
    with tempfile.TemporaryDirectory() as home, cloud() as lab, application(lab, home) as program:
        server = _server(program)
        asyncio.run(_many(program.url, WARM_UP))
        print("\nchats   memory, MB")
        for done in range(0, CHATS + 1, CHATS // 10):
            print(f"{done:5}   {server.memory_info().rss / _MB:6.1f}")
            if done < CHATS:
                asyncio.run(_many(program.url, CHATS // 10))


def _server(program: Program) -> psutil.Process:
    """Gives the process of the application itself, which is the largest one under the guard."""
    return max(psutil.Process(program.pid).children(recursive=True), key=lambda p: p.memory_info().rss)


async def _many(url: str, chats: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate, AsyncChatClient(url) as chat:
            await chat.ask(f"user{number}", timeout=120)

    await asyncio.gather(*(one(n) for n in range(chats)))


def start() -> None:
    """From the command to a page on which a question can be sent."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))))
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        app = Path(home) / "bare.py"
        app.write_text(_BARE)
        bare, ours = [], []
        for _ in range(STARTS):
            port = free_port()
            command = [sys.executable, "-m", "chainlit", "run", str(app), "--headless", "--port", str(port)]
            bare.append(_usable_after(browser, command, port, home))
            port = free_port()
            command = [sys.executable, "-m", "labkit", "chat", "--no-browser", "--port", str(port)]
            ours.append(_usable_after(browser, command, port, home))
        browser.close()
    floor, ratio = statistics.median(bare), statistics.median(ours) / statistics.median(bare)
    print(f"\nusable page, s: bare chainlit run {floor:.2f}, labkit chat {statistics.median(ours):.2f}")
    print(f"ratio {ratio:.2f} (at most {MOST_START_RATIO})")


def _usable_after(browser: object, command: list[str], port: int, home: str) -> float:
    started = time.perf_counter()
    env = {**os.environ, "LABKIT_HOME": f"{home}/labkit", "CI": ""}
    process = subprocess.Popen(command, env=env, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            if _listens(port):
                break
            time.sleep(0.02)
        page = browser.new_context().new_page()  # type: ignore[attr-defined]
        page.goto(f"http://127.0.0.1:{port}")
        page.fill("#chat-input", "hello")
        page.locator("#chat-submit:not([disabled])").wait_for()
        seconds = time.perf_counter() - started
        page.context.close()
        return seconds
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    for name in sys.argv[1:] or ["start", "load", "memory"]:
        {"start": start, "load": load, "memory": memory}[name]()
