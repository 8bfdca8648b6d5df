"""The figures of an answer follow from the times at which its tokens came."""

from __future__ import annotations

import math

import pytest

from labkit.streaming import Stats

_STATS = Stats(arrivals=(1.0, 1.1, 1.3, 1.6, 2.0), total=2.5, tokens=5)


def test_the_first_token_ends_the_wait() -> None:
    """Time to first token counts from the request."""
    assert _STATS.time_to_first_token == 1.0


def test_gaps_have_percentiles() -> None:
    """Percentiles interpolate between ranks, as numpy.percentile does."""
    assert _STATS.inter_token_p50 == pytest.approx(0.25)
    assert _STATS.inter_token_p95 == pytest.approx(0.385)
    assert _STATS.inter_token_max == pytest.approx(0.4)


def test_speed_counts_from_the_first_token_on() -> None:
    """The wait before the first token is a figure of its own."""
    assert _STATS.tokens_per_second == pytest.approx(4.0)


def test_several_tokens_may_share_a_piece() -> None:
    """The server's count is the one that matters for the speed."""
    assert Stats((1.0, 2.0), 2.0, tokens=11).tokens_per_second == pytest.approx(10.0)


@pytest.mark.parametrize("arrivals", [(), (1.0,)])
def test_what_was_not_measured_is_no_number(arrivals: tuple[float, ...]) -> None:
    """Neither an empty answer nor one of a single piece has a speed, and neither is an error."""
    stats = Stats(arrivals, 1.0, len(arrivals))
    assert all(math.isnan(figure) for figure in (stats.inter_token_p50, stats.inter_token_max, stats.tokens_per_second))
