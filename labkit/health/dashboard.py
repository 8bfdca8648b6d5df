"""A dashboard for notebooks: the last reports, new as they come, with Start, Stop and Check now.

The same in plain code is the group itself: `group.check()`, then `group` as the last line of a cell. It knows nothing
of how a check works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from labkit.health.group import MonitorGroup
from labkit.health.monitor import Monitor
from labkit.health.report import Report

_REDRAW = 5.0  # seconds between two drawings; a drawing takes a good part of one


class Dashboard:
    """Shows monitors live. It is the last line of a cell, or `dashboard.widget` in a layout of one's own.

    Args:
        what: a monitor, or a group of them. The dashboard starts them only when Start is clicked.
    """

    def __init__(self, what: Monitor | MonitorGroup) -> None:
        import ipywidgets

        self.group = MonitorGroup(what) if isinstance(what, Monitor) else what
        self._table, self._figure, self._state = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.Label()
        self._buttons = [
            self._button("Start", "play", self.group.start),
            self._button("Stop", "stop", self.group.stop),
            self._button("Check now", "refresh", self.group.check),
        ]
        self.widget = ipywidgets.VBox(
            [ipywidgets.HBox([*self._buttons, self._state]), self._table, self._figure],
        )
        self._turn = threading.Lock()
        self._drawn_at, self._drawn_for = -_REDRAW, ""
        self._unsubscribe = self.group.subscribe(self._on_report)
        self.refresh()

    @property
    def html(self) -> str:
        """What the table shows now."""
        return str(self._table.value)

    def refresh(self) -> None:
        """Shows what is known now."""
        with self._turn:
            self._table.value = self.group._repr_html_()
            self._draw()
            running = sum(monitor.is_running for monitor in self.group.values())
            self._state.value = f"{running} of {len(self.group)} monitors running"

    def close(self) -> None:
        """Takes the widget away. The monitors go on."""
        self._unsubscribe()
        self.widget.close()

    def __repr__(self) -> str:
        return repr(self.group)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def _draw(self) -> None:
        now, states = time.monotonic(), " ".join(report.status for report in self.group.latest.values())
        if states != self._drawn_for or now - self._drawn_at >= _REDRAW:
            self._figure.value = self.group.plot()._repr_html_()
            self._drawn_at, self._drawn_for = now, states

    def _on_report(self, report: Report) -> None:
        self.refresh()

    def _act(self, act: Callable[[], object]) -> None:
        act()
        self.refresh()

    def _button(self, label: str, icon: str, act: Callable[[], object]) -> Any:
        import ipywidgets

        button = ipywidgets.Button(description=label, icon=icon)

        def clicked(_: object) -> None:
            # A check can take seconds, and a kernel that waits for it would look dead.
            threading.Thread(target=self._act, args=(act,), name="labkit-dashboard", daemon=True).start()

        button.on_click(clicked)
        return button
