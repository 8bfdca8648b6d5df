"""A stream that a notebook shows while it runs, with a Stop button and live figures.

The stream runs in a thread of its own, so that the kernel is free to hear the button. The same without widgets is a
loop over `stream()` and its `.stats`. This module knows nothing of HTTP.
"""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from html import escape
from typing import TYPE_CHECKING, Any

from labkit.streaming.driver import Stream, stream

if TYPE_CHECKING:
    from labkit.client import Lab
    from labkit.streaming.request import Messages
    from labkit.streaming.stats import Stats

_REDRAW = 0.05  # seconds: as often as an eye can follow, and much rarer than tokens come


def show(lab: Lab, messages: Messages, **options: Any) -> LiveStream:
    """Shows an answer while it arrives, and returns at once.

    Args:
        lab: whom to ask.
        messages: the conversation, or the user's words alone.
        options: what `stream()` takes.

    Returns:
        The running stream. Outside a notebook its widgets are not to be seen, and all else is the same.
    """
    from IPython.display import display

    from labkit.progress import in_notebook

    live = LiveStream(stream(lab, messages, **options))
    if in_notebook():
        display(live.widget)  # type: ignore[no-untyped-call]  # IPython ships no types for it
    live.start()
    return live


class LiveStream:
    """A stream that runs by itself.

    Args:
        answer: the stream, which nobody has read yet.

    Attributes:
        widget: what the notebook shows.
        state: how it goes, in words.
    """

    def __init__(self, answer: Stream) -> None:
        import ipywidgets

        self.state = "waiting for the first token"
        self._answer = answer
        self._error: Exception | None = None
        self._is_stopped = False
        self._ended = threading.Event()
        self._drawn = 0.0
        self._text, self._figures = ipywidgets.HTML(), ipywidgets.Label()
        self._button = ipywidgets.Button(description="Stop", icon="stop", tooltip="Close the stream; the model stops")
        self._button.on_click(lambda _button: self.stop())
        self.widget = ipywidgets.VBox([self._text, ipywidgets.HBox([self._button, self._figures])])
        # The widgets' messages belong to the cell in which the stream was made, and the context says which one.
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="labkit-show", daemon=True)

    @property
    def text(self) -> str:
        """The text so far."""
        return self._answer.text

    @property
    def stats(self) -> Stats:
        """The figures so far."""
        return self._answer.stats

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped; None while it has not, or when it was stopped."""
        return self._answer.finish_reason

    def start(self) -> None:
        """Starts reading."""
        self._thread.start()

    def stop(self) -> None:
        """Closes the stream, which stops the model. The text so far stays."""
        if not self._ended.is_set():
            self._is_stopped = True
            self._answer.close()
            self._end("stopped")

    def wait(self) -> LiveStream:
        """Waits for the end. Interrupting the kernel stops the stream.

        Meanwhile the kernel cannot hear the Stop button; code that goes on with the answer has to wait, people do not.

        Raises:
            LabkitError: the stream ended badly, see `Stream`.
        """
        try:
            self._ended.wait()
        except KeyboardInterrupt:
            self.stop()
            raise
        if self._error is not None and not self._is_stopped:
            raise self._error
        return self

    def __repr__(self) -> str:
        return f"<LiveStream: {self.state}; {self.stats}>"

    def _run(self) -> None:
        try:
            for _piece in self._answer:
                self.state = "streaming"
                if time.monotonic() - self._drawn >= _REDRAW:
                    self._draw()
            state = f"finished ({self.finish_reason})"
        except Exception as error:  # wait() raises it where somebody can see it
            self._error, state = error, f"failed: {error}"
        if not self._is_stopped:
            self._end(state)

    def _end(self, state: str) -> None:
        self.state = state
        self._button.disabled = True
        self._draw()
        self._ended.set()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        self._text.value = f"<div role='log' style='white-space:pre-wrap'>{escape(self.text)}</div>"
        self._figures.value = f"{self.state}; {self.stats}"
