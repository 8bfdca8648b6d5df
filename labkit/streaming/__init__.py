"""Answers as they arrive: read, timed, stopped and drawn."""

from labkit.streaming.answer import Answer
from labkit.streaming.completion import acomplete, complete
from labkit.streaming.driver import AsyncStream, Stream, astream, stream
from labkit.streaming.events import Event, Usage
from labkit.streaming.plots import compare, timeline
from labkit.streaming.stats import Stats
from labkit.streaming.widget import LiveStream, show

__all__ = [
    "Answer",
    "AsyncStream",
    "Event",
    "LiveStream",
    "Stats",
    "Stream",
    "Usage",
    "acomplete",
    "astream",
    "compare",
    "complete",
    "show",
    "stream",
    "timeline",
]
