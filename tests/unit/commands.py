"""The `labkit` command as tests run it: inside this process where that will do, else as a program of its own.

It knows nothing of what the commands are meant to do.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.cli import main

_LIMIT = 60  # seconds until a program that should end is killed, and the test has failed


@dataclass(frozen=True)
class Outcome:
    """What a command left behind.

    Attributes:
        code: the exit code.
        out: standard output.
        err: standard error.
    """

    code: int
    out: str
    err: str


class Terminal:
    """Types commands into this process.

    Args:
        capture: pytest's capture of what is printed.
        patch: pytest's monkeypatch.
    """

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._patch = patch

    def type(self, *words: str, pipe: str | None = None, **settings: str) -> Outcome:
        """Runs a command to its end.

        Args:
            words: what stands behind `labkit`.
            pipe: what comes in through a pipe; None is a terminal at which nobody types.
            settings: environment variables.
        """
        self._capture.readouterr()
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", ["labkit", *words])
            patch.setattr(sys, "stdin", io.StringIO(pipe) if pipe is not None else _Keyboard())
            for name, value in settings.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main()
        printed = self._capture.readouterr()
        if isinstance(end.value.code, str):  # Python itself prints such a code, and ends with 1
            return Outcome(1, printed.out, printed.err + end.value.code)
        return Outcome(end.value.code or 0, printed.out, printed.err)


class _Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


class Program:
    """A command that runs beside the test.

    Args:
        process: the process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out = ""

    def read_until(self, text: str) -> str:
        """Reads what it prints until a text comes, and gives the line with the text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.out += line
            if text in line:
                return line
        raise AssertionError(f"the program ended before it printed {text!r}: {self.out}")

    def end(self, number: int) -> int:
        """Sends a signal as a terminal does, to the whole group, reads the rest, and gives the exit code."""
        os.killpg(self.process.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Waits until it has ended by itself, reads the rest, and gives the exit code."""
        rest, _ = self.process.communicate(timeout=_LIMIT)
        self.out += rest
        return self.process.returncode


@contextmanager
def running(*words: str, cwd: Path | None = None, **settings: str) -> Iterator[Program]:
    """Starts a command as a program of its own, and kills it in the end if it still runs.

    Args:
        words: what stands behind `labkit`.
        cwd: the working directory.
        settings: environment variables.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | settings,
        start_new_session=True,
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
