"""A routed answer: the text, who gave it, what it cost, and everything that was tried for it.

It knows nothing of how it came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from labkit.routing.backend import Backend
from labkit.routing.decision import Decision
from labkit.routing.trace import Trace
from labkit.streaming import Answer, Stats, Usage


@dataclass(frozen=True)
class Reply:
    """An answer, and how it came about.

    Attributes:
        backend: who answered.
        trace: every attempt, the failed ones too.
        answer: the text with its events and times.
    """

    backend: Backend
    trace: Trace
    answer: Answer

    @property
    def text(self) -> str:
        """What the model said."""
        return self.answer.text

    @property
    def source(self) -> str:
        """Where the answer came from, such as `foundry-local`, `azure` or `simulated-cloud`."""
        return self.backend.source

    @property
    def model(self) -> str:
        """The model that answered."""
        return self.backend.model

    @property
    def decision(self) -> Decision:
        """What was decided before anything was sent."""
        return self.trace.decision

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: `stop`, `length`, `tool_calls` or `content_filter`."""
        return self.answer.finish_reason

    @property
    def usage(self) -> Usage | None:
        """How many tokens the server counted, if it did."""
        return self.answer.usage

    @property
    def stats(self) -> Stats:
        """When the tokens came."""
        return self.answer.stats

    @property
    def cost(self) -> float:
        """What all attempts cost together, in USD."""
        return self.trace.cost

    @property
    def extra_cost(self) -> float:
        """What was paid for attempts whose answer nobody got, in USD."""
        return self.trace.extra_cost

    @property
    def label(self) -> str:
        """Who answered, how fast and for how much, in one line."""
        tries = f", {len(self.trace)} attempts" if len(self.trace) > 1 else ""
        return f"{self.model} ({self.source}), {self.trace.ms:.0f} ms, ${self.cost:.6f}{tries}"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        text, label = escape(self.text), escape(self.label)
        return f"<figure><blockquote>{text}</blockquote><figcaption>{label}</figcaption></figure>"
