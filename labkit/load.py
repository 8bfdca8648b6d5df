"""A load test: users who ask, read for a while, and ask again; and what they wait for.

It knows nothing of the server that answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.client import Lab
    from labkit.plots import Picture

_QUESTION = "Why do chat apps stream tokens?"
_MS = 1000


@dataclass(frozen=True)
class Load:
    """What a number of users found.

    Attributes:
        users: how many.
        first: seconds until the first token, of each answer that was complete.
        whole: seconds until the last one.
        tokens: of all complete answers together.
        seconds: from the first question to the end of the last answer.
        failed: by the kind of error, how many answers were not complete.
    """

    users: int
    first: tuple[float, ...]
    whole: tuple[float, ...]
    tokens: int
    seconds: float
    failed: Counter[str]

    @property
    def tokens_per_second(self) -> float:
        """Tokens that left the server in a second, for all users together."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def first_ms(self, share: float) -> float:
        """Gives the wait for the first token within which this share of the answers began, in milliseconds."""
        return _quantile(self.first, share) * _MS

    def whole_ms(self, share: float) -> float:
        """Gives the time within which this share of the answers was complete, in milliseconds."""
        return _quantile(self.whole, share) * _MS

    def __repr__(self) -> str:
        failed = "".join(f", {count} {kind}" for kind, count in self.failed.items())
        return (
            f"{self.users} users: {len(self.first)} answers{failed}; first token {self.first_ms(0.5):,.0f} ms (half), "
            f"{self.first_ms(0.95):,.0f} ms (95%); {self.tokens_per_second:,.0f} tokens/s"
        )


async def test(
    lab: Lab, users: int, *, seconds: float = 5.0, think: float = 20.0, max_tokens: int = 80, seed: int = 0
) -> Load:
    """Lets users come, and waits until all of them have their answers.

    Each one asks at a moment of chance, and again after having read for a while. One user alone asks again as soon as
    the answer is there, so that there is something to measure.

    Args:
        lab: whom they ask.
        users: how many.
        seconds: for how long questions are asked.
        think: seconds between two questions of one user, on average.
        max_tokens: the longest answer.
        seed: fixes the moments.
    """
    loop, chance = asyncio.get_running_loop(), Random(seed)  # noqa: S311  # spreads questions, guards no secret
    started, tasks = loop.time(), []
    visits = _Visits(lab, max_tokens)
    if users == 1:
        while loop.time() - started < seconds / 2:
            await visits.ask()
    else:
        moment = chance.expovariate(users / think)
        while moment < seconds:
            tasks.append(loop.create_task(visits.ask_at(started + moment)))
            moment += chance.expovariate(users / think)
        await asyncio.gather(*tasks)
    took = loop.time() - started
    return Load(users, tuple(visits.first), tuple(visits.whole), visits.tokens, took, visits.failed)


def chart(loads: Sequence[Load]) -> Picture:
    """Draws what users wait for, against their number.

    Args:
        loads: what was measured, one for each number of users.
    """
    from labkit.plots import STYLES, axes, picture

    figure, ax = axes("What users wait for", "users", "milliseconds")
    users = [load.users for load in loads]
    series = {
        "first token, half of the answers": [load.first_ms(0.5) for load in loads],
        "first token, 95%": [load.first_ms(0.95) for load in loads],
        "whole answer, 95%": [load.whole_ms(0.95) for load in loads],
    }
    for (name, values), (colour, marker) in zip(series.items(), STYLES, strict=False):
        ax.plot(users, values, color=colour, marker=marker, label=name)
    ax.set(xscale="log", yscale="log", xticks=users, xticklabels=[str(number) for number in users])
    ax.minorticks_off()
    ax.legend(frameon=False)
    return picture(figure, f"What users wait for. {'; '.join(map(repr, loads))}.")


class _Visits:
    """Asks, and keeps the times.

    Args:
        lab: whom.
        max_tokens: the longest answer.
    """

    def __init__(self, lab: Lab, max_tokens: int) -> None:
        self._lab, self._max_tokens = lab, max_tokens
        self.first: list[float] = []
        self.whole: list[float] = []
        self.tokens = 0
        self.failed: Counter[str] = Counter()

    async def ask_at(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
        await self.ask()

    async def ask(self) -> None:
        from labkit.streaming import astream

        answer = astream(self._lab, _QUESTION, max_tokens=self._max_tokens)
        try:
            async for _ in answer:
                pass
        except LabkitError as error:
            self.failed[type(error).__name__] += 1
            return
        self.first.append(answer.stats.time_to_first_token)
        self.whole.append(answer.stats.arrivals[-1])
        self.tokens += len(answer.stats.arrivals)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")
