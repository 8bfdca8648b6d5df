"""What a simulated cloud says: fixed text, or the answer of a real model.

An upstream gives pieces of text. When they leave, and whether they arrive, is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from labkit.simulator.ask import Ask, Refused
from labkit.simulator.clock import is_virtual

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI
    from openai.types.chat import ChatCompletionChunk

    from labkit.client import Lab

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")
_PASSED_ON = ("temperature", "top_p", "seed", "stop", "response_format", "frequency_penalty", "presence_penalty")
_DEFAULT_ANSWER = 256  # tokens; Foundry Local reserves 2,048 for a request that names no limit, and then refuses it


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
        # A copy, so that closing its clients at the end closes nobody else's.
        self._lab = replace(lab)
        self._client: AsyncOpenAI | None = None
        self.model = lab.model.partition(":")[0]
        self.context_length = lab.context_length

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Asks the model; closing the generator stops it.

        Raises:
            Refused: the model does not accept the request, or fails.
        """
        from openai import APIError

        reason, prompt_tokens = "stop", None
        try:
            async with aclosing(self._chunks(self._request(ask))) as chunks:
                async for chunk in chunks:
                    prompt_tokens = chunk.usage.prompt_tokens if chunk.usage else prompt_tokens
                    for choice in chunk.choices:
                        reason = choice.finish_reason or reason
                        if choice.delta.content:
                            yield Piece(choice.delta.content)
        except APIError as error:
            raise _refused(error) from error
        yield Piece("", reason, prompt_tokens)

    async def close(self) -> None:
        """Closes the connections to the model."""
        if self._client is not None:
            await self._client.close()
        elif "client" in self._lab.__dict__:
            self._lab.client.close()

    def _request(self, ask: Ask) -> dict[str, Any]:
        options = {name: ask.body[name] for name in _PASSED_ON if ask.body.get(name) is not None}
        limit = ask.max_tokens or _DEFAULT_ANSWER
        usage = {"include_usage": True}
        request = {"model": self._lab.model, "messages": ask.messages, "max_tokens": limit} | options
        return request | {"stream": True, "stream_options": usage}

    async def _chunks(self, request: dict[str, Any]) -> AsyncGenerator[ChatCompletionChunk]:
        if is_virtual():  # the model lives in real time: virtual time stands still until the whole answer is there
            for chunk in list(self._lab.client.chat.completions.create(**request)):
                yield chunk
            return
        self._client = self._client or self._lab.async_client
        async with await self._client.chat.completions.create(**request) as stream:
            async for chunk in stream:
                yield chunk


def _refused(error: APIError) -> Refused:
    kind = error.type or "server_error"
    # Foundry Local refuses a long prompt inside the stream, where there is no status any more.
    status = getattr(error, "status_code", 400 if kind == "invalid_request_error" else 502)
    body = {"message": error.message, "type": kind, "param": error.param, "code": error.code}
    return Refused(status, {"error": body})
