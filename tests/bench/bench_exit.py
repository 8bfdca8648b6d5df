"""Measures how long a process takes to start, and to end after Ctrl-C, in four situations.

    uv run python tests/bench/bench_exit.py

Ctrl-C has to end a process within two seconds. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

from labkit.catalog import PATH
from labkit.ports import free_port

_RUNS = 5
_CONNECT = "import labkit\nlab = labkit.connect('course-small')\n"
_READY = "print('ready', flush=True)\n"
_STREAM = """
stream = lab.client.chat.completions.create(
    model=lab.model, messages=[{"role": "user", "content": "hi"}], max_tokens=900, stream=True, temperature=1)
next(stream)
print('ready', flush=True)
while True:
    next(stream, None)
"""
_LOAD = """
from labkit.foundry import FoundryLocalManager
print('ready', flush=True)
while True:
    FoundryLocalManager('course-small').unload_model('course-small')
"""
_SITUATIONS = {
    "idle": _CONNECT + _READY + "input()",
    "loading a model": _CONNECT + _LOAD,
    "in a stream": _CONNECT + _STREAM,
    "waiting for a silent catalog": _CONNECT + _READY + "labkit.connect('phi-4-mini')",
}


def main() -> None:
    """Prints the table."""
    table = Table("Situation", "ready after", "Ctrl-C: median", "Ctrl-C: worst", title=f"Seconds, {_RUNS} runs each")
    with tempfile.TemporaryDirectory() as home, socket.create_server(("127.0.0.1", 0)) as silent:
        catalog = f"http://127.0.0.1:{silent.getsockname()[1]}{PATH}"
        settings = {"LABKIT_HOME": home, "FOUNDRY_PORT": str(free_port()), "FOUNDRY_CATALOG_URL": catalog}
        for name, code in _SITUATIONS.items():
            times = [_measure(code, settings) for _ in range(_RUNS)]
            starts, ends = zip(*times, strict=True)
            table.add_row(
                name, f"{statistics.median(starts):.2f}", f"{statistics.median(ends):.2f}", f"{max(ends):.2f}"
            )
    Console().print(table)


def _measure(code: str, settings: dict[str, str]) -> tuple[float, float]:
    begun = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout
    program.stdout.readline()
    ready = time.perf_counter()
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=60)
    return ready - begun, time.perf_counter() - ready


if __name__ == "__main__":
    main()
