"""Figures of waiting: how long users look at nothing, with and without streaming.

It measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from labkit.plots import STYLES, Picture, axes, picture

_WIDTH = 0.8  # of the space for one number of users, shared by its bars


def waiting(measured: Mapping[str, Mapping[int, Sequence[float]]]) -> Picture:
    """Draws how long users wait for the first words, by the number of users at once.

    Args:
        measured: by the name of an application, and then by the number of users, each wait in seconds.
    """
    figure, ax = axes("How long a user looks at nothing", "users at once", "seconds until the first words (median)")
    counts = list(next(iter(measured.values()), {}))
    width = _WIDTH / max(len(measured), 1)
    for place, ((name, waits), (colour, _marker)) in enumerate(zip(measured.items(), STYLES, strict=False)):
        left = [row - _WIDTH / 2 + width * (place + 0.5) for row in range(len(counts))]
        heights = [median(waits[count]) for count in counts]
        spread = [[h - min(waits[c]) for h, c in zip(heights, counts, strict=True)],
                  [max(waits[c]) - h for h, c in zip(heights, counts, strict=True)]]  # fmt: skip
        ax.bar(left, heights, width * 0.9, yerr=spread, color=colour, label=name, capsize=3, hatch="/" * place)
    ax.set_xticks(range(len(counts)), [str(count) for count in counts])
    ax.legend(frameon=False)
    return picture(figure, f"Seconds until the first words, median, by users at once. {_in_words(measured)}")


def _in_words(measured: Mapping[str, Mapping[int, Sequence[float]]]) -> str:
    return " ".join(
        f"{name}: {', '.join(f'{median(waits):.2f} s for {count}' for count, waits in by_count.items())}."
        for name, by_count in measured.items()
    )
