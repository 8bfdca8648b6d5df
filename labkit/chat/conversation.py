"""What a model is told: the system prompt, as much of the conversation as fits, and the question.

It is pure: it knows nothing of Chainlit, of models and of networks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from labkit.errors import ContextTooLong

Message = dict[str, str]
_TOKENS_PER_MESSAGE = 4  # role and separators
_KEPT = "\n\t"  # of the control characters


class Turn(NamedTuple):
    """A question that was answered.

    Attributes:
        question: what the user wrote.
        answer: what the model said, whole or until it was stopped.
    """

    question: str
    answer: str


class Limits(NamedTuple):
    """What a model can hold.

    Attributes:
        context_length: tokens of prompt and answer together; None where it is not known.
        max_tokens: tokens that the answer may have.
        characters_per_token: how long a token is on average.
    """

    context_length: int | None
    max_tokens: int
    characters_per_token: float

    def tokens(self, messages: Sequence[Message]) -> int:
        """Estimates the tokens of messages.

        Args:
            messages: in OpenAI's format.
        """
        characters = sum(len(message["content"]) for message in messages)
        return _TOKENS_PER_MESSAGE * len(messages) + round(characters / self.characters_per_token)


class Prompt(NamedTuple):
    """What is sent.

    Attributes:
        messages: in OpenAI's format.
        forgotten: how many turns were left out, the oldest ones.
    """

    messages: list[Message]
    forgotten: int


def compose(system: str, turns: Sequence[Turn], question: str, limits: Limits) -> Prompt:
    """Puts the prompt together, and leaves out the oldest turns where all of them do not fit.

    Args:
        system: the system prompt; may be empty.
        turns: the conversation so far, oldest first.
        question: what is asked now.
        limits: what the model can hold.

    Raises:
        ContextTooLong: the question alone does not fit.
    """
    for forgotten in range(len(turns) + 1):
        messages = _messages(system, turns[forgotten:], question)
        needed = limits.tokens(messages) + limits.max_tokens
        if limits.context_length is None or needed <= limits.context_length:
            return Prompt(messages, forgotten)
    raise ContextTooLong(needed, limits.context_length or 0)


def clean(text: str) -> str:
    """Takes control characters out of what somebody typed or pasted; line ends and tabs stay.

    Args:
        text: as it came.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in ("Cc", "Cs")).strip()


def _messages(system: str, turns: Sequence[Turn], question: str) -> list[Message]:
    messages = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        messages.append({"role": "user", "content": turn.question})
        messages.append({"role": "assistant", "content": turn.answer})
    return [*messages, {"role": "user", "content": question}]
