"""What a chat answer consists of: timed events, and a count of tokens.

It knows nothing of the format in which they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "reasoning", "tool_call", "usage", "finish"]
TOKENS = frozenset(("text", "reasoning", "tool_call"))  # what the model generates; the rest is said about it


@dataclass(frozen=True, slots=True)
class Event:
    """Something that arrived.

    Attributes:
        kind: `text`, `reasoning`, `tool_call`, `usage` or `finish`.
        at: when it arrived, in seconds since the request was sent.
        text: the piece of text or of reasoning, or the finish reason.
        data: the part of a tool call, or the usage, as the server sent it.
    """

    kind: Kind
    at: float
    text: str = ""
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens the server counted.

    Attributes:
        prompt_tokens: those of the messages.
        completion_tokens: those of the answer.
    """

    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def parse(cls, usage: Mapping[str, Any]) -> Usage:
        """Reads a `usage` object of the chat API; a count that is left out is 0."""
        return cls(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens
