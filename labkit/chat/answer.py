"""One answer, written into the browser while it arrives, with what it took under it.

It knows nothing of who was chosen to answer, and why.
"""

from __future__ import annotations

import asyncio
import time
from math import isfinite

import chainlit as cl

from labkit.chat.memory import BROKEN, COMPLETE, STOPPED, note
from labkit.chat.words import Words
from labkit.routing import AsyncRoutedStream
from labkit.streaming import Answer, AsyncStream

_REDRAW = 0.05  # seconds: as often as an eye can follow; a fast model gives a hundred tokens in that time
_FENCE = "```"


class Writer:
    """Writes an answer into a message.

    Args:
        question: what is answered.
        words: the language.
        max_tokens: how long the answer may be.
        forgotten: how many earlier turns the model was not told.
    """

    def __init__(self, question: cl.Message, words: Words, max_tokens: int, forgotten: int) -> None:
        self.message = cl.Message(content="", parent_id=None)
        self._question, self._words = question, words
        self._max_tokens, self._forgotten = max_tokens, forgotten

    async def write(self, stream: AsyncStream | AsyncRoutedStream) -> None:
        """Shows the answer while it arrives. Whoever cancels the task stops the model, and what has arrived is kept.

        Args:
            stream: the answer, which nobody has read yet.

        Raises:
            LabkitError: the answer could not be had, or broke off; what has arrived is shown.
        """
        ending = BROKEN
        try:
            async with stream:
                await self._show(stream)
            ending = COMPLETE
        except asyncio.CancelledError:
            ending = STOPPED
            raise
        finally:
            # In a task of its own, because a second Stop must not take away what the first one has kept.
            await asyncio.shield(asyncio.ensure_future(self._finish(stream, ending)))

    async def _show(self, stream: AsyncStream | AsyncRoutedStream) -> None:
        waiting, shown = "", 0.0
        async for piece in stream:
            waiting += piece
            if (now := time.monotonic()) - shown >= _REDRAW:
                await self.message.stream_token(waiting)
                waiting, shown = "", now
        if waiting:
            await self.message.stream_token(waiting)

    async def _finish(self, stream: AsyncStream | AsyncRoutedStream, ending: str) -> None:
        text = stream.text
        if not text and ending == BROKEN:
            return  # there is nothing to keep, and the error says the rest
        self.message.metadata = note(self._question, text, ending)
        body = text if text.count(_FENCE) % 2 == 0 else f"{text}\n{_FENCE}"
        early = self._words("stopped_early") if ending == STOPPED and not text else ""
        self.message.content = f"{body}{early}\n\n*{' · '.join(self._under(stream, ending))}*"
        await self.message.send()

    def _under(self, stream: AsyncStream | AsyncRoutedStream, ending: str) -> list[str]:
        words, answer = self._words, _answer(stream)
        parts = [words("stopped")] if ending == STOPPED else []
        if answer is not None:
            source = words("simulated_cloud") if answer.lab.source == "simulated-cloud" else answer.lab.source
            parts += [answer.lab.model, source, *_figures(answer, words)]
            if answer.finish_reason == "length":
                parts.append(words("cut", tokens=self._max_tokens))
        if isinstance(stream, AsyncRoutedStream) and stream.reply and len(stream.trace) > 1:
            names = {"first": stream.trace[0].backend, "name": stream.reply.backend.name}
            parts += [words("fell_back", **names)] if names["first"] != names["name"] else []
        if self._forgotten:
            parts.append(words("forgotten", count=self._forgotten))
        return parts


def _answer(stream: AsyncStream | AsyncRoutedStream) -> Answer | None:
    if isinstance(stream, AsyncRoutedStream):
        return stream.reply.answer if stream.reply else None
    return stream


def _figures(answer: Answer, words: Words) -> list[str]:
    stats, figures = answer.stats, []
    if isfinite(stats.time_to_first_token):
        figures.append(words("first_token", ms=f"{stats.time_to_first_token * 1000:,.0f}"))
    if isfinite(stats.tokens_per_second):
        figures.append(words("speed", speed=f"{stats.tokens_per_second:,.0f}"))
    return figures
