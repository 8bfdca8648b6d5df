"""Can the model answer? A ladder of probes, monitors that climb it again and again, and ways to show what they find."""

from labkit.health.app import asgi
from labkit.health.dashboard import Dashboard
from labkit.health.group import MonitorGroup, feed
from labkit.health.ladder import Ladder, Timeouts, check, find
from labkit.health.monitor import Monitor
from labkit.health.report import Report
from labkit.health.result import Result
from labkit.health.spare import SpareService

__all__ = [
    "Dashboard",
    "Ladder",
    "Monitor",
    "MonitorGroup",
    "Report",
    "Result",
    "SpareService",
    "Timeouts",
    "asgi",
    "check",
    "feed",
    "find",
]
