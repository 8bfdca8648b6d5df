"""An answer: its text, how it ended, and when each part of it came.

It knows nothing of the way it arrives, in one piece or in many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.streaming.events import Event, Usage
from labkit.streaming.reader import Reader
from labkit.streaming.stats import Stats

if TYPE_CHECKING:
    from labkit.client import Lab


class Answer:
    """What a model said, so far or in whole.

    Attributes:
        lab: who was asked.
    """

    def __init__(self, lab: Lab, reader: Reader) -> None:
        self.lab = lab
        self._reader = reader

    @property
    def text(self) -> str:
        """The text."""
        return self._reader.text

    @property
    def events(self) -> tuple[Event, ...]:
        """What arrived, each part with its time."""
        return tuple(self._reader.events)

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: `stop`, `length`, `tool_calls` or `content_filter`; None while it has not."""
        return self._reader.finish_reason

    @property
    def usage(self) -> Usage | None:
        """How many tokens the server counted, once it has said so."""
        return self._reader.usage

    @property
    def stats(self) -> Stats:
        """When the tokens came."""
        return self._reader.stats
