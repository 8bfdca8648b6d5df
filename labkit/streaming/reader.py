"""The reader of a chat answer: bytes in, text and timed events out, every ending told apart.

It does no I/O: the drivers in `driver.py` feed it, one with and one without `await`. It knows nothing of HTTP.
The protocol is https://platform.openai.com/docs/api-reference/chat-streaming.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from labkit.errors import LabkitError, StreamInterrupted
from labkit.streaming.events import TOKENS, Event, Usage
from labkit.streaming.sse import EventDecoder
from labkit.streaming.stats import Stats
from labkit.translation import context_too_long, error_message

_LEFTOVERS = 0.1  # seconds: what a complete answer may cost to leave its connection ready for the next request


class Reader:
    """Follows one answer.

    Args:
        clock: gives the time in seconds; any fixed starting point will do.
        first_token_timeout: seconds that may pass before the first token.
        stall_timeout: seconds that may pass between two tokens.
    """

    def __init__(self, clock: Callable[[], float], first_token_timeout: float, stall_timeout: float) -> None:
        self.events: list[Event] = []
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.has_token = False
        self.is_done = False
        self._clock = clock
        self._first_token_timeout = first_token_timeout
        self._stall_timeout = stall_timeout
        self._decoder = EventDecoder()
        self._pieces: list[str] = []
        self._sent = clock()
        self._waits_since: float | None = None
        self._total: float | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    @property
    def stats(self) -> Stats:
        """The figures so far."""
        arrivals = tuple(event.at for event in self.events if event.kind in TOKENS)
        total = self._clock() - self._sent if self._total is None else self._total
        return Stats(arrivals, total, self.usage.completion_tokens if self.usage else len(arrivals))

    @property
    def patience(self) -> float:
        """How many seconds the server may take for the next token."""
        if self.is_done:
            return _LEFTOVERS
        return self._stall_timeout if self.has_token else self._first_token_timeout

    def remaining(self) -> float:
        """Gives how many of these seconds are left. They run only while the server is waited for."""
        since = self._waits_since
        return self.patience if since is None else self.patience - (self._clock() - since)

    def start(self) -> None:
        """Notes that the request is sent now."""
        self._sent = self._waits_since = self._clock()

    def wait(self) -> None:
        """Notes that the caller wants more, so that from now on the server is the one who is waited for."""
        if self._waits_since is None:
            self._waits_since = self._clock()

    def feed(self, received: bytes) -> Iterator[str]:
        """Takes the next bytes of a stream.

        Args:
            received: as they came from the network.

        Yields:
            The pieces of text in them; all that came before an error, too.

        Raises:
            StreamInterrupted: they hold an error or no chat, or they come too late.
            ContextTooLong: they say that the prompt does not fit.
        """
        now = self._clock()
        # Bytes without a token, such as keep-alive comments, do not restart the wait.
        if self._waits_since is not None and now - self._waits_since > self.patience and self.finish_reason is None:
            raise self.stalled()
        for data in self._decoder.feed(received):
            if data == b"[DONE]":
                self._finish(now)
            if self.is_done:
                return
            if piece := self._take(self._parse(data), "delta", now - self._sent):
                yield piece

    def take_whole(self, body: bytes) -> None:
        """Takes an answer that came in one piece.

        Args:
            body: of the response.

        Raises:
            StreamInterrupted: it holds no chat completion.
        """
        self._take(self._parse(body), "message", self._clock() - self._sent)
        self.stop()

    def end(self) -> None:
        """Notes that the server ended the stream.

        Raises:
            StreamInterrupted: it ended without a finish reason.
        """
        self.stop()
        if self.finish_reason is None:
            raise StreamInterrupted("truncated", self.text, "the server ended it without a finish reason")

    def stop(self) -> None:
        """Notes that nothing more will be read."""
        if self._total is None:
            self._finish(self._clock())

    def stalled(self) -> StreamInterrupted:
        """Gives the error for a server that fell silent."""
        patience = self.patience
        self.stop()
        return StreamInterrupted("stall", self.text, f"no token came within {patience:g} seconds")

    def cut(self, cause: object) -> StreamInterrupted:
        """Gives the error for a connection that was lost.

        Args:
            cause: what the network said.
        """
        self.stop()
        return StreamInterrupted("cut", self.text, f"the connection was lost ({str(cause).rstrip('.')})")

    def malformed(self, what: str) -> StreamInterrupted:
        """Gives the error for an answer that is not in OpenAI's format.

        Args:
            what: the server sent, in its words.
        """
        return StreamInterrupted("malformed", self.text, f"the server sent {what}")

    def _finish(self, now: float) -> None:
        self.is_done = True
        self._total = now - self._sent
        self._waits_since = None

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            chunk = json.loads(data.decode())
        except ValueError:
            self._refuse(data)
        return chunk if isinstance(chunk, dict) else self._refuse(data)

    def _refuse(self, data: bytes) -> NoReturn:
        raise self.malformed(f"a chunk that is no chat: {data[:60].decode(errors='replace')!r}")

    def _take(self, chunk: dict[str, Any], part: str, at: float) -> str:
        if error := chunk.get("error"):
            raise self._failed(error)
        piece = ""
        try:
            for choice in (chunk.get("choices") or ())[:1]:
                piece = self._take_delta(choice.get(part) or {}, at)
                if reason := choice.get("finish_reason"):
                    self.finish_reason = reason
                    self.events.append(Event("finish", at, reason))
            if usage := chunk.get("usage"):
                self.usage = Usage.parse(usage)
                self.events.append(Event("usage", at, data=usage))
        except (AttributeError, KeyError, TypeError, ValueError):
            self._refuse(json.dumps(chunk).encode())
        return piece

    def _take_delta(self, delta: dict[str, Any], at: float) -> str:
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            self._token(Event("reasoning", at, reasoning))
        for call in delta.get("tool_calls") or ():
            self._token(Event("tool_call", at, data=call))
        text: str = delta.get("content") or ""
        if text:
            self._pieces.append("" + text)  # a text that is no string must fail here
            self._token(Event("text", at, text))
        return text

    def _token(self, event: Event) -> None:
        self.events.append(event)
        self.has_token = True
        self._waits_since = None

    def _failed(self, error: object) -> LabkitError:
        message = error_message(error) or "an error without a message"
        return context_too_long(message) or StreamInterrupted("error", self.text, f"the server said: {message}")
