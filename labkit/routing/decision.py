"""What a policy decided, why, and what it decided against; in words and as a table.

It knows nothing of how the decision was reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from labkit.routing.backend import Backend


class Rejection(NamedTuple):
    """A backend that was not taken.

    Attributes:
        backend: which one.
        rule: the rule that spoke against it.
        reason: why, in words.
        is_final: whether it may not be asked for this request at all; else it stays as the last resort.
    """

    backend: Backend
    rule: str
    reason: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Who is to answer a request.

    Attributes:
        chosen: the backend to ask first; None when every one is ruled out.
        rule: the rule that decided for it.
        reason: why, in words.
        fallbacks: whom to ask when it fails, in this order.
        rejected: the backends that rules spoke against.
    """

    chosen: Backend | None
    rule: str
    reason: str
    fallbacks: tuple[Backend, ...]
    rejected: tuple[Rejection, ...]

    @property
    def chain(self) -> tuple[Backend, ...]:
        """All backends that may be asked, in order: the chosen one, then its fallbacks."""
        return () if self.chosen is None else (self.chosen, *self.fallbacks)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Gives the decision as a table: backend, verdict, rule, reason."""
        rows: list[tuple[str, str, str, str]] = []
        if self.chosen is not None:
            rows.append((self.chosen.name, "chosen", self.rule, self.reason))
        spoken_against = {id(rejection.backend): rejection for rejection in self.rejected}
        for place, backend in enumerate(self.fallbacks, 1):
            last = spoken_against.get(id(backend))
            why = (last.rule, f"last resort: {last.reason}") if last else ("fallback", "asked if those above fail")
            rows.append((backend.name, f"fallback {place}", *why))
        in_chain = {id(backend) for backend in self.chain}
        out = [rejection for rejection in self.rejected if id(rejection.backend) not in in_chain]
        return rows + [(r.backend.name, "rejected", r.rule, r.reason) for r in out]

    def __str__(self) -> str:
        table = [("backend", "verdict", "rule", "reason"), *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(3)]
        return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in table)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("backend", "verdict", "rule", "reason"))
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows())
        title = "No backend may answer" if self.chosen is None else f"{escape(self.chosen.name)} is asked first"
        return f"<table><caption>Decision: {title}</caption><tr>{head}</tr>{body}</table>"
