"""Python programs that a test runs in processes of their own, each with settings of its own.

It knows nothing of what they are meant to prove.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Answers over the web service with the standard library only: importing openai would double the time of each test.
ASK = """
import json, urllib.request

def ask(endpoint, model, question="What is streaming?", **options):
    body = {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 8, "temperature": 0}
    request = urllib.request.Request(f"{endpoint}/chat/completions", json.dumps(body | options).encode())
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)

def answer(endpoint, model):
    return json.load(ask(endpoint, model))["choices"][0]["message"]["content"]
"""

# Serves course-small as `labkit serve` does, until it is killed or its standard input ends.
SERVE = """
import sys
from labkit.foundry import FoundryLocalManager
from labkit.runtime import shared_runtime
from labkit.settings import Settings

settings = Settings.load()
shared_runtime(settings, settings.foundry_port).serve()
FoundryLocalManager("course-small")
print("ready", flush=True)
sys.stdin.read()
"""


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Gives an environment for a program, without the CI variable, which would make Foundry Local quiet by itself.

    Args:
        home: LABKIT_HOME.
        settings: further variables.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS")}
    return inherited | {"LABKIT_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"} | settings


def run(
    code: str, home: Path, *, prefix: Sequence[str] = (), cwd: Path | None = None, timeout: float = 60, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end.

    Args:
        code: the program.
        home: LABKIT_HOME.
        prefix: a command to run it with, such as `strace`.
        cwd: the working directory.
        timeout: seconds after which it has failed.
        settings: further variables.
    """
    return subprocess.run(
        [*prefix, sys.executable, "-c", code],
        env=environment(home, **settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def running(code: str, home: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a program beside the test; it has begun its work when it prints `ready`, and is killed in the end.

    Args:
        code: the program.
        home: LABKIT_HOME.
        settings: further variables.
    """
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(home, **settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout and program.stderr
        if program.stdout.readline() != "ready\n":
            program.kill()
            raise AssertionError(f"the program did not get ready: {program.stderr.read()}")
        yield program
    finally:
        program.kill()
        program.communicate()
