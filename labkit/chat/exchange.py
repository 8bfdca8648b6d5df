"""A question and all that an application said to it, as a client saw it.

It knows nothing of how the words travel.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Said:
    """Something that the application said: an answer, an error, or a step on the way.

    Attributes:
        id: its id.
        kind: `assistant_message`, or the kind of step.
        text: the text so far.
        is_error: whether it is shown as an error.
        pieces: each piece of a stream with the time it came, in seconds since the question.
        first_at: when its first text was there, in seconds since the question.
        whole_at: when it was complete, in seconds since the question.
    """

    id: str
    kind: str
    text: str = ""
    is_error: bool = False
    pieces: list[tuple[float, str]] = field(default_factory=list)
    first_at: float | None = None
    whole_at: float | None = None


@dataclass
class Exchange:
    """A question, and all that came after it until the application was done.

    Attributes:
        question: what was asked.
        said: what the application said, in order.
        seconds: how long it took.
    """

    question: str
    said: list[Said]
    seconds: float

    @property
    def answers(self) -> list[Said]:
        """What was said as a message; no steps, no errors."""
        return [s for s in self.said if s.kind == "assistant_message" and not s.is_error]

    @property
    def errors(self) -> list[str]:
        """The texts of errors."""
        return [s.text for s in self.said if s.is_error]

    @property
    def text(self) -> str:
        """The last answer; empty when there is none."""
        return self.answers[-1].text if self.answers else ""

    @property
    def first_text_seconds(self) -> float | None:
        """When the first text of an answer was there, in seconds since the question; None when there is none."""
        times = [answer.first_at for answer in self.answers if answer.first_at is not None]
        return min(times) if times else None
