"""Figures of streams: when the tokens came, and how evenly.

Each one tells the same in words (`.alt`). It measures nothing, and it knows nothing of servers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

from labkit.plots import STYLES, Picture, picture
from labkit.streaming.stats import Stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples spread evenly between 0 and 1, the same in every run


def timeline(stats: Stats) -> Picture:
    """Draws one stream: the wait for the first token, each token, and the gaps between them.

    Args:
        stats: the figures of the stream.
    """
    return _draw({"": stats}, "When the tokens came")


def compare(streams: Mapping[str, Stats]) -> Picture:
    """Draws several streams on the same axes.

    Args:
        streams: the figures of each stream, by its name.
    """
    return _draw(streams, f"When the tokens of {len(streams)} streams came")


def _draw(streams: Mapping[str, Stats], title: str) -> Picture:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + 0.6 * len(streams)), layout="constrained")
    when, gaps = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    for row, (stats, (colour, marker)) in enumerate(zip(streams.values(), cycle(STYLES), strict=False)):
        _draw_arrivals(when, row, stats, colour)
        _draw_gaps(gaps, row, stats, colour, marker)
    when.set(
        title=title, xlabel="seconds since the request (bar: wait for the first token; black: end)", xlim=(0, None)
    )
    gaps.set(title="Time between tokens", xlabel="milliseconds (line: median)", xlim=(0, None))
    when.set_yticks(range(len(streams)), list(streams))
    when.set_ylim(len(streams) - 0.4, -0.6)
    for axes in (when, gaps):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, f"{title}. {' '.join(f'{n}: {s}.' if n else f'{s}.' for n, s in streams.items())}")


def _draw_arrivals(axes: Axes, row: int, stats: Stats, colour: str) -> None:
    wait = stats.time_to_first_token if stats.arrivals else stats.total
    axes.barh(row, wait, height=0.5, color=colour, alpha=0.25)
    axes.vlines(stats.arrivals, row - 0.25, row + 0.25, color=colour, linewidth=1)
    axes.plot(stats.total, row, marker="|", markersize=14, color="black")


def _draw_gaps(axes: Axes, row: int, stats: Stats, colour: str, marker: str) -> None:
    heights = [row - 0.25 + 0.5 * (number * _GOLDEN % 1) for number in range(len(stats.gaps))]
    axes.scatter([1000 * gap for gap in stats.gaps], heights, s=9, color=colour, marker=marker, alpha=0.5)
    axes.vlines(1000 * stats.inter_token_p50, row - 0.35, row + 0.35, color="black", linewidth=1.5)
