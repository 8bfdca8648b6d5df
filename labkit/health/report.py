"""A report: what all rungs found, as health+json, as text and as tables.

The JSON follows https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06. It knows nothing of how
the results came about.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from labkit.health.result import Result, Status, worst

if TYPE_CHECKING:
    from rich.table import Table

CONTENT_TYPE = "application/health+json"
EXIT_CODES: dict[Status, int] = {"pass": 0, "warn": 1}  # all else is 2
COLOURS: dict[Status, str] = {"pass": "green", "warn": "yellow", "fail": "red"}
_ALIVE = ("socket", "status")  # the rungs that a restart of the server would mend
_SYSTEM = frozenset(_ALIVE)  # the rungs that are about the server, not about the model


@dataclass(frozen=True)
class Report:
    """What all rungs found, at one time.

    Attributes:
        source: who was probed: `foundry-local`, `azure`, `openai`, `openai-compatible` or `simulated-cloud`.
        endpoint: its address.
        model: the model.
        results: one for each rung, from the bottom of the ladder to its top.
        at: when the check began, in seconds of the ladder's clock.
        time: when the check began, by the calendar.
        expires: when it becomes stale, in seconds of the ladder's clock.
    """

    source: str
    endpoint: str
    model: str
    results: tuple[Result, ...]
    at: float
    time: datetime
    expires: float = math.inf

    @property
    def status(self) -> Status:
        """`pass`, `warn` (degraded), `fail`, or `unknown` (stale, or never looked)."""
        return worst(self.results).status

    @property
    def decisive(self) -> Result:
        """The result that decides about the whole: the first of the worst ones."""
        return worst(self.results)

    @property
    def output(self) -> str:
        """What is wrong, in words; empty when nothing is."""
        if self.status == "pass":
            return ""
        return self.decisive.output if self.status == "unknown" else f"{self.decisive.rung}: {self.decisive.output}"

    @property
    def fix(self) -> str:
        """What to type next; empty when nothing is to be done."""
        return self.decisive.fix

    @property
    def liveness(self) -> Status:
        """Whether the server is there at all. If this is `fail`, start it again; a restart mends nothing else."""
        stands = worst(tuple(self[name] for name in _ALIVE)).status
        return self["models"].status if stands == "skipped" else stands

    @property
    def readiness(self) -> Status:
        """Whether the model can answer now: `pass` and `warn` say yes. If this is `fail`, send nothing for now."""
        return self.status

    @property
    def is_ready(self) -> bool:
        """Whether the model can answer now, well or slowly."""
        return self.status in ("pass", "warn")

    @property
    def first_token_ms(self) -> float | None:
        """The time to the first token, in milliseconds; it may have been measured in an earlier check."""
        return self["first_token"].ms

    @property
    def new_first_token_ms(self) -> float | None:
        """The same, if it was measured in this check; else None."""
        return self.first_token_ms if self["first_token"].at >= self.at else None

    @property
    def exit_code(self) -> int:
        """For a program: 0 for `pass`, 1 for `warn`, 2 for all else."""
        return EXIT_CODES.get(self.status, 2)

    def __getitem__(self, rung: str) -> Result:
        return next(result for result in self.results if result.rung == rung)

    def as_of(self, now: float) -> Report:
        """Gives what the report is worth at another time: once it is stale, everything in it is unknown.

        Args:
            now: the time, in seconds of the ladder's clock.
        """
        if now < self.expires:
            return self
        age = f"the last check is {now - self.at:.0f} s old, which is too old to trust"
        return self.forgotten(age)

    def forgotten(self, why: str) -> Report:
        """Gives the same report with everything unknown.

        Args:
            why: in words.
        """
        return replace(self, results=tuple(result.forgotten(why) for result in self.results))

    def to_dict(self) -> dict[str, Any]:
        """Gives the report as the draft describes it. `unknown` is an addition to its three states."""
        skipped = [f"{r.rung} skipped: {r.output}" for r in self.results if r.status == "skipped"]
        body: dict[str, Any] = {"status": self.status, "version": "1", "serviceId": f"{self.model} at {self.endpoint}"}
        body |= {"description": f"Can {self.model} answer? ({self.source})", "notes": skipped}
        if self.output:
            body["output"] = f"{self.output}. {self.fix}".strip()
        body["checks"] = {f"{self.source}:{r.rung}": [self._check(r)] for r in self.results if r.status != "skipped"}
        return body

    def to_json(self, indent: int | None = 2) -> str:
        """Gives the report as text of the type application/health+json.

        Args:
            indent: spaces for each level; None for all in one line.
        """
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def _check(self, result: Result) -> dict[str, Any]:
        is_system = result.rung in _SYSTEM
        check: dict[str, Any] = {"componentId": self.endpoint if is_system else self.model}
        check |= {"componentType": "system" if is_system else "component", "status": result.status}
        if result.ms is not None:
            check |= {"observedValue": round(result.ms, 1), "observedUnit": "ms"}
        check["time"] = result.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if result.status != "pass":
            check["output"] = f"{result.output}. {result.fix}".strip()
        return check

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"[{self.status.upper()}] {self.model} at {self.endpoint} ({self.source}), {self.time:%H:%M:%S} UTC"
        for result in self.results:
            ms = f" ({result.ms:,.0f} ms)" if result.ms is not None else ""
            yield f"  [{result.status.upper()}]".ljust(12) + f"{result.rung}: {result.output}{ms}"
            if result.fix:
                yield " " * 12 + f"Fix: {result.fix}"

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"{self.model} at {self.endpoint}: {self.status}", title_justify="left")
        for heading in ("Rung", "Result", "ms", "Found", "Fix"):
            table.add_column(heading, overflow="fold", justify="right" if heading == "ms" else "left")
        for result in self.results:
            mark = Text(result.mark, COLOURS.get(result.status, "dim"))
            table.add_row(Text(result.rung), mark, Text(_ms(result)), Text(result.output), Text(result.fix))
        return table

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{title}</th>" for title in ("Rung", "Result", "ms", "Found", "Fix"))
        rows = "".join(
            f"<tr><th scope='row'>{result.rung}</th><td>{result.mark}</td><td>{_ms(result)}</td>"
            f"<td>{escape(result.output)}</td><td>{escape(result.fix)}</td></tr>"
            for result in self.results
        )
        title = f"{escape(self.model)} at {escape(self.endpoint)}: {self.decisive.mark}, {self.time:%H:%M:%S} UTC"
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _ms(result: Result) -> str:
    return "" if result.ms is None else f"{result.ms:,.0f}"
