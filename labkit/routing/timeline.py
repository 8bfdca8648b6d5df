"""What a router did over time: each attempt, who failed, who stood in, and when a circuit breaker was open.

It observes a router and draws. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from labkit.routing.router import Router
from labkit.routing.trace import OK, Attempt, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from labkit.plots import Picture
    from labkit.simulator import Clock

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers differ, and the words stand in the legend.
_CIRCUITS = {"open": "#d55e00", "half-open": "#e69f00"}
_GOOD, _BAD = ("#009e73", "o"), ("#000000", "x")


class Entry(NamedTuple):
    """One request.

    Attributes:
        at: when it ended, in seconds of the router's clock.
        trace: all its attempts.
        circuits: the state of each circuit breaker when it had ended, by the backend's name.
    """

    at: float
    trace: Trace
    circuits: dict[str, str]


class Timeline:
    """Keeps what a router does from now on, and draws it. `Timeline.of(router)` makes one.

    Attributes:
        entries: one for each request.
    """

    def __init__(self, router: Router, clock: Clock) -> None:
        self.entries: list[Entry] = []
        self._router, self._clock = router, clock

    @classmethod
    def of(cls, router: Router, clock: Clock | None = None) -> Timeline:
        """Watches a router from now on.

        Args:
            router: which one.
            clock: the router's clock, if it was given one.
        """
        from labkit.simulator import RealClock

        timeline = cls(router, clock or RealClock())
        router.observers = (*router.observers, timeline)
        return timeline

    def __call__(self, trace: Trace) -> None:
        """Takes the trace of a finished request."""
        now = self._clock.now()
        circuits: dict[str, str] = {name: vitals.breaker.state(now) for name, vitals in self._router.vitals.items()}
        self.entries.append(Entry(now, trace, circuits))

    @property
    def answered(self) -> int:
        """How many requests got an answer."""
        return sum(entry.trace.is_answered for entry in self.entries)

    def attempts(self, backend: str) -> Iterator[tuple[float, Attempt]]:
        """Gives the attempts on one backend, each with the time when it ended, in seconds since the first request.

        Args:
            backend: its name.
        """
        for at, trace, _ in self.entries:
            for attempt in trace:
                if attempt.backend == backend:
                    yield at - (trace.ms - attempt.started - attempt.ms) / 1000 - self._began, attempt

    def circuits(self, backend: str) -> list[tuple[str, float, float]]:
        """Gives the states of a backend's circuit breaker: which one, from when, and until when.

        Args:
            backend: its name.
        """
        spans: list[tuple[str, float, float]] = []
        for state, group in groupby(self.entries, key=lambda entry: entry.circuits[backend]):
            start = next(iter(group)).at - self._began
            if spans:
                spans[-1] = (*spans[-1][:2], start)
            spans.append((state, start, self.entries[-1].at - self._began))
        return spans

    def plot(self) -> Picture:
        """Draws it: one row for each backend."""
        from matplotlib.figure import Figure

        from labkit.plots import picture

        names = list(self._router.vitals)
        figure = Figure(figsize=(9, 1.6 + 0.7 * len(names)), layout="constrained")
        ax = figure.subplots()
        for row, name in enumerate(names):
            self._draw(ax, row, name)
        ax.set(title="Who was asked, and what came of it", xlabel="seconds since the first request")
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.grid(axis="x", alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        _legend(ax)
        return picture(figure, f"Attempts over time. {' '.join(map(self._in_words, names))}")

    @property
    def _began(self) -> float:
        first = self.entries[0]
        return first.at - first.trace.ms / 1000

    def _draw(self, ax: Axes, row: int, name: str) -> None:
        for state, start, end in self.circuits(name):
            if state in _CIRCUITS:
                ax.barh(row, end - start, left=start, height=0.7, color=_CIRCUITS[state], alpha=0.25)
                place = row - 0.25 if state == "open" else row + 0.25  # a half-open moment is short
                ax.text(start, place, f" {state}", va="center", fontsize=8, clip_on=True)
        for good, (colour, marker) in ((True, _GOOD), (False, _BAD)):
            times = [at for at, attempt in self.attempts(name) if (attempt.status == OK) is good]
            ax.plot(times, [row] * len(times), color=colour, marker=marker, markersize=5, linewidth=0)

    def _in_words(self, name: str) -> str:
        attempts = [attempt for _, attempt in self.attempts(name)]
        good = sum(attempt.status == OK for attempt in attempts)
        told = f"{name}: {len(attempts)} attempts, {good} of them answered"
        spans = [f"{state} from {start:.0f} to {end:.0f} s" for state, start, end in self.circuits(name)]
        return f"{told}; circuit breaker {', '.join(spans)}."


def _legend(ax: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker=marker, linewidth=0, label=label)
        for (colour, marker), label in ((_GOOD, "answered"), (_BAD, "failed"))
    ]
    handles += [Patch(color=colour, alpha=0.25, label=f"circuit {state}") for state, colour in _CIRCUITS.items()]
    ax.legend(handles=handles, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.35))
