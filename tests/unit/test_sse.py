"""Server-sent events are cut out of a byte stream as the HTML standard says."""

from __future__ import annotations

import pytest

from labkit.streaming.sse import EventDecoder


def _decode(*received: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [event for part in received for event in decoder.feed(part)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_endings_work(newline: bytes) -> None:
    """Servers are free to choose."""
    stream = b"data: one" + newline * 2 + b"data:two" + newline * 2 + b": end"
    assert _decode(stream) == [b"one", b"two"]


def test_a_line_ending_may_be_cut_in_two() -> None:
    """A CR at the end of one read and the LF at the beginning of the next are one line ending."""
    assert _decode(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [b"a\nb"]


def test_several_data_lines_are_one_event() -> None:
    """They are joined by newlines, and only one blank after the colon is dropped."""
    assert _decode(b"data:  a\ndata:b\n\n") == [b" a\nb"]


def test_comments_and_other_fields_are_passed_over() -> None:
    """Keep-alive comments, names, ids and retry times are no data."""
    assert _decode(b": ping\n\nevent: x\nid: 1\nretry: 5\n\ndata: a\n\n") == [b"a"]


def test_an_event_that_never_ends_is_no_event() -> None:
    """Without the blank line the event is incomplete."""
    assert _decode(b"data: a\n") == []
