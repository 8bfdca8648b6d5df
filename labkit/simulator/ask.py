"""What a client asks for: a chat request's body, read and checked as OpenAI checks it.

It knows nothing of models and of answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.simulator import wire


class Refused(Exception):
    """A request cannot be served.

    Args:
        status: the HTTP status for the client.
        body: the error object for the client.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.body = body
        super().__init__(status)


@dataclass(frozen=True)
class Ask:
    """What a client asks for.

    Attributes:
        body: the request's JSON.
        messages: the conversation.
        max_tokens: the longest answer that the client wants, in tokens.
        include_usage: whether a stream shall end with usage.
    """

    body: Mapping[str, Any]
    messages: list[dict[str, Any]]
    max_tokens: int | None
    include_usage: bool

    @classmethod
    def parse(cls, raw: bytes) -> Ask:
        """Reads a request's body.

        Raises:
            Refused: the body cannot be used.
        """
        try:
            body = json.loads(raw)
        except ValueError:
            raise _bad("The body of the request is no JSON.") from None
        if not isinstance(body, dict) or "messages" not in body:
            raise _bad("Missing required parameter: 'messages'.", "messages")
        messages = body["messages"]
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise _bad("'messages' must be a list of messages, at least one.", "messages")
        return cls(body, messages, _limit(body), _include_usage(body))

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return bool(self.body.get("stream"))

    @cached_property
    def prompt_tokens(self) -> int:
        """The tokens of the prompt, counted as words, with three more for each message's frame."""
        return sum(3 + len(text_of(message).split()) for message in self.messages)


def text_of(message: Mapping[str, Any]) -> str:
    """Gives the text of a message, whose content is a string or a list of parts."""
    return " ".join(_texts(message.get("content")))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)


def _limit(body: Mapping[str, Any]) -> int | None:
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    value = body.get(name)
    if value is None or (isinstance(value, int) and value >= 1):
        return value
    raise _bad(f"'{name}' must be an integer of at least 1, not {value!r}.", name)


def _include_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise _bad("'stream_options' must be an object.", "stream_options")
    return bool(options.get("include_usage"))


def _bad(message: str, param: str | None = None) -> Refused:
    return Refused(400, wire.error(400, message, param))
