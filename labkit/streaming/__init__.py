"""Answers as they arrive: read, timed, stopped and drawn."""

from labkit.streaming.reader import Event, Usage
from labkit.streaming.stats import Stats
from labkit.streaming.stream import Stream, stream

__all__ = ["Event", "Stats", "Stream", "Usage", "stream"]
