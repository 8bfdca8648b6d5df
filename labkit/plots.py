"""Figures that learners look at, each with a text for those who cannot see it.

Data come in, a `Picture` goes out. This module measures nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers differ as well.
STYLES: Sequence[tuple[str, str]] = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"))


@dataclass(frozen=True)
class Picture:
    """A drawn figure, and the same in words.

    Attributes:
        svg: the drawing.
        alt: what the drawing shows, in words; screen readers read it, and so does a plain terminal.
    """

    svg: bytes = field(repr=False)
    alt: str

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        data = b64encode(self.svg).decode("ascii")
        # A background of its own keeps dark lines readable in a dark theme.
        style = "max-width:100%;background:white"
        return f"<img style='{style}' alt='{escape(self.alt, quote=True)}' src='data:image/svg+xml;base64,{data}'>"


def picture(figure: Figure, alt: str) -> Picture:
    """Turns a matplotlib figure into a picture with alternative text.

    Args:
        figure: what to draw.
        alt: what it shows, in words and with its numbers.
    """
    drawing = BytesIO()
    figure.savefig(drawing, format="svg", bbox_inches="tight")
    return Picture(drawing.getvalue(), alt)


def axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """Makes an empty figure in the style of the course.

    Args:
        title: what the figure shows.
        x: the horizontal axis, with its unit.
        y: the vertical axis, with its unit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5))
    ax = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax


def variety(different: Mapping[str, Mapping[float, int]], asked: int) -> Picture:
    """Draws how many different answers came back at each temperature.

    Args:
        different: by the name of a series, and then by temperature, the number of different answers.
        asked: how often the question was asked at each temperature.
    """
    figure, ax = axes("The same question, asked again and again", "temperature", f"different answers of {asked}")
    for (name, counts), (colour, marker) in zip(different.items(), STYLES, strict=False):
        ax.plot(list(counts), list(counts.values()), color=colour, marker=marker, label=name)
    ax.set_ylim(0, asked + 1)
    ax.legend(frameon=False)
    return picture(figure, f"Different answers of {asked} by temperature. {_in_words(different)}")


def _in_words(series: Mapping[str, Mapping[float, int]]) -> str:
    return " ".join(
        f"{name}: {', '.join(f'{count} at {x:g}' for x, count in counts.items())}." for name, counts in series.items()
    )
