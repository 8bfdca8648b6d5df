"""Several monitors together, such as one for each backend of a router, which is told what they find.

It knows nothing of how a check works, and nothing of routing rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Self

from labkit.health.ladder import Ladder
from labkit.health.monitor import EVERY, Listener, Monitor
from labkit.health.report import Report

if TYPE_CHECKING:
    from labkit.plots import Picture
    from labkit.routing import Router
    from labkit.routing.vitals import Vitals
    from labkit.simulator import Clock

_HEAD = ("Backend", "Status", "First token, ms", "Checked, UTC", "Found", "Fix")


class MonitorGroup(Mapping[str, Monitor]):
    """Monitors by name. `with group:` starts all of them and stops them.

    Args:
        monitors: each with a name of its own.
    """

    def __init__(self, *monitors: Monitor) -> None:
        self._monitors = {monitor.name: monitor for monitor in monitors}

    @classmethod
    def of(cls, router: Router, *, every: float = EVERY, clock: Clock | None = None) -> MonitorGroup:
        """Makes a monitor for each backend that can be asked, and lets the router know what they find.

        Args:
            router: whose backends are watched.
            every: seconds between two checks of one backend.
            clock: the router's clock, if it was given one.
        """
        asked = [(backend.name, backend.lab) for backend in router.backends if backend.lab is not None]
        group = cls(*(Monitor(Ladder(lab, clock=clock), name=name, every=every) for name, lab in asked))
        for name, monitor in group.items():
            monitor.subscribe(feed(router.vitals[name]))
        return group

    def add(self, *monitors: Monitor) -> None:
        """Takes more monitors in, such as those of backends that could not be reached earlier.

        Args:
            monitors: each with a name of its own; one that is known already is replaced.
        """
        self._monitors |= {monitor.name: monitor for monitor in monitors}

    def check(self) -> dict[str, Report]:
        """Checks all of them now, one after the other, in this thread."""
        return {name: monitor.check() for name, monitor in self.items()}

    @property
    def latest(self) -> dict[str, Report]:
        """The last report of each."""
        return {name: monitor.latest for name, monitor in self.items()}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tells somebody each new report of each monitor, from now on.

        Args:
            listener: takes the report, in the thread of the monitor.

        Returns:
            A function that ends it.
        """
        ends = [monitor.subscribe(listener) for monitor in self.values()]

        def end() -> None:
            for each in ends:
                each()

        return end

    def plot(self) -> Picture:
        """Draws the history of all of them on one axis."""
        from labkit.health.plots import history

        return history({name: monitor.history for name, monitor in self.items()})

    def start(self) -> Self:
        """Starts all of them."""
        for monitor in self.values():
            monitor.start()
        return self

    def stop(self) -> None:
        """Stops all of them."""
        for monitor in self.values():
            monitor.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __getitem__(self, name: str) -> Monitor:
        return self._monitors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._monitors)

    def __len__(self) -> int:
        return len(self._monitors)

    def rows(self) -> list[tuple[str, ...]]:
        """Gives the last report of each in a line: name, status, first token, time, what was found, what to do."""
        return [_row(name, report) for name, report in self.latest.items()]

    def __repr__(self) -> str:
        return "\n".join("  ".join(filter(None, row)) for row in (_HEAD, *self.rows()))

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{title}</th>" for title in _HEAD)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows())
        caption = f"Health of {len(self)} backends"
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def feed(vitals: Vitals) -> Listener:
    """Gives a listener that tells a router about one of its backends.

    Args:
        vitals: what the router remembers of the backend: `router.vitals[name]`. The monitor's clock must be the
            router's.
    """

    def listen(report: Report) -> None:
        vitals.report_health(report.status, report.output, report.expires)
        if report.new_first_token_ms is not None:
            vitals.measured(report.new_first_token_ms)

    return listen


def _row(name: str, report: Report) -> tuple[str, ...]:
    ms = "" if report.first_token_ms is None else f"{report.first_token_ms:,.0f}"
    return name, report.decisive.mark, ms, f"{report.time:%H:%M:%S}", report.output or "all is well", report.fix
