"""The dashboard shows each report as it comes; plain code shows the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from labkit import simulator
from labkit.health import Dashboard, Monitor, MonitorGroup
from labkit.simulator import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a simulated cloud that answers at once."""
    with simulator.run("instant", text="one two three") as running:
        yield running


def test_the_dashboard_follows_the_monitor(cloud: Cloud) -> None:
    """A failure and its cause appear without a click."""
    monitor = Monitor(cloud.lab)
    dashboard = Dashboard(monitor)
    assert "? unknown" in dashboard.html
    monitor.check()
    assert "✔ pass" in dashboard.html
    cloud.stop()
    monitor.check()
    assert "✘ fail" in dashboard.html
    assert "nothing listens" in dashboard.html
    dashboard.close()


def test_the_buttons_start_and_stop_and_check(cloud: Cloud) -> None:
    """Clicks return at once; the work is done beside."""
    monitor = Monitor(cloud.lab, every=600)
    dashboard = Dashboard(monitor)
    start, stop, check = dashboard._buttons
    checked = threading.Event()
    monitor.subscribe(lambda report: checked.set())
    check.click()
    assert checked.wait(20)
    for button in (start, stop):
        button.click()
        for thread in [t for t in threading.enumerate() if t.name == "labkit-dashboard"]:
            thread.join(20)
        assert monitor.is_running == (button is start)
    assert "0 of 1" in dashboard._state.value
    dashboard.close()


def test_the_plain_twin_tells_the_same(cloud: Cloud) -> None:
    """A group is a table in a notebook and text elsewhere."""
    group = MonitorGroup(Monitor(cloud.lab, name="<cloud>"))
    group.check()
    assert "✔ pass" in repr(group)
    assert "&lt;cloud&gt;" in group._repr_html_()
    assert group._repr_html_() == Dashboard(group).html
