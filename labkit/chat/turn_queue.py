"""The answers that one chat is working on: one at a time, in order, and all of them cancelled together.

It knows nothing of what an answer is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class TurnQueue:
    """Keeps the tasks of one chat."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], str] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, question: str) -> AsyncIterator[None]:
        """Waits for the turn of the current task, which `cancel()` reaches from now on.

        Args:
            question: what is asked, by its id; whoever works on an earlier wording of it is cancelled.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task
        self.cancel(question)
        self._tasks[task] = question
        try:
            async with self._turn:
                yield
        finally:
            self._tasks.pop(task, None)

    def cancel(self, question: str | None = None) -> None:
        """Cancels the running task and those that wait; one that is being cancelled already is left alone.

        Args:
            question: cancels only the tasks for this question.
        """
        for task, asked in tuple(self._tasks.items()):
            if not task.cancelling() and question in (None, asked):
                task.cancel()
