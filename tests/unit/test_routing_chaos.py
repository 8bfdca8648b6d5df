"""The chaos run, small: three backends with every fault, dying and returning. tests/bench runs it large."""

from __future__ import annotations

from routing_chaos import chaos


def test_chaos_loses_mixes_and_leaks_nothing() -> None:
    """Each request ends with one whole answer or one typed error, and nothing is proved against the client."""
    tally = chaos(400, seed=7)
    assert tally.untyped == []
    assert tally.lost == 0
    assert tally.mixed == []
    assert tally.leaked == []
    assert all(verdict.is_clean for verdict in tally.verdicts.values()), tally.verdicts
    assert tally.answered > 320


def test_chaos_is_the_same_each_time() -> None:
    """One seed fixes all of it."""
    first, second = chaos(60, seed=3), chaos(60, seed=3)
    assert (first.answered, first.errors, first.seconds) == (second.answered, second.errors, second.seconds)
