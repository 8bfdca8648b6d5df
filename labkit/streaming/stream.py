"""`stream()` and `astream()`: an answer, piece by piece, over HTTP.

Two thin drivers, one with and one without `await`, around the same `Reader`. They know nothing of chunks.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError, NotOpenAI
from labkit.streaming.reader import Event, Reader, Usage
from labkit.streaming.request import Messages, chat_request
from labkit.streaming.stats import Stats
from labkit.translation import is_connecting, translate

if TYPE_CHECKING:
    import httpx2
    from openai import APIError

    from labkit.client import Lab

Clock = Callable[[], float]


def stream(
    lab: Lab,
    messages: Messages,
    *,
    stall_timeout: float = 20.0,
    first_token_timeout: float = 120.0,
    clock: Clock = time.perf_counter,
    **options: Any,
) -> Stream:
    """Asks for an answer and gives it piece by piece."""
    return Stream(lab, chat_request(lab, messages, options), Reader(clock, stall_timeout, first_token_timeout))


class _Stream:
    def __init__(self, lab: Lab, request: dict[str, Any], reader: Reader) -> None:
        self.lab = lab
        self.is_closed = False
        self._request = {"stream_options": {"include_usage": True}, **request, "stream": True}
        self._reader = reader

    @property
    def text(self) -> str:
        """The text so far."""
        return self._reader.text

    @property
    def events(self) -> tuple[Event, ...]:
        """What has arrived so far, each with its time."""
        return tuple(self._reader.events)

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: `stop`, `length`, `tool_calls` or `content_filter`; None while it has not."""
        return self._reader.finish_reason

    @property
    def usage(self) -> Usage | None:
        """What the server counted, once it has said so."""
        return self._reader.usage

    @property
    def stats(self) -> Stats:
        """The figures so far."""
        return self._reader.stats

    def _timeout(self) -> float:
        return self._reader.patience

    def _not_opened(self, error: APIError) -> LabkitError:
        from openai import APIConnectionError, APITimeoutError

        if isinstance(error, APIConnectionError) and not is_connecting(error):
            return self._reader.stalled() if isinstance(error, APITimeoutError) else self._reader.cut(error)
        return translate(error, self.lab, self._timeout())

    def _check(self, response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "text/event-stream")
        if not kind.startswith("text/event-stream"):
            raise NotOpenAI(f"{self.lab.endpoint} answers with {kind}, not with a stream of events. Correct BASE_URL.")


class Stream(_Stream):
    """An answer that arrives piece by piece."""

    def __iter__(self) -> Iterator[str]:
        import httpx2

        try:
            response = self._open()
            for received in response.iter_bytes():
                yield from self._reader.feed(received)
                self._reader.wait()
            self._reader.end()
        except httpx2.TimeoutException as error:
            raise self._reader.stalled() from error
        except httpx2.TransportError as error:
            raise self._reader.cut(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._reader.stop()
        self.is_closed = True
        if hasattr(self, "_response"):
            self._response.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> httpx2.Response:
        from openai import APIError

        self._reader.start()
        try:
            self._response = self.lab.client.chat.completions.create(**self._request, timeout=self._timeout()).response
        except APIError as error:
            raise self._not_opened(error) from error
        self._check(self._response)
        return self._response
