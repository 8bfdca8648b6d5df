"""What a simulated cloud says: fixed text, or the answer of a real model.

An upstream gives pieces of text. When they leave, and whether they arrive, is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI

    from labkit.client import Lab

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")
_PASSED_ON = ("temperature", "top_p", "seed", "stop", "response_format", "frequency_penalty", "presence_penalty")
_DEFAULT_ANSWER = 256  # tokens; Foundry Local reserves 2,048 for a request that names no limit, and then refuses it


class UpstreamRefused(Exception):
    """The model behind the simulated cloud refuses a request.

    Args:
        status: the HTTP status for the client.
        body: the error object for the client.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.body = body
        super().__init__(status)


class Piece(NamedTuple):
    """A part of an answer.

    Attributes:
        text: the text, usually one token.
        finish_reason: why the answer ends here; None before the end.
        prompt_tokens: tokens of the prompt, where the upstream counted them; with the last piece only.
        wait: seconds since the piece before, where the upstream knows them; the profile decides otherwise.
    """

    text: str
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    wait: float | None = None


@dataclass(frozen=True)
class Ask:
    """What a client asked for.

    Attributes:
        body: the request's JSON.
        messages: the conversation.
        max_tokens: the longest answer that the client wants, in tokens.
    """

    body: Mapping[str, Any]
    messages: list[dict[str, Any]]
    max_tokens: int | None

    @property
    def prompt_tokens(self) -> int:
        """The tokens of the prompt, counted as words, with three more for each message's frame."""
        return sum(3 + len(text_of(message).split()) for message in self.messages)


class Upstream(Protocol):
    """Where answers come from."""

    model: str
    context_length: int | None

    def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Gives the answer, piece by piece; the last piece has a finish reason."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""


class FixedText:
    """Gives the same text to everybody; a token is a word with the space before it.

    Args:
        text: what to answer.
    """

    context_length: int | None = None

    def __init__(self, text: str, model: str = "fixed-text") -> None:
        self.model = model
        self._pieces = [Piece(word) for word in _WORD.findall(text)] or [Piece(text)]

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Gives the text, cut off after `max_tokens`."""
        limit = ask.max_tokens if ask.max_tokens is not None else len(self._pieces)
        for piece in self._pieces[:limit]:
            yield piece
        yield Piece("", "length" if limit < len(self._pieces) else "stop")

    async def close(self) -> None:
        """Has nothing to let go of."""


class RealModel:
    """Gives the answers of a real model.

    Args:
        lab: the model.
    """

    def __init__(self, lab: Lab) -> None:
        # A copy, because the clients of a Lab stay with the event loop that used them first.
        self._lab = replace(lab)
        self.model = lab.model.partition(":")[0]
        self.context_length = lab.context_length

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Asks the model; leaving the loop stops it.

        Raises:
            UpstreamRefused: the model does not accept the request, or fails.
        """
        from openai import APIError

        try:
            async for piece in self._ask_model(ask):
                yield piece
        except APIError as error:
            raise UpstreamRefused(getattr(error, "status_code", 502), _as_error(error)) from error

    async def _ask_model(self, ask: Ask) -> AsyncGenerator[Piece]:
        options = {name: ask.body[name] for name in _PASSED_ON if ask.body.get(name) is not None}
        stream = await self._client.chat.completions.create(
            model=self._lab.model,
            messages=cast(Any, ask.messages),
            max_tokens=ask.max_tokens or _DEFAULT_ANSWER,
            stream=True,
            stream_options={"include_usage": True},
            **options,
        )
        reason, prompt_tokens = "stop", None
        async with stream:
            async for chunk in stream:
                if chunk.usage:
                    prompt_tokens = chunk.usage.prompt_tokens
                for choice in chunk.choices:
                    reason = choice.finish_reason or reason
                    if choice.delta.content:
                        yield Piece(choice.delta.content)
        yield Piece("", reason, prompt_tokens)

    async def close(self) -> None:
        """Closes the connections to the model."""
        if "async_client" in self._lab.__dict__:
            await self._lab.async_client.close()

    @property
    def _client(self) -> AsyncOpenAI:
        return self._lab.async_client


def text_of(message: Mapping[str, Any]) -> str:
    """Gives the text of a message, whose content is a string or a list of parts."""
    return " ".join(_texts(message.get("content")))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (str(part.get("text", "")) for part in content if isinstance(part, dict))


def _as_error(error: APIError) -> dict[str, Any]:
    kind = error.type or "invalid_request_error"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}
