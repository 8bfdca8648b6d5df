"""The reader of a chat stream: bytes in, text and timed events out, every ending told apart.

It does no I/O: the drivers in `stream.py` feed it, one with and one without `await`. It knows nothing of HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from labkit.errors import LabkitError, StreamInterrupted
from labkit.streaming.sse import EventDecoder
from labkit.streaming.stats import Stats
from labkit.translation import context_too_long, error_message

Kind = Literal["text", "reasoning", "tool_call", "usage", "finish"]
_TOKENS = ("text", "reasoning", "tool_call")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that arrived in a stream.

    Attributes:
        kind: `text`, `reasoning`, `tool_call`, `usage` or `finish`.
        at: when it arrived, in seconds since the request was sent.
        text: the piece of text or reasoning, or the finish reason.
        data: the tool-call delta or the usage, as the server sent it.
    """

    kind: Kind
    at: float
    text: str = ""
    data: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server counted.

    Attributes:
        prompt_tokens: tokens of the messages.
        completion_tokens: tokens of the answer.
    """

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


class Reader:
    """Follows one stream.

    Args:
        clock: gives the time in seconds; any fixed starting point will do.
        stall_timeout: seconds that may pass between two tokens.
        first_token_timeout: seconds that may pass before the first token.
    """

    def __init__(self, clock: Callable[[], float], stall_timeout: float, first_token_timeout: float) -> None:
        self.events: list[Event] = []
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.is_done = False
        self._clock = clock
        self._stall_timeout = stall_timeout
        self._first_token_timeout = first_token_timeout
        self._decoder = EventDecoder()
        self._pieces: list[str] = []
        self._sent = self._waiting_since = clock()
        self._ended: float | None = None
        self._has_token = False

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    @property
    def patience(self) -> float:
        """How many seconds the next token may take."""
        return self._stall_timeout if self._has_token else self._first_token_timeout

    @property
    def stats(self) -> Stats:
        """The figures so far."""
        arrivals = tuple(event.at for event in self.events if event.kind in _TOKENS)
        total = self._ended if self._ended is not None else self._clock() - self._sent
        return Stats(arrivals, total, self.usage.completion_tokens if self.usage else len(arrivals))

    def start(self) -> None:
        """Notes that the request is sent now."""
        self._sent = self._waiting_since = self._clock()

    def wait(self) -> None:
        """Notes that the caller is back for more: from now on the server is the one who is waited for."""
        self._waiting_since = self._clock()

    def feed(self, received: bytes) -> list[str]:
        """Takes the next bytes.

        Args:
            received: as they came from the network.

        Returns:
            The pieces of text in them.

        Raises:
            StreamInterrupted: they hold an error or no chat, or the token came too late.
            ContextTooLong: they say that the prompt does not fit.
        """
        now = self._clock()
        known, tokens = len(self._pieces), self._has_token
        patience = self.patience
        for data in self._decoder.feed(received):
            if data == b"[DONE]":
                self.is_done = True
                break
            self._take(self._parse(data), now - self._sent)
        # Bytes that carry no token, such as keep-alive comments, must not look like progress.
        if now - self._waiting_since > patience and not self.is_done and self.finish_reason is None:
            raise self._stalled(patience)
        del tokens
        return self._pieces[known:]

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
        if self._ended is None:
            self._ended = self._clock() - self._sent

    def stalled(self) -> StreamInterrupted:
        """Gives the error for a server that fell silent."""
        self.stop()
        return self._stalled(self.patience)

    def cut(self, cause: Exception) -> StreamInterrupted:
        """Gives the error for a connection that was lost.

        Args:
            cause: what the network said.
        """
        self.stop()
        return StreamInterrupted("cut", self.text, f"the connection was lost ({str(cause).rstrip('.')})")

    def _stalled(self, patience: float) -> StreamInterrupted:
        return StreamInterrupted("stall", self.text, f"no token came for {patience:g} seconds")

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            chunk = json.loads(data.decode())
        except ValueError:
            self._malformed(data)
        return chunk if isinstance(chunk, dict) else self._malformed(data)

    def _malformed(self, data: bytes) -> NoReturn:
        shown = data[:60].decode(errors="replace")
        raise StreamInterrupted("malformed", self.text, f"the server sent a chunk that is no chat chunk: {shown!r}")

    def _take(self, chunk: dict[str, Any], at: float) -> None:
        if error := chunk.get("error"):
            raise self._refused(error)
        try:
            for choice in (chunk.get("choices") or ())[:1]:
                self._take_delta(choice.get("delta") or {}, at)
                self._take_finish(choice.get("finish_reason"), at)
            if usage := chunk.get("usage"):
                self.usage = Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
                self.events.append(Event("usage", at, data=usage))
        except (AttributeError, KeyError, TypeError, ValueError):
            self._malformed(json.dumps(chunk).encode())

    def _take_delta(self, delta: dict[str, Any], at: float) -> None:
        if text := delta.get("content"):
            self._pieces.append(text)
            self._add(Event("text", at, text))
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            self._add(Event("reasoning", at, reasoning))
        for call in delta.get("tool_calls") or ():
            self._add(Event("tool_call", at, data=call))

    def _take_finish(self, reason: str | None, at: float) -> None:
        if reason:
            self.finish_reason = reason
            self.events.append(Event("finish", at, reason))

    def _add(self, token: Event) -> None:
        self.events.append(token)
        self._has_token = True
        self._waiting_since = token.at + self._sent

    def _refused(self, error: object) -> LabkitError:
        message = error_message(error) or "the server sent an error without a message"
        return context_too_long(message) or StreamInterrupted("error", self.text, f"the server said: {message}")
