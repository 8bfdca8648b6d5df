"""A monitor: checks again and again, keeps what it found, and tells those who want to know.

It runs in a thread of its own, or in the caller's. It knows nothing of how a check works.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from labkit.client import Lab
from labkit.health.ladder import Ladder, require
from labkit.health.report import Report
from labkit.health.result import Status
from labkit.model_info import alias_of

if TYPE_CHECKING:
    from labkit.plots import Picture

EVERY = 15.0  # seconds
_KEPT = 500  # reports
_JITTER = (0.8, 1.2)  # waits are multiplied by a number from this range
_FIRST = 0.1  # the first check comes after at most this share of the usual wait
_STALE = 3.0  # a report is stale after so many times the usual wait
_PATIENCE = 2.0  # seconds for the thread to end; what it waits for has limits of its own

Listener = Callable[[Report], object]


class Monitor:
    """Checks a model again and again. `with monitor:` starts it and stops it; so does the end of the process.

    Three questions, three answers. *Startup*: has the model been ready at least once? Until then be patient.
    *Liveness*: does the server stand (`monitor.latest.liveness`)? If not, restart it. *Readiness*: can the model
    answer now (`monitor.latest.readiness`)? If not, send nothing for a while, and restart nothing.

    Args:
        what: a Lab, or a ladder with values of its own.
        name: what it is called in figures and metrics; the model's alias when left out.
        every: seconds between two checks, spread by a fifth in both directions so that many monitors drift apart.

    Raises:
        HealthError: `every` is not above 0.
    """

    def __init__(self, what: Lab | Ladder, *, name: str | None = None, every: float = EVERY) -> None:
        require("every", every)
        self.ladder = what if isinstance(what, Ladder) else Ladder(what)
        self.name = name or alias_of(self.ladder.lab.model)
        self.every = every
        self.started_at: float | None = None
        self._history: deque[Report] = deque(maxlen=_KEPT)
        self._listeners: list[Listener] = []
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def latest(self) -> Report:
        """The last report; everything in it is unknown when it is stale, or when there is none."""
        if not self._history:
            return self.ladder.blank("no check was made yet")
        return self._history[-1].as_of(self.ladder.clock.now())

    @property
    def history(self) -> tuple[Report, ...]:
        """The last 500 reports, oldest first, as they were when they were new."""
        return tuple(self._history)

    @property
    def startup(self) -> Status:
        """`pass` once the model has been ready, for ever; `unknown` until then."""
        return "unknown" if self.started_at is None else "pass"

    @property
    def is_running(self) -> bool:
        """Whether checks are made by themselves."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_died(self) -> bool:
        """Whether it was started, not stopped, and does not run any more."""
        return self._thread is not None and not self._thread.is_alive()

    def check(self) -> Report:
        """Checks now, in this thread."""
        with self._turn:
            report = replace(self._look(), expires=self.ladder.clock.now() + _STALE * self.every)
            if self.started_at is None and report.is_ready:
                self.started_at = report.at
            self._history.append(report)
        self._tell(report)
        return report

    def watch(self) -> Iterator[Report]:
        """Checks again and again in this thread, and gives each report. It waits on the ladder's clock."""
        while True:
            yield self.check()
            self.ladder.clock.sleep(self._wait())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tells somebody each new report, from now on.

        Args:
            listener: takes the report, in the thread of the monitor.

        Returns:
            A function that ends it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def plot(self) -> Picture:
        """Draws the history."""
        from labkit.health.plots import history

        return history({self.name: self.history}, self.ladder.slow_ms)

    def start(self) -> Self:
        """Starts checking in a thread of its own; does nothing when it runs."""
        if not self.is_running:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name=f"labkit-health-{self.name}", daemon=True)
            self._thread.start()
            atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stops checking, and tells all listeners that nothing is known any more. Stopping twice does nothing."""
        atexit.unregister(self.stop)
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        self.ladder.interrupt()
        if thread is not threading.current_thread():
            thread.join(_PATIENCE)
        self.ladder.close()
        self._tell(self.latest.forgotten("the monitor was stopped"))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        stopping, wait = self._stopping, self.every * self.ladder.random.uniform(0, _FIRST)
        while not stopping.wait(wait):
            self.check()
            wait = self._wait()

    def _wait(self) -> float:
        return self.every * self.ladder.random.uniform(*_JITTER)

    def _look(self) -> Report:
        try:
            return self.ladder.check()
        except Exception as error:  # a mistake in a check must not end the checks, nor pass for health
            logging.getLogger(__name__).exception("A health check could not be made.")
            return self.ladder.blank(f"the check itself failed: {type(error).__name__}: {error}")

    def _tell(self, report: Report) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(report)
            except Exception:  # one listener that fails must not silence the others
                logging.getLogger(__name__).exception("A listener of the health monitor failed.")
