"""What happened to one request: every attempt, in order, in words and as a table.

It knows nothing of how attempts are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from labkit.routing.decision import Decision

OK = "ok"
_HEAD = ("backend", "model", "source", "rule", "status", "start ms", "ms", "tokens", "cost USD")


@dataclass(slots=True)
class Attempt:
    """One call to one backend.

    Attributes:
        backend: its name.
        model: the model that was asked.
        source: who answers there, such as `foundry-local`.
        rule: why this backend was asked: the rule that decided, `fallback`, `retry`, `hedge` or `last resort`.
        started: when, in milliseconds since the request came in.
        status: how it ended, in a few words; `ok` if well; empty while it runs.
        ms: how long it took, in milliseconds.
        first_token_ms: the time to the first token, in milliseconds, where there was one.
        prompt_tokens: tokens of the prompt.
        completion_tokens: tokens of the answer that arrived.
        cost: USD. Estimated where the backend did not count.
        error: the error's class, where there was one.
        finish_reason: why the model stopped.
    """

    backend: str
    model: str
    source: str
    rule: str
    started: float
    status: str = ""
    ms: float = 0.0
    first_token_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    error: str | None = None
    finish_reason: str | None = None


@dataclass(slots=True)
class Trace:
    """All attempts of one request.

    Attributes:
        decision: what was decided before anything was sent.
        attempts: in the order in which they began.
        ms: how long the request took altogether, in milliseconds, waiting included.
    """

    decision: Decision
    attempts: list[Attempt] = field(default_factory=list)
    ms: float = 0.0

    @property
    def cost(self) -> float:
        """What all attempts cost together, in USD."""
        return sum(attempt.cost for attempt in self.attempts)

    @property
    def extra_cost(self) -> float:
        """What was paid for attempts whose answer nobody got, in USD."""
        return sum(attempt.cost for attempt in self.attempts if attempt.status != OK)

    @property
    def is_answered(self) -> bool:
        """Whether one of the attempts gave the answer."""
        return any(attempt.status == OK for attempt in self.attempts)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self.attempts)

    def __len__(self) -> int:
        return len(self.attempts)

    def __getitem__(self, place: int) -> Attempt:
        return self.attempts[place]

    def rows(self) -> list[tuple[str, ...]]:
        """Gives the attempts as a table."""
        return [
            (
                *(a.backend, a.model, a.source, a.rule, a.status or "running", f"{a.started:.0f}", f"{a.ms:.0f}"),
                *(f"{a.prompt_tokens}+{a.completion_tokens}", f"{a.cost:.6f}"),
            )
            for a in self.attempts
        ]

    def __str__(self) -> str:
        table = [_HEAD, *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in _HEAD)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows())
        tries = "1 attempt" if len(self) == 1 else f"{len(self)} attempts"
        title = f"{tries} in {self.ms:.0f} ms for ${self.cost:.6f}"
        return f"<table><caption>Trace: {title}</caption><tr>{head}</tr>{body}</table>"
