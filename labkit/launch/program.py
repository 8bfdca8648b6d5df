"""A program with a page: started, waited for, watched and ended.

It knows nothing of what the program shows.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from labkit.errors import HomeNotWritable, LaunchFailed
from labkit.launch.frame import frame
from labkit.launch.process_tree import PATIENCE, kill, tree

if TYPE_CHECKING:
    from subprocess import Popen

_PAUSE = 0.02  # seconds between two looks
_LAST_LINES = 15  # of the log, in an error message
_ANSWER = 2.0  # seconds for one answer while the program starts


@dataclass(frozen=True)
class Plan:
    """What to start, and how to tell that it is ready.

    Attributes:
        name: what it is, in words for people, such as `the chat application`.
        command: the program and its arguments.
        url: the address of its page.
        ready: an address that answers 200 once the program can be used; the page when left out.
        env: variables in addition to those of this process.
        cwd: its working directory; this process's when left out.
        log: the file for all that it prints.
        note: what else people should know, such as why the port is not the usual one.
    """

    name: str
    command: Sequence[str]
    url: str
    log: Path
    ready: str | None = None
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    note: str = ""


class Program:
    """A running program. `with` ends it; so do `stop()` and the end of this process, however it comes.

    Args:
        plan: what to start.

    Attributes:
        plan: what was started.

    Raises:
        HomeNotWritable: its log cannot be written.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._process = _start(plan)
        self._stopping = threading.Lock()
        atexit.register(self.stop)

    @property
    def name(self) -> str:
        """What it is, in words."""
        return self.plan.name

    @property
    def url(self) -> str:
        """The address of its page."""
        return self.plan.url

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process that guards it; the program and what it started are its descendants."""
        return self._process.pid

    def wait_until_ready(self, patience: float) -> Self:
        """Waits until the page can be used.

        Args:
            patience: seconds until it has failed.

        Raises:
            LaunchFailed: it has ended, or it does not answer; nothing is left of it.
        """
        deadline = time.monotonic() + patience
        try:
            while not _answers(self.plan.ready or self.plan.url):
                if not self.is_running:
                    raise self._failed(f"it ended with exit code {self._process.returncode}")
                if time.monotonic() > deadline:
                    raise self._failed(f"it did not answer within {patience:g} seconds")
                time.sleep(_PAUSE)
        except BaseException:  # Ctrl-C too: whoever does not get the program cannot end it
            self.stop()
            raise
        return self

    def wait(self) -> int:
        """Waits until it ends by itself, and gives its exit code. Ctrl-C ends it."""
        try:
            while self.is_running:  # in short steps, because a long one hides Ctrl-C on Windows
                time.sleep(_PAUSE * 10)
        except BaseException:
            self.stop()
            raise
        self.stop()
        return int(self._process.returncode)

    def stop(self) -> None:
        """Ends it with everything that it started. Stopping twice does nothing."""
        with self._stopping:
            atexit.unregister(self.stop)
            descendants = tree(self.pid) if self.is_running else []
            with suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]  # it was started with a pipe
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE + 2)
            kill([process for process in descendants if process.is_running()])
            self._process.wait()

    def logs(self, lines: int = 100) -> str:
        """Gives the last lines of what it printed.

        Args:
            lines: how many.
        """
        return "\n".join(self.plan.log.read_text("utf-8", errors="replace").splitlines()[-lines:])

    def follow(self) -> Iterator[str]:
        """Gives each line that it prints, from the first one on, until it ends."""
        with self.plan.log.open(encoding="utf-8", errors="replace") as log:
            while True:
                is_last = not self.is_running
                yield from (line.rstrip("\n") for line in log)
                if is_last:
                    return
                time.sleep(_PAUSE * 5)

    def open(self) -> bool:
        """Opens the page in the browser, and says whether there is one."""
        import webbrowser

        return webbrowser.open(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "runs" if self.is_running else "has ended"
        return f"<{self.name} {state}: {self.url}>"

    def _repr_html_(self) -> str:
        return frame(self.name, self.url, self.plan.note, self.is_running)

    def _failed(self, what: str) -> LaunchFailed:
        return LaunchFailed(self.name, what, self.logs(_LAST_LINES), self.plan.log)


def _start(plan: Plan) -> Popen[bytes]:
    """Starts the program under a guard, in a group of its own: an interrupted kernel is no reason for it to end."""
    try:
        plan.log.parent.mkdir(parents=True, exist_ok=True)
        with plan.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603  # the caller's own command
                [sys.executable, "-m", "labkit.launch.guard", *plan.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(plan.env or {})},
                cwd=plan.cwd,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
    except OSError as error:
        raise HomeNotWritable(plan.log.parent, error) from error


def _answers(url: str) -> bool:
    from http.client import HTTPException
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_ANSWER) as reply:
            return bool(reply.status == 200)  # noqa: PLR2004  # OK
    except (OSError, HTTPException):
        return False
