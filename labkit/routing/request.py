"""One request, with everything about it that rules look at.

It knows nothing of backends, rules or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]

MAX_TOKENS = 256  # room for an answer when the caller names none; Foundry Local would otherwise reserve 2,048
_NO_OPTIONS: Mapping[str, Any] = {}
_NO_NEEDS = frozenset[str]()
_TOKENS_PER_MESSAGE = 4  # role and separators, as OpenAI's cookbook counts them


@dataclass(frozen=True)
class Request:
    """What is to be answered, and under which conditions. `Request.of()` makes one.

    Attributes:
        messages: the conversation, in OpenAI's format.
        text: all text of all messages, since all of it would be sent.
        prompt: the text of the last user message, which is what the caller asks now.
        task: what kind of work it is, such as `code_generation`, where the caller knows.
        private: whether the caller forbids that it leaves this machine.
        max_tokens: room for the answer, in tokens.
        needs: capabilities that the backend must have, such as `tools` or `json`.
        has_other_media: whether a message holds something that is not text, such as an image.
    """

    messages: tuple[Message, ...]
    text: str
    prompt: str
    task: str | None = None
    private: bool = False
    max_tokens: int = MAX_TOKENS
    needs: frozenset[str] = frozenset()
    has_other_media: bool = False
    _remembered: dict[int, tuple[object, str | None]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        prompt: str | Sequence[Message],
        *,
        task: str | None = None,
        private: bool = False,
        options: Mapping[str, Any] = _NO_OPTIONS,
    ) -> Request:
        """Makes a request of a prompt or a conversation, and of the options for the model.

        Args:
            prompt: the question, or the whole conversation in OpenAI's format.
            task: what kind of work it is, where the caller knows.
            private: whether the caller forbids that it leaves this machine.
            options: what goes to the model; `max_tokens`, `tools` and `response_format` matter for routing.

        Raises:
            ValueError: there is no message at all.
        """
        room = (
            (options.get("max_tokens") or options.get("max_completion_tokens") or MAX_TOKENS) if options else MAX_TOKENS
        )
        needs = _needs(options) if options else _NO_NEEDS
        if isinstance(prompt, str):
            return cls(({"role": "user", "content": prompt},), prompt, prompt, task, private, room, needs)
        if not prompt:
            raise ValueError("The conversation is empty. Give a question, for example complete('What is a token?').")
        messages = tuple(prompt)
        asked = next((m for m in reversed(messages) if m.get("role") == "user"), messages[-1])
        media = any(part.get("type") != "text" for part in _parts(messages))
        return cls(messages, _text(messages), _text((asked,)), task, private, room, needs, media)

    @property
    def words(self) -> int:
        """The words of the prompt, counted as the seed does: whatever stands between spaces."""
        return len(self.prompt.split())

    @property
    def most_tokens(self) -> int:
        """More tokens than prompt and answer can have: a token has at least one character."""
        return _TOKENS_PER_MESSAGE * len(self.messages) + len(self.text) + self.max_tokens

    def remember(self, rule: object, work: Callable[[Request], str | None]) -> str | None:
        """Gives what a rule has found out about this request; the work is done once.

        Args:
            rule: whose work it is.
            work: finds it out.
        """
        known = self._remembered.get(id(rule))
        if known is None:
            # The rule is kept, so that no other one can come to live at its address.
            known = self._remembered[id(rule)] = (rule, work(self))
        return known[1]

    def prompt_tokens(self, characters_per_token: float) -> int:
        """Estimates the tokens of the whole conversation.

        Args:
            characters_per_token: how many characters a token of the model has on average.
        """
        return _TOKENS_PER_MESSAGE * len(self.messages) + round(len(self.text) / characters_per_token)


def _needs(options: Mapping[str, Any]) -> frozenset[str]:
    needs = set()
    if options.get("tools"):
        needs.add("tools")
    if (options.get("response_format") or {}).get("type") in ("json_object", "json_schema"):
        needs.add("json")
    return frozenset(needs)


def _text(messages: Sequence[Message]) -> str:
    plain = [content for message in messages if isinstance(content := message.get("content"), str)]
    return "\n".join([*plain, *(str(part.get("text", "")) for part in _parts(messages))])


def _parts(messages: Sequence[Message]) -> list[Mapping[str, Any]]:
    lists = (content for message in messages if isinstance(content := message.get("content"), (list, tuple)))
    return [part for content in lists for part in content if isinstance(part, Mapping)]
