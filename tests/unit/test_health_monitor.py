"""A monitor keeps a history, feeds a router, and ends when it should."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import run

from labkit import health, simulator
from labkit.errors import HealthError
from labkit.health import Ladder, Monitor, MonitorGroup, Report
from labkit.health.plots import spans
from labkit.routing import Backend, Router
from labkit.simulator import Cloud, VirtualClock

_TEXT = "one two three four five six seven eight nine ten"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a simulated cloud that answers at once."""
    with simulator.run("instant", text=_TEXT) as running:
        yield running


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Gives a virtual clock."""
    with VirtualClock() as running:
        yield running


def _virtual(clock: VirtualClock, every: float = 15) -> tuple[Cloud, Monitor]:
    cloud = simulator.run("instant", text=_TEXT, clock=clock)
    return cloud, Monitor(Ladder(cloud.lab, clock=clock), every=every)


def _until(monitor: Monitor | MonitorGroup, count: int) -> threading.Event:
    done, seen = threading.Event(), []

    def listen(report: Report) -> None:
        seen.append(report)
        if len(seen) >= count:
            done.set()

    monitor.subscribe(listen)
    return done


# The thread


def test_a_monitor_checks_by_itself_until_it_is_stopped(cloud: Cloud) -> None:
    """Within the block it checks again and again; after it nothing runs."""
    monitor = Monitor(cloud.lab, every=0.05)
    done = _until(monitor, 3)
    with monitor:
        assert done.wait(20)
        assert monitor.is_running
    assert not monitor.is_running
    assert len(monitor.history) >= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("labkit-health")]


def test_stopping_breaks_off_a_check_that_waits(cloud: Cloud) -> None:
    """A stalled stream does not hold whoever wants to stop."""
    cloud.break_with("stall")
    monitor = Monitor(Ladder(cloud.lab, timeouts=health.Timeouts(completion=60.0)), every=0.05).start()
    while not any(request.completion_tokens for request in cloud.requests):
        threading.Event().wait(0.01)
    monitor.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("labkit-health")]


def test_a_stopped_monitor_leaves_nothing_known_behind(cloud: Cloud) -> None:
    """Whoever listens must not go on trusting the last result."""
    monitor = Monitor(cloud.lab)
    heard: list[Report] = []
    monitor.subscribe(heard.append)
    with monitor:
        monitor.check()
    assert heard[-1].status == "unknown"


def test_a_monitor_ends_with_its_program(home: Path) -> None:
    """A program that forgets to stop it ends all the same, quietly."""
    code = (
        "from labkit import simulator\nfrom labkit.health import Monitor\n"
        "cloud = simulator.run('instant', text='one two')\n"
        "monitor = Monitor(cloud.lab, every=0.1).start()\nmonitor.check()\nprint(monitor.latest.status)"
    )
    ended = run(code, home / "monitor")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("pass\n", "", 0)


def test_a_listener_that_fails_silences_nobody(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged, and the others hear the report."""
    monitor = Monitor(cloud.lab)
    heard: list[Report] = []
    monitor.subscribe(lambda report: 1 / 0)
    end = monitor.subscribe(heard.append)
    monitor.check()
    end()
    monitor.check()
    assert len(heard) == 1
    assert "ZeroDivisionError" in caplog.text


# Time


def test_before_the_first_check_nothing_is_known(cloud: Cloud) -> None:
    """No news is not good news."""
    monitor = Monitor(cloud.lab)
    assert (monitor.latest.status, monitor.startup) == ("unknown", "unknown")
    with pytest.raises(HealthError):
        Monitor(cloud.lab, every=0)


def test_the_latest_report_becomes_unknown_when_checks_stop_coming(clock: VirtualClock) -> None:
    """A monitor that hangs must not keep its last word."""
    _cloud, monitor = _virtual(clock)
    assert monitor.check().status == "pass"
    clock.sleep(46)
    assert monitor.latest.status == "unknown"
    assert monitor.history[-1].status == "pass"


