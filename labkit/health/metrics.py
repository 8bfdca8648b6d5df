"""Health as Prometheus metrics, made when they are read.

It reads monitors, and it checks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from labkit.health.group import MonitorGroup

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_STATES = ("pass", "warn", "fail", "unknown")


class HealthCollector(Collector):
    """Gives the metrics of monitors to a registry.

    Args:
        group: the monitors.
    """

    def __init__(self, group: MonitorGroup) -> None:
        self._group = group

    def collect(self) -> Iterator[Metric]:
        """Gives the state of each backend and of each rung, first-token times, and the age of what is known."""
        status = GaugeMetricFamily("labkit_health_status", "1 for the state it is in.", labels=("backend", "status"))
        rungs = GaugeMetricFamily(
            "labkit_health_rung_status", "1 for the state that a rung is in.", labels=("backend", "rung", "status")
        )
        first = GaugeMetricFamily("labkit_health_first_token_seconds", "Time to first token.", labels=("backend",))
        age = GaugeMetricFamily("labkit_health_age_seconds", "Time since the last check.", labels=("backend",))
        for name, monitor in self._group.items():
            report = monitor.latest
            for state in _STATES:
                status.add_metric((name, state), float(report.status == state))
            for result in report.results:
                rungs.add_metric((name, result.rung, result.status), 1.0)
            if report.first_token_ms is not None:
                first.add_metric((name,), report.first_token_ms / 1000)
            if monitor.history:
                age.add_metric((name,), monitor.ladder.clock.now() - monitor.history[-1].at)
        yield from (status, rungs, first, age)

    def describe(self) -> Iterator[Metric]:
        """Names no metric beforehand, so that registering makes no check of names and reads no monitor."""
        return iter(())
