"""The figures of one answer: when its tokens came.

It knows nothing of servers and of text; it holds times and a count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True, repr=False)
class Stats:
    """When the tokens of one answer came, in seconds since the request was sent.

    A figure that nothing was measured for (no token, or no second one) is `nan`.

    Attributes:
        arrivals: when each piece came that carried text, reasoning or a part of a tool call.
        total: when the answer was complete, or broke off.
        tokens: how many tokens were generated, as the server counted; pieces, where it did not count.
    """

    arrivals: tuple[float, ...]
    total: float
    tokens: int

    def __str__(self) -> str:
        if not self.arrivals:
            return f"no token within {_time(self.total)}"
        words = f"first token after {_time(self.time_to_first_token)}"
        if self.gaps:
            words += (
                f", then {_time(self.inter_token_p50)} between tokens (median; 95% within "
                f"{_time(self.inter_token_p95)}, at most {_time(self.inter_token_max)}), "
                f"{self.tokens_per_second:,.0f} tokens/s"
            )
        return f"{words}; {self.tokens} {'token' if self.tokens == 1 else 'tokens'} in {_time(self.total)}"

    def __repr__(self) -> str:
        return f"<Stats: {self}>"

    @property
    def time_to_first_token(self) -> float:
        """How long nothing was to be seen, in seconds."""
        return self.arrivals[0] if self.arrivals else math.nan

    @cached_property
    def gaps(self) -> tuple[float, ...]:
        """The time from each piece to the next one, in seconds (inter-token latency)."""
        return tuple(later - earlier for earlier, later in pairwise(self.arrivals))

    @property
    def inter_token_p50(self) -> float:
        """The median gap, in seconds."""
        return _percentile(self.gaps, 0.50)

    @property
    def inter_token_p95(self) -> float:
        """The gap that 95% of all gaps do not exceed, in seconds."""
        return _percentile(self.gaps, 0.95)

    @property
    def inter_token_max(self) -> float:
        """The longest gap, in seconds."""
        return max(self.gaps, default=math.nan)

    @property
    def tokens_per_second(self) -> float:
        """How fast tokens came once the first one was there: (tokens - 1) / (last - first)."""
        seconds = self.arrivals[-1] - self.arrivals[0] if self.arrivals else 0.0
        return (self.tokens - 1) / seconds if seconds > 0 else math.nan


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _percentile(values: tuple[float, ...], share: float) -> float:
    """Interpolates between the two closest ranks, as NumPy does by default (method 7 of Hyndman and Fan, 1996)."""
    if not values:
        return math.nan
    ranked = sorted(values)
    rank = share * (len(ranked) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (rank - below)
