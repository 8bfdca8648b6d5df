"""The decision matrix: backends side by side, each row measured, and every simulated number called so.

It knows nothing of how the numbers came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from labkit.routing.backend import Backend
from labkit.routing.exam import Marks


class Matrix:
    """A table of backends side by side.

    Args:
        backends: which ones.
        exams: the marks of each backend, by its name.
        offline: whether each backend answered without a network, by its name.
    """

    def __init__(self, backends: Sequence[Backend], exams: Mapping[str, Marks], offline: Mapping[str, bool]) -> None:
        self._backends, self._exams, self._offline = tuple(backends), exams, offline

    @property
    def head(self) -> tuple[str, ...]:
        """The columns: each backend, and whether its times and costs were measured or simulated."""
        return ("", *(f"{backend.name} ({_kind(backend)})" for backend in self._backends))

    def rows(self) -> list[tuple[str, ...]]:
        """Gives the table: one line for each aspect, one value for each backend."""
        columns = [self._column(backend) for backend in self._backends]
        return [(name, *(column[name] for column in columns)) for name in columns[0]]

    def __repr__(self) -> str:
        table = [self.head, *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.head))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in self.head)
        body = "".join(
            f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
            for row in self.rows()
        )
        return f"<table><caption>Decision matrix</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _column(self, backend: Backend) -> dict[str, str]:
        marks = self._exams[backend.name]
        low, high = marks.interval
        return {
            "model": backend.model,
            "first token, median": f"{marks.first_token_ms:,.0f} ms",
            "whole answer, median": f"{marks.ms:,.0f} ms",
            "cost of 1,000 questions": f"${marks.cost:.3f}",
            "right answers": f"{marks.quality:.0%} (95% confidence: {low:.0%} to {high:.0%})",
            "refused": f"{marks.counts['refused']} of {len(marks)}",
            "wrong": f"{marks.counts['wrong']} of {len(marks)}",
            "works offline": "yes" if self._offline[backend.name] else "no",
            "data stays on this machine": "yes" if backend.is_private else "no",
            "context": f"{backend.context_length:,} tokens" if backend.context_length else "unknown",
        }


def _kind(backend: Backend) -> str:
    return "simulated" if backend.source == "simulated-cloud" else "measured"
