"""Figures: what they show is also there in words."""

from __future__ import annotations

from labkit import plots

MEASURED = {"top_p 1": {0: 1, 0.4: 3, 2: 12}, "<top_p> 'low'": {0: 1, 2: 5}}


def test_a_figure_says_its_numbers_in_words() -> None:
    """A terminal and a screen reader get what the eye gets."""
    shown = plots.variety(MEASURED, asked=12)
    assert "top_p 1: 1 at 0, 3 at 0.4, 12 at 2." in repr(shown)
    assert "top_p 1: 1 at 0, 3 at 0.4, 12 at 2." in shown._repr_html_()


def test_names_cannot_break_out_of_the_alternative_text() -> None:
    """The text is an attribute of an HTML element."""
    html = plots.variety(MEASURED, asked=12)._repr_html_()
    assert "<top_p>" not in html
    assert html.count("'") == 6
