"""The two drivers that carry a plan out, one that blocks and one for `await`.

They do what the plan says and report what came of it. They decide nothing, and they know nothing of chat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from labkit.errors import LabkitError
from labkit.routing.plan import Plan
from labkit.routing.step import Call, GiveUp, Wait

if TYPE_CHECKING:
    from labkit.simulator import Clock

T = TypeVar("T")
Start = Callable[[Call], tuple[Call, T] | None]
"""Makes a call, tells the plan if it fails and gives None then; else gives what it brought, and which call did."""
AsyncStart = Callable[[Call], Awaitable[tuple[Call, T] | None]]


def drive(plan: Plan, clock: Clock, start: Start[T]) -> tuple[Call, T]:
    """Carries a plan out until a call has brought something.

    Args:
        plan: what to do.
        clock: for the time and for waiting.
        start: makes a call.

    Returns:
        The call that brought something, and what it brought.

    Raises:
        LabkitError: the plan gave up.
    """
    plan.begin(clock.now())
    while True:
        step = plan.next(clock.now())
        if isinstance(step, GiveUp):
            raise step.error from step.cause
        if isinstance(step, Wait):
            clock.sleep(step.seconds)
        elif (brought := start(step)) is not None:
            return brought


async def adrive(plan: Plan, clock: Clock, start: AsyncStart[T]) -> tuple[Call, T]:
    """Does what `drive()` does, for `await`.

    Args:
        plan: what to do.
        clock: for the time and for waiting.
        start: makes a call.
    """
    plan.begin(clock.now())
    while True:
        step = plan.next(clock.now())
        if isinstance(step, GiveUp):
            raise step.error from step.cause
        if isinstance(step, Wait):
            await clock.asleep(step.seconds)
        elif (brought := await start(step)) is not None:
            return brought


def once(plan: Plan, clock: Clock, work: Callable[[Call], T]) -> Start[T]:
    """Makes a `start` that makes one call.

    Args:
        plan: is told of failures.
        clock: for the time.
        work: makes the call and gives what it brought.
    """

    def start(call: Call) -> tuple[Call, T] | None:
        try:
            return call, work(call)
        except LabkitError as error:
            plan.fail(call, error, clock.now())
            return None
        except BaseException:  # Ctrl-C, say: the probe of a circuit breaker must not stay taken
            plan.abandon(call, "cancelled", clock.now())
            raise

    return start


def aonce(plan: Plan, clock: Clock, work: Callable[[Call], Awaitable[T]]) -> AsyncStart[T]:
    """Does what `once()` does, for `await`.

    Args:
        plan: is told of failures.
        clock: for the time.
        work: makes the call and gives what it brought.
    """

    async def start(call: Call) -> tuple[Call, T] | None:
        try:
            return call, await work(call)
        except LabkitError as error:
            plan.fail(call, error, clock.now())
            return None
        except BaseException:  # see above
            plan.abandon(call, "cancelled", clock.now())
            raise

    return start
