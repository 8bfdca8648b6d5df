"""What labkit costs: from a cold start to the first token, tokens/s, and memory, side by side with less.

    uv run --with onnxruntime-genai==0.18.0 python tests/bench/bench_ask.py

Without onnxruntime-genai the bare loop is left out. Every figure is a median; the programs take turns, so that a
busy moment of the machine hits all of them alike. It needs Linux or macOS, for the peak memory.
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

import labkit

FLOOR = Path(__file__).with_name("floor.py")
BARE = Path(__file__).with_name("bare_genai.py")
QUESTIONS = (
    "Why do chat apps stream tokens?",
    "What is a circuit breaker?",
    "When should I use the cloud?",
    "What does a health check do?",
)
MODEL, MAX_TOKENS = "course-large", 128
COLD, WARM = 9, 3  # rounds
# Containers often forbid bytecode files; then every import compiles its source again, and nothing else is measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Measures and prints."""
    console = Console(width=110)
    console.print(f"Machine: {_machine()}; labkit on Python {platform.python_version()}; medians")
    console.print(_cold())
    console.print(_imports())
    console.print(_warm())


def _machine() -> str:
    import psutil

    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    load = os.getloadavg()[0]
    memory = psutil.virtual_memory().total / 1e9
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, load {load:.1f} at the start"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def _cold() -> Table:
    folder = str(Path(labkit.__file__).parent / "models" / MODEL)
    ask = str(Path(sys.executable).with_name("labkit"))
    question = QUESTIONS[0]
    programs = {
        "floor: openai + native ChatSession": [sys.executable, str(FLOOR), folder, question, str(MAX_TOKENS)],
        "labkit ask": [ask, "ask", "--model", MODEL, "--max-tokens", str(MAX_TOKENS), question],
    }
    for command in programs.values():  # once without a clock, so that caches are warm for all
        _first_byte(command)
    rounds = [{name: _first_byte(command) for name, command in programs.items()} for _ in range(COLD)]
    table = Table("cold process", "first token (s)", "against the floor", "CPU (s)", "peak memory (MB)")
    floor = median(r[next(iter(programs))][0] for r in rounds)
    for name in programs:
        first, cpu, memory = (median(r[name][i] for r in rounds) for i in range(3))
        table.add_row(name, f"{first:.2f}", f"{first / floor:.2f} x", f"{cpu:.2f}", f"{memory:.0f}")
    return table


def _first_byte(command: list[str]) -> tuple[float, float, float]:
    """Gives the seconds to the first byte, the CPU seconds and the peak memory in MB."""
    started = time.perf_counter()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "bufsize": 0}
    child = subprocess.Popen(command, env=ENVIRONMENT, **pipes)
    assert child.stdout is not None
    child.stdout.read(1)
    first = time.perf_counter() - started
    child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} failed with exit code {child.returncode}")
    unit = 1e6 if platform.system() == "Darwin" else 1e3
    return first, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def _imports() -> Table:
    table = Table("in a fresh interpreter", "ms")
    for line in ("import labkit", "import labkit.cli.app", "import openai"):
        code = f"import time; t = time.perf_counter(); {line}; print((time.perf_counter() - t) * 1000)"
        runs = [float(subprocess.check_output([sys.executable, "-c", code], env=ENVIRONMENT)) for _ in range(COLD)]
        table.add_row(line, f"{median(runs):.0f}")
    return table


def _warm() -> Table:
    lab = labkit.connect(MODEL)
    ways: dict[str, Callable[[str], Iterator[str]]] = {
        "native ChatSession": _native,
        "Lab.client": lambda question: _client(lab, question),
        "labkit.streaming": lambda question: _streaming(lab, question),
    }
    for way in ways.values():
        list(way(QUESTIONS[0]))
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(WARM):
        for question in QUESTIONS:
            for name, way in ways.items():
                figures[name].append(_timed(way, question))
    if find_spec("onnxruntime_genai"):
        figures = {"bare onnxruntime-genai loop": _bare()} | figures
    table = Table("warm, in one process", "first token (ms)", "tokens/s")
    for name, runs in figures.items():
        speeds = [speed for _, speed in runs if math.isfinite(speed)]
        table.add_row(name, f"{median(first for first, _ in runs) * 1000:.1f}", f"{median(speeds):,.0f}")
    return table


def _timed(way: Callable[[str], Iterator[str]], question: str) -> tuple[float, float]:
    started = time.perf_counter()
    arrivals = [time.perf_counter() - started for piece in way(question) if piece]
    seconds = arrivals[-1] - arrivals[0]
    return arrivals[0], (len(arrivals) - 1) / seconds if seconds else math.nan


def _client(lab: labkit.Lab, question: str) -> Iterator[str]:
    chunks = lab.client.chat.completions.create(
        model=lab.model,
        messages=[{"role": "user", "content": question}],
        temperature=0,
        max_tokens=MAX_TOKENS,
        stream=True,
    )
    for chunk in chunks:
        if chunk.choices:
            yield chunk.choices[0].delta.content or ""


def _streaming(lab: labkit.Lab, question: str) -> Iterator[str]:
    from labkit.streaming import stream

    return iter(stream(lab, question, temperature=0, max_tokens=MAX_TOKENS))


def _native(question: str) -> Iterator[str]:
    from foundry_local_sdk import ChatSession, MessageItem, MessageRole, Request, RequestOptions, SearchOptions

    from labkit.runtime import shared_runtime

    model = shared_runtime(labkit.Settings.load()).find(MODEL)
    assert model is not None
    with ChatSession(model) as session:
        session.set_streaming(True)
        session.set_options(RequestOptions(search=SearchOptions(temperature=0.0, max_output_tokens=MAX_TOKENS)))
        request = Request()
        request.add_item(MessageItem(MessageRole.USER, question))
        with session.process_streaming_request(request) as items:
            for item in items:
                yield getattr(item, "text", "")


def _bare() -> list[tuple[float, float]]:
    """Runs the bare loop in a process of its own: two copies of its native library do not share one."""
    folder = str(Path(labkit.__file__).parent / "models" / MODEL)
    command = [sys.executable, str(BARE), folder, str(MAX_TOKENS), str(WARM), *QUESTIONS]
    lines = subprocess.check_output(command, text=True).splitlines()
    return [(float(first), float(speed)) for first, speed in (line.split() for line in lines)]


if __name__ == "__main__":
    main()
