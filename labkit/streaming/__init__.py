"""Answers as they arrive: read, timed, stopped and drawn."""

from labkit.streaming.answer import Answer
from labkit.streaming.completion import acomplete, complete
from labkit.streaming.driver import AsyncStream, Stream, astream, stream
from labkit.streaming.events import Event, Usage
from labkit.streaming.stats import Stats

__all__ = ["Answer", "AsyncStream", "Event", "Stats", "Stream", "Usage", "acomplete", "astream", "complete", "stream"]
