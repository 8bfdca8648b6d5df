"""Hedging: when the first token is late, a second backend is asked as well, and the first of the two wins.

The loser is closed at once, and what it cost stands in the trace (Dean and Barroso, "The Tail at Scale", 2013).
It knows nothing of chat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.errors import LabkitError
from labkit.routing.drive import AsyncStart, Start
from labkit.routing.plan import Plan
from labkit.routing.step import Call
from labkit.streaming import AsyncStream, Stream

if TYPE_CHECKING:
    from labkit.simulator import Clock

T = TypeVar("T")
_LOST = "hedge lost"


def race(
    plan: Plan, clock: Clock, after: float, prepare: Callable[[Call], Stream], first: Callable[[Call, Stream], T]
) -> Start[T]:
    """Makes a `start` for `drive()` that asks a second backend when the first one is late.

    Args:
        plan: gives the second call, and is told how both ended.
        clock: for the time.
        after: seconds without a first token that count as late.
        prepare: prepares a stream.
        first: waits for its first piece.
    """

    def start(call: Call) -> tuple[Call, T] | None:
        streams = {id(call): prepare(call)}
        pool = ThreadPoolExecutor(2, "labkit-hedge")
        running: dict[Future[T], Call] = {pool.submit(first, call, streams[id(call)]): call}
        try:
            if not wait(running, timeout=after).done and (second := plan.hedge(clock.now())):
                streams[id(second)] = prepare(second)
                running[pool.submit(first, second, streams[id(second)])] = second
            while running:
                for task in wait(running, return_when=FIRST_COMPLETED).done:
                    ended = running.pop(task)
                    if (error := task.exception()) is None:
                        return ended, task.result()
                    _note(plan, ended, error, clock)
            return None
        finally:
            for task, late in running.items():
                losing = streams[id(late)]
                plan.abandon(late, _LOST, clock.now(), losing)
                losing.close()
                task.add_done_callback(partial(_close, losing))
            pool.shutdown(wait=False)

    return start


def arace(
    plan: Plan,
    clock: Clock,
    after: float,
    prepare: Callable[[Call], AsyncStream],
    first: Callable[[Call, AsyncStream], Awaitable[T]],
) -> AsyncStart[T]:
    """Does what `race()` does, for `await`.

    Args:
        plan: gives the second call, and is told how both ended.
        clock: for the time.
        after: seconds without a first token that count as late.
        prepare: prepares a stream.
        first: waits for its first piece.
    """

    async def start(call: Call) -> tuple[Call, T] | None:
        streams = {id(call): prepare(call)}
        running = {asyncio.ensure_future(first(call, streams[id(call)])): call}
        try:
            done, _ = await asyncio.wait(running, timeout=after)
            if not done and (second := plan.hedge(clock.now())):
                streams[id(second)] = prepare(second)
                running[asyncio.ensure_future(first(second, streams[id(second)]))] = second
            while running:
                for task in (await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))[0]:
                    ended = running.pop(task)
                    if (error := task.exception()) is None:
                        return ended, task.result()
                    _note(plan, ended, error, clock)
            return None
        finally:
            for task, late in running.items():
                plan.abandon(late, _LOST, clock.now(), streams[id(late)])
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    return start


def _close(losing: Stream, task: Future[Any]) -> None:
    """Closes a stream whose connection was still being opened when it lost."""
    losing.close()


def _note(plan: Plan, call: Call, error: BaseException, clock: Clock) -> None:
    if not isinstance(error, LabkitError):
        plan.abandon(call, "cancelled", clock.now())
        raise error
    plan.fail(call, error, clock.now())
