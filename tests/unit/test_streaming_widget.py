"""A stream can be watched and stopped in a notebook, and the same object works in plain code."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from scripted_server import CUT, DONE, END, SILENCE, STOP, scripted, streaming, text

from labkit.errors import StreamInterrupted
from labkit.streaming import LiveStream, show


def test_a_shown_stream_runs_by_itself() -> None:
    """Code can wait for it and go on with the answer."""
    with scripted(*streaming(text("Hel"), text("lo"), STOP, DONE, END)) as server:
        live = show(server.lab, "Hello?").wait()
    assert (live.text, live.finish_reason, live.state) == ("Hello", "stop", "finished (stop)")
    assert live.stats.time_to_first_token > 0
    assert "Hello" in live._text.value


def test_stop_ends_it_without_an_error() -> None:
    """Stopping is what the reader wanted."""
    with scripted(*streaming(text("Hel"), SILENCE)) as server:
        live = show(server.lab, "Hello?")
        _until_text(live)
        live.stop()
        assert live.wait().state == "stopped"
        assert (live.text, live.finish_reason) == ("Hel", None)
        live._thread.join(10)


def test_stop_works_before_the_server_says_anything() -> None:
    """A server that thinks for long does not hold the reader, and loses its connection once it answers."""
    with scripted(0.5, *streaming(text("Hel"), SILENCE)) as server:
        live = show(server.lab, "Hello?")
        while not server.requests:
            threading.Event().wait(0.01)
        live.stop()
        assert live.wait().text == ""
        live._thread.join(10)
        assert not live._thread.is_alive()


def test_text_from_the_model_is_not_taken_for_html() -> None:
    """A model may write tags, and a notebook must not run them."""
    with scripted(*streaming(text("<script>"), STOP, DONE, END)) as server:
        live = show(server.lab, "Hello?").wait()
    assert "<script>" not in live._text.value


def test_a_bad_ending_is_shown_and_raised() -> None:
    """The widget says it in words, and code that waits gets the error."""
    with scripted(*streaming(text("Hel"), CUT)) as server:
        live = show(server.lab, "Hello?")
        with pytest.raises(StreamInterrupted):
            live.wait()
    assert live.state.startswith("failed: The stream broke off (cut)")
    assert live.text == "Hel"


def _until_text(live: LiveStream) -> None:
    while not live.text:
        threading.Event().wait(0.01)


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    """Gives a client of a fresh kernel on this Python."""
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.term()


def test_the_stop_button_works_in_a_real_kernel(kernel: BlockingKernelClient) -> None:
    """The click travels as it does from a browser, while the stream is running."""
    with scripted(*streaming(text("Hello"), SILENCE)) as server:
        lab = server.lab
        kernel.execute(
            "from labkit.client import Lab\nfrom labkit.streaming import show\n"
            f"live = show(Lab({lab.source!r}, {lab.endpoint!r}, 'key', 'scripted'), 'Hello?')"
        )
        button = _comm_of(kernel, "ButtonModel")
        _until(kernel, lambda message: "Hello" in _value(message))
        click = {"comm_id": button, "data": {"method": "custom", "content": {"event": "click"}}}
        kernel.shell_channel.send(kernel.session.msg("comm_msg", click))
        _until(kernel, lambda message: _value(message).startswith("stopped"))
        assert server.hung_up.wait(10)


def _comm_of(kernel: BlockingKernelClient, model: str) -> str:
    opened = _until(
        kernel,
        lambda message: (
            message["msg_type"] == "comm_open" and message["content"]["data"]["state"].get("_model_name") == model
        ),
    )
    return str(opened["content"]["comm_id"])


def _value(message: dict[str, Any]) -> str:
    """Gives the text that a widget shows from now on."""
    if message["msg_type"] != "comm_msg":
        return ""
    return str(message["content"]["data"].get("state", {}).get("value", ""))


def _until(kernel: BlockingKernelClient, fits: Any) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            message: dict[str, Any] = kernel.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        assert message["msg_type"] != "error", message["content"]
        if fits(message):
            return message
    pytest.fail("the kernel never said what it should")