def test_startup_liveness_and_readiness_are_three_things(clock: VirtualClock) -> None:
    """Once started stays started; alive and ready change."""
    cloud, monitor = _virtual(clock)
    cloud.break_with("500")
    monitor.check()
    assert (monitor.startup, monitor.latest.liveness, monitor.latest.readiness) == ("unknown", "pass", "fail")
    cloud.break_with(None)
    clock.sleep(5)
    monitor.check()
    assert (monitor.startup, monitor.latest.readiness) == ("pass", "pass")
    cloud.break_with("500")
    clock.sleep(120)
    monitor.check()
    assert (monitor.startup, monitor.latest.liveness, monitor.latest.readiness) == ("pass", "pass", "fail")


def test_watching_in_virtual_time_takes_no_time(clock: VirtualClock) -> None:
    """The same reports as in a thread, on the caller's clock."""
    _cloud, monitor = _virtual(clock, every=100)
    for report in monitor.watch():
        if report.at > 3_000:
            break
    assert 24 < len(monitor.history) < 40


def test_the_history_has_an_end(clock: VirtualClock) -> None:
    """A monitor that runs for weeks does not eat the memory."""
    _cloud, monitor = _virtual(clock)
    for _ in range(510):
        monitor.check()
    assert len(monitor.history) == 500


# Figures


def test_the_figure_says_in_words_who_was_well_when(clock: VirtualClock) -> None:
    """Failure, recovery, and a time without checks are spans of their own."""
    cloud, monitor = _virtual(clock)
    for fault in (None, "500", None):
        cloud.break_with(fault)
        for _ in range(8):
            monitor.check()
            clock.sleep(15)
    clock.sleep(600)
    monitor.check()
    assert [span.status for span in spans(monitor.history)] == ["pass", "fail", "pass", "unknown", "pass"]
    assert "fail from" in monitor.plot().alt
    assert "HTTP 500" in monitor.plot().alt


# Routers


def test_a_router_leaves_a_failing_backend_and_comes_back(clock: VirtualClock) -> None:
    """Readiness drives the router: no request has to fail first."""
    first, second = (simulator.run("instant", text=_TEXT, clock=clock) for _ in range(2))
    router = Router([Backend.of(first.lab, "first"), Backend.of(second.lab, "second")], clock=clock)
    group = MonitorGroup.of(router, clock=clock)
    chosen = []
    for fault in (None, "500", None):
        first.break_with(fault)
        clock.sleep(300)
        group.check()
        chosen.append(getattr(router.explain("Hello?").chosen, "name", None))
    assert chosen == ["first", "second", "first"]


def test_a_router_knows_why_a_backend_is_left_alone(clock: VirtualClock) -> None:
    """The rejection carries what the check found."""
    first, second = (simulator.run("instant", text=_TEXT, clock=clock) for _ in range(2))
    router = Router([Backend.of(first.lab, "first"), Backend.of(second.lab, "second")], clock=clock)
    first.break_with("500")
    MonitorGroup.of(router, clock=clock).check()
    assert "its health check says fail: completion" in repr(router.explain("Hello?"))


def test_a_router_forgets_a_health_that_nobody_renews(clock: VirtualClock) -> None:
    """A monitor that died must not keep a backend out, or in, for ever."""
    cloud = simulator.run("instant", text=_TEXT, clock=clock, faults="500")
    router = Router([Backend.of(cloud.lab, "only")], clock=clock)
    MonitorGroup.of(router, clock=clock).check()
    assert router.state().conditions["only"].health == "fail"
    clock.sleep(60)
    assert router.state().conditions["only"].health == "unknown"


def test_first_token_times_reach_the_router_once(clock: VirtualClock) -> None:
    """A measurement that was kept for a while is not a second measurement."""
    cloud = simulator.run("cloud", text=_TEXT, clock=clock)
    router = Router([Backend.of(cloud.lab, "cloud")], clock=clock)
    group = MonitorGroup.of(router, clock=clock)
    group.check()
    measured = router.vitals["cloud"].first_token_ms
    assert measured is not None and measured >= 200
    group.check()
    assert router.vitals["cloud"].first_token_ms == measured
