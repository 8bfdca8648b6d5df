"""Clocks: the real one, and one that skips all waiting.

Under the virtual clock an asyncio event loop believes that time passes: whenever nothing can be done but wait, the
time leaps to the next timer. Timers, timeouts and sleeps of asyncio fire in the same order and at the same moments as
in real time, every time; a minute takes milliseconds. It knows nothing of what runs on it.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from labkit.errors import SimulatorError

T = TypeVar("T")

_STANDSTILL = 1.0  # real seconds for a thread to wake a loop that has no timer left
_SETTLE = 1e-6  # virtual seconds in which everything that is due now gets done
_RESOLUTION = 1e-9  # seconds; below it two moments are the same


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Gives the seconds since some fixed moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits, and lets nothing else of this thread run."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Waits, and lets other tasks run."""
        ...


class RealClock:
    """The time of this machine."""

    def now(self) -> float:
        """Gives the seconds of the monotonic clock, which asyncio uses too."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits, and lets nothing else of this thread run."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Waits, and lets other tasks run."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A time that starts at zero and leaps over every wait. Several simulated clouds can share one.

    It belongs to one thread. Close it when done, or use it as a context.
    """

    def __init__(self) -> None:
        self._loop = _VirtualLoop()

    def now(self) -> float:
        """Gives the virtual seconds since the start."""
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Lets virtual time pass, and whatever is due in it happen. Not for use inside a coroutine."""
        self.run(asyncio.sleep(seconds))

    async def asleep(self, seconds: float) -> None:
        """Lets virtual time pass inside a coroutine, like `asyncio.sleep`."""
        await asyncio.sleep(seconds)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in virtual time.

        Args:
            work: the coroutine. Tasks that it starts go on when the clock runs again.

        Returns:
            What the coroutine returns.

        Raises:
            SimulatorError: everything waits, and no timer will ever end the wait.
        """
        if self._loop.is_running():
            work.close()
            raise SimulatorError("Virtual time already runs here. Inside a coroutine write `await clock.asleep(1)`.")
        return self._drive(_settled(work))

    @property
    def is_closed(self) -> bool:
        """Whether the clock has ended."""
        return self._loop.is_closed()

    def close(self) -> None:
        """Cancels what still runs, and ends the clock. Closing twice does nothing."""
        if not self.is_closed:
            self._drive(_cancel_others())
            self._drive(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _drive(self, work: Coroutine[Any, Any, T]) -> T:
        if not _is_inside_a_loop():
            return self._loop.run_until_complete(work)
        # A notebook's own loop occupies this thread, and a thread can run only one.
        with ThreadPoolExecutor(1) as helper:
            return helper.submit(self._loop.run_until_complete, work).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_virtual() -> bool:
    """Says whether the running event loop lives in virtual time."""
    return isinstance(asyncio.get_running_loop(), _VirtualLoop)


def _is_inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _settled(work: Coroutine[Any, Any, T]) -> T:
    result = await work
    await asyncio.sleep(_SETTLE)  # so that the other side has noticed the end, too
    return result


async def _cancel_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time only its selector moves."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_LeapingSelector(self))
        # asyncio takes timers within one tick of the real clock for due; that tick is 16 ms on Windows.
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        return self._now

    def leap(self, seconds: float) -> None:
        self._now += seconds

    def run_in_executor(  # type: ignore[override]  # asyncio's own hints differ between versions
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        # A thread would race against leaping time, so that no two runs were alike. Run here it takes no virtual time.
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _LeapingSelector(selectors.DefaultSelector):
    """Leaps where another selector would wait."""

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            events = super().select(_STANDSTILL)
            if not events:
                raise SimulatorError(
                    "Virtual time stands still: every task waits, and none for the clock. Await something that ends, "
                    "and leave sockets and threads out of a simulation."
                )
            return list(events)
        events = super().select(0)
        if not events and timeout > 0:
            self._loop.leap(timeout)
        return list(events)
