"""Answers as they arrive: read, timed, stopped and drawn."""

from labkit.streaming.answer import Answer
from labkit.streaming.completion import acomplete, complete
from labkit.streaming.events import Event, Usage
from labkit.streaming.stats import Stats
from labkit.streaming.stream import AsyncStream, Stream, astream, stream

__all__ = ["Answer", "AsyncStream", "Event", "Stats", "Stream", "Usage", "acomplete", "astream", "complete", "stream"]
