"""How good answers are: questions about the course that no model was trained on, and marks for what is said to them.

The questions and the answers that are owed to them ship with the package, so anybody can measure the bundled models
anew. Only these can be marked this way: they recite, and other models answer in words of their own. It knows nothing of
policies.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Literal

from labkit.routing.backend import Backend
from labkit.streaming import Answer, stream
from labkit.training import corpus

if TYPE_CHECKING:
    from labkit.simulator import VirtualClock

Outcome = Literal["right", "refused", "wrong"]
OUTCOMES: tuple[Outcome, ...] = ("right", "refused", "wrong")
_MAX_TOKENS = 120  # the longest answer that is owed has fewer
_Z = 1.96  # standard deviations around the mean that hold 95% of a normal distribution


@dataclass(frozen=True)
class Question:
    """A question that no model was trained on.

    Attributes:
        text: its wording.
        topic: what it is about.
        owed: the answers that count as right: the long and the short one.
    """

    text: str
    topic: str
    owed: tuple[str, ...]

    def mark(self, text: str) -> Outcome:
        """Marks an answer: `right`, `refused` (an honest "I do not know"), or `wrong` (an answer to something else).

        Args:
            text: what a model said.
        """
        if text.strip() in self.owed:
            return "right"
        return "refused" if text.strip() == corpus.REFUSAL else "wrong"


@dataclass(frozen=True)
class Mark:
    """One question, and what came back.

    Attributes:
        question: what was asked.
        text: what was answered.
        outcome: `right`, `refused` or `wrong`.
        first_token_ms: the wait for the first token, in milliseconds.
        ms: the time until the answer was complete, in milliseconds.
        cost: USD.
    """

    question: Question
    text: str
    outcome: Outcome
    first_token_ms: float
    ms: float
    cost: float


class Exam:
    """Some held-out questions.

    Args:
        questions: which ones.
    """

    def __init__(self, questions: tuple[Question, ...]) -> None:
        self.questions = questions

    @classmethod
    def sample(cls, per_topic: int = 1, seed: int = 0) -> Exam:
        """Draws questions by chance, as many on each topic of the course.

        Args:
            per_topic: how many on each topic; at most 8.
            seed: fixes the choice. Another one gives other questions.

        Raises:
            ValueError: there are not so many.
        """
        if not 1 <= per_topic <= corpus.LEAST_HELD_OUT:
            raise ValueError(f"per_topic={per_topic} cannot be drawn. Give a number from 1 to {corpus.LEAST_HELD_OUT}.")
        random = Random(seed)  # noqa: S311  # draws questions, guards no secret
        return cls(
            tuple(
                Question(text, topic.title, (topic.answer, topic.short))
                for topic in corpus.load().topics
                for text in random.sample(topic.asked.held_out, per_topic)
            )
        )

    def take(self, backend: Backend, clock: VirtualClock | None = None) -> Marks:
        """Asks a backend all questions, one after the other, and marks its answers.

        Args:
            backend: whom to ask.
            clock: the virtual clock of a simulated cloud, if it has one; then nobody waits for simulated times.

        Raises:
            LabkitError: what `labkit.streaming.stream` raises.
        """
        return Marks(tuple(self._ask(question, backend, clock) for question in self.questions))

    def _ask(self, question: Question, backend: Backend, clock: VirtualClock | None) -> Mark:
        assert backend.lab is not None  # noqa: S101  # for the type checker; a backend without one cannot be asked
        now = time.perf_counter if clock is None else clock.now
        answer = stream(backend.lab, question.text, clock=now, temperature=0, max_tokens=_MAX_TOKENS)
        for _piece in answer:
            pass
        return self._marked(question, backend, answer)

    @staticmethod
    def _marked(question: Question, backend: Backend, answer: Answer) -> Mark:
        stats, usage = answer.stats, answer.usage
        cost = backend.price.of(usage.prompt_tokens, usage.completion_tokens) if usage else 0.0
        outcome = question.mark(answer.text)
        return Mark(question, answer.text, outcome, stats.time_to_first_token * 1000, stats.total * 1000, cost)

    def __len__(self) -> int:
        return len(self.questions)

    def __iter__(self) -> Iterator[Question]:
        return iter(self.questions)

    def __repr__(self) -> str:
        return f"Exam({len(self)} questions on {len({question.topic for question in self})} topics)"


class Marks:
    """The marks of one backend in one exam.

    Args:
        marks: one for each question.
    """

    def __init__(self, marks: tuple[Mark, ...]) -> None:
        self.marks = marks

    @cached_property
    def counts(self) -> dict[Outcome, int]:
        """How many answers were right, refused and wrong."""
        counted = Counter(mark.outcome for mark in self.marks)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    @property
    def quality(self) -> float:
        """The share of right answers, 0 to 1."""
        return self.counts["right"] / len(self.marks) if self.marks else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95% confidence: a sample is only a sample."""
        return wilson(self.counts["right"], len(self.marks))

    @property
    def cost(self) -> float:
        """USD for a thousand such questions."""
        return 1000 * sum(mark.cost for mark in self.marks) / len(self.marks) if self.marks else math.nan

    @property
    def first_token_ms(self) -> float:
        """The median wait for the first token, in milliseconds."""
        return median(mark.first_token_ms for mark in self.marks)

    @property
    def ms(self) -> float:
        """The median time until an answer was complete, in milliseconds."""
        return median(mark.ms for mark in self.marks)

    def __getitem__(self, question: str) -> Mark:
        return self._by_text[question]

    def __iter__(self) -> Iterator[Mark]:
        return iter(self.marks)

    def __len__(self) -> int:
        return len(self.marks)

    def __repr__(self) -> str:
        low, high = self.interval
        told = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items())
        return f"{told} of {len(self)}: {self.quality:.0%} right (95% confidence: {low:.0%} to {high:.0%})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"

    @cached_property
    def _by_text(self) -> dict[str, Mark]:
        return {mark.question.text: mark for mark in self.marks}


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Gives Wilson's 95% confidence interval of a share, which stays sensible near 0 and 1 and for small samples.

    Args:
        right: how many were right.
        asked: how many were asked; at least 1.
    """
    if asked < 1:
        return 0.0, 1.0
    share, z2 = right / asked, _Z**2
    middle = (share + z2 / (2 * asked)) / (1 + z2 / asked)
    half = _Z / (1 + z2 / asked) * math.sqrt(share * (1 - share) / asked + z2 / (4 * asked**2))
    return max(0.0, middle - half), min(1.0, middle + half)
