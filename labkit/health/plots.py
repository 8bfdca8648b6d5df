"""The history of health as a figure: who was well when, and how long first tokens took.

It tells the same in words (`.alt`). It checks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, zip_longest
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from labkit.health.report import Report
from labkit.health.result import Status
from labkit.plots import STYLES, Picture, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers can tell apart; the word stands in each span, too.
_COLOURS: dict[Status, str] = {"pass": "#009e73", "warn": "#e69f00", "fail": "#d55e00", "unknown": "#bbbbbb"}
_LAST = 1.0  # seconds that the last report is drawn for


class Span(NamedTuple):
    """A time in which a status held.

    Attributes:
        start, end: seconds since the first report of all.
        status: which one.
        output: what was found at its start, in words.
    """

    start: float
    end: float
    status: Status
    output: str


def history(reports: Mapping[str, Sequence[Report]], slow_ms: float | None = None) -> Picture:
    """Draws the history of one or several backends on the same axis.

    Args:
        reports: of each backend, by its name, oldest first.
        slow_ms: the threshold for the first token, in milliseconds; drawn as a line.
    """
    from matplotlib.figure import Figure

    began = min((each[0].at for each in reports.values() if each), default=0.0)
    figure = Figure(figsize=(9, 3.0 + 0.4 * len(reports)), layout="constrained")
    strips, tokens = figure.subplots(2, 1, sharex=True, height_ratios=(0.6 * len(reports), 2))
    for row, ((name, each), (colour, marker)) in enumerate(zip(reports.items(), cycle(STYLES), strict=False)):
        _draw_spans(strips, row, spans(each, began))
        seconds, ms = _measurements(each, began)
        tokens.plot(seconds, ms, color=colour, marker=marker, markersize=4, linewidth=1, label=name)
    if slow_ms is not None:
        tokens.axhline(slow_ms, color="black", linestyle="--", linewidth=1, label="threshold")
    _dress(strips, tokens, list(reports))
    words = " ".join(_in_words(name, each, began) for name, each in reports.items())
    return picture(figure, f"Health over time, in seconds since the first check. {words}".strip())


def spans(reports: Sequence[Report], began: float = 0.0) -> list[Span]:
    """Puts reports of the same status together; a time without a fresh report is unknown.

    Args:
        reports: of one backend, oldest first.
        began: the moment that is called zero, in seconds of the ladder's clock.
    """
    joined: list[Span] = []
    for span in _pieces(reports, began):
        if joined and joined[-1].status == span.status:
            joined[-1] = joined[-1]._replace(end=span.end)
        else:
            joined.append(span)
    return joined


def _pieces(reports: Sequence[Report], began: float) -> Iterator[Span]:
    for report, later in zip_longest(reports, reports[1:]):
        end = min(report.at + _LAST, report.expires) if later is None else later.at
        fresh = min(end, report.expires)
        yield Span(report.at - began, fresh - began, report.status, report.output)
        if fresh < end:
            yield Span(fresh - began, end - began, "unknown", "no check was made")


def _measurements(reports: Sequence[Report], began: float) -> tuple[list[float], list[float]]:
    measured = [(report.at - began, ms) for report in reports if (ms := report.new_first_token_ms) is not None]
    return [at for at, _ in measured], [ms for _, ms in measured]


def _draw_spans(axes: Axes, row: int, drawn: Sequence[Span]) -> None:
    for span in drawn:
        axes.barh(row, span.end - span.start, left=span.start, height=0.7, color=_COLOURS[span.status], alpha=0.7)
        axes.text(span.start, row, f" {span.status}", va="center", fontsize=8, clip_on=True)


def _dress(strips: Axes, tokens: Axes, names: list[str]) -> None:
    strips.set(title="Health", yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    tokens.set(xlabel="seconds since the first check", ylabel="first token, ms", ylim=(0, None))
    tokens.grid(alpha=0.3)
    tokens.legend(frameon=False)
    for axes in (strips, tokens):
        axes.spines[["top", "right"]].set_visible(False)


def _in_words(name: str, reports: Sequence[Report], began: float) -> str:
    told = [
        f"{span.status} from {span.start:.0f} s" + (f" ({span.output.partition('. ')[0]})" if span.output else "")
        for span in spans(reports, began)
    ]
    _, ms = _measurements(reports, began)
    tokens = f" First token {min(ms):,.0f} to {max(ms):,.0f} ms, median {median(ms):,.0f}." if ms else ""
    return f"{name}: {', '.join(told) or 'nothing was checked'}.{tokens}"
