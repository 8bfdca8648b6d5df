"""Figures of streams say the same in pictures and in words."""

from __future__ import annotations

import sys
from html import unescape

from labkit.streaming import Stats, compare, timeline

_FAST = Stats((0.01, 0.02, 0.03), 0.04, 3)
_SLOW = Stats((1.5, 2.0, 3.0), 3.5, 3)
_EMPTY = Stats((), 0.5, 0)


def test_a_timeline_has_alternative_text_with_the_numbers() -> None:
    """Who cannot see the figure reads the same facts."""
    drawn = timeline(_SLOW)
    assert "first token after 1.50 s" in drawn.alt
    assert "3 tokens in 3.50 s" in drawn.alt
    assert drawn.alt in unescape(drawn._repr_html_())


def test_a_comparison_names_each_stream() -> None:
    """Names stand beside the strips and in the words."""
    drawn = compare({"local": _FAST, "cloud & co": _SLOW})
    assert "local: first token after 10.0 ms" in drawn.alt
    assert "cloud & co: first token after 1.50 s" in drawn.alt


def test_a_stream_without_tokens_can_be_drawn() -> None:
    """A stream that broke off at once belongs into the comparison, too."""
    assert "broken: no token within 500.0 ms" in compare({"local": _FAST, "broken": _EMPTY}).alt


def test_many_streams_fit() -> None:
    """Colours repeat, streams do not get lost."""
    drawn = compare({f"stream {number}": _FAST for number in range(12)})
    assert all(f"stream {number}:" in drawn.alt for number in range(12))


def test_drawing_leaves_no_global_state() -> None:
    """A learner's own figures are not disturbed."""
    timeline(_FAST)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
