"""What the three levels found, as text and as tables.

It knows nothing of how it was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from labkit.health.report import COLOURS, EXIT_CODES
from labkit.health.result import SYMBOLS, Status

if TYPE_CHECKING:
    from rich.table import Table

_WORST: tuple[Status, ...] = ("fail", "unknown", "warn", "pass")


@dataclass(frozen=True)
class Level:
    """What one level found.

    Attributes:
        number: 1 to 3.
        name: what was looked at, in words.
        status: `pass`, `warn`, `fail`, or `unknown` (not tried).
        output: what was found, in words.
        fix: what to type next; empty when nothing is to be done.
        trouble: the name of the trouble, such as `foundry-down`; empty when there is none.
        ms: how long it took, in milliseconds.
    """

    number: int
    name: str
    status: Status
    output: str
    fix: str = ""
    trouble: str = ""
    ms: float | None = None

    @property
    def mark(self) -> str:
        """A symbol, and the word that says the same."""
        return f"{SYMBOLS[self.status]} {self.status}"

    @property
    def timing(self) -> str:
        """The time that it took, in words; empty when it was not tried."""
        return "" if self.ms is None else f"{self.ms:,.0f}"


@dataclass(frozen=True)
class Report:
    """What all three levels found.

    Attributes:
        model: the model, by id where it is known.
        url: where Open WebUI was looked for.
        levels: from the model up to the page.
    """

    model: str
    url: str
    levels: tuple[Level, Level, Level]

    @property
    def status(self) -> Status:
        """`pass`, `warn`, `fail` or `unknown`."""
        return min((level.status for level in self.levels), key=_WORST.index)

    @property
    def is_ok(self) -> bool:
        """Whether people can chat."""
        return self.status in ("pass", "warn")

    @property
    def decisive(self) -> Level:
        """The level that decides about the whole: the first of the worst ones."""
        return next(level for level in self.levels if level.status == self.status)

    @property
    def trouble(self) -> str:
        """The name of the trouble, such as `foundry-down`; empty when there is none."""
        return self.decisive.trouble

    @property
    def fix(self) -> str:
        """What to type next; empty when nothing is to be done."""
        return self.decisive.fix

    @property
    def exit_code(self) -> int:
        """For a program: 0 for `pass`, 1 for `warn`, 2 for all else."""
        return EXIT_CODES.get(self.status, 2)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"[{self.status.upper()}] {self.model} through Open WebUI at {self.url}"
        for level in self.levels:
            ms = f" ({level.timing} ms)" if level.timing else ""
            yield f"  {level.number} [{level.status.upper()}]".ljust(14) + f"{level.name}: {level.output}{ms}"
            if level.fix:
                yield " " * 14 + f"Fix: {level.fix}"

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"{self.model} through Open WebUI at {self.url}: {self.status}", title_justify="left")
        for heading in ("", "Level", "Result", "ms", "Found", "Fix"):
            table.add_column(heading, overflow="fold", justify="right" if heading == "ms" else "left")
        for level in self.levels:
            mark = Text(level.mark, COLOURS.get(level.status, "dim"))
            cells = (Text(level.timing), Text(level.output), Text(level.fix))
            table.add_row(Text(str(level.number)), Text(level.name), mark, *cells)
        return table

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{title}</th>" for title in ("Level", "Result", "ms", "Found", "Fix"))
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{level.number} {escape(level.name)}</th>"
            f"<td>{level.mark}</td><td>{level.timing}</td>"
            f"<td style='text-align:left'>{escape(level.output)}</td>"
            f"<td style='text-align:left'>{escape(level.fix)}</td></tr>"
            for level in self.levels
        )
        title = f"{escape(self.model)} through Open WebUI at {escape(self.url)}: {self.decisive.mark}"
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
