"""A model's side that remembers what it was told, word for word.

It knows nothing of time: the simulated cloud decides when each token leaves.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from labkit.simulator.ask import Ask
from labkit.simulator.upstream import FixedText, Piece

_SAY = "Say: "


class Attentive(FixedText):
    """Gives the same text to everybody, except to those who say what they want to hear (`Say: ...`).

    Args:
        text: what to answer.

    Attributes:
        asks: what it was asked, oldest first, except by health checks.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.asks: list[Ask] = []

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece]:
        """Gives the text."""
        question = ask.messages[-1]["content"]
        if ask.max_tokens != 1:
            self.asks.append(ask)
        source = FixedText(question.removeprefix(_SAY)) if question.startswith(_SAY) else super()
        async for piece in source.answer(ask):
            yield piece

    def told(self, question: str) -> Ask:
        """Gives what came with a question; the last time, if it was asked several times."""
        return next(ask for ask in reversed(self.asks) if ask.messages[-1]["content"] == question)
