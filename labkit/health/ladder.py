"""The ladder: probes in an order in which each one rests on those below it.

The first rung that fails says what is broken; those above it are not tried. It knows nothing of time tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from labkit.client import Lab
from labkit.endpoint import Endpoint
from labkit.errors import HealthError
from labkit.health import probe
from labkit.health.completion import Completion, Seen
from labkit.health.report import Report
from labkit.health.result import Finding, Result
from labkit.health.target import Target, Unhealthy
from labkit.settings import Settings

if TYPE_CHECKING:
    from labkit.simulator import Clock

SLOW_MS = 1_500.0  # milliseconds until the first token; the course's clouds need more once in thirty times
RUNGS = ("socket", "status", "models", "loaded", "completion", "first_token")
_MS = 1_000


class Timeouts(NamedTuple):
    """How long each rung may take, in seconds.

    Attributes:
        socket: to connect, the look-up of the name included.
        status: for GET /status.
        models: for GET /v1/models.
        loaded: for GET /models/loaded.
        first_token: until the first token.
        completion: for the rest of the answer after it.
    """

    socket: float = 2.0
    status: float = 2.0
    models: float = 5.0
    loaded: float = 2.0
    first_token: float = 15.0
    completion: float = 5.0


class Ladder:
    """Checks whether a model can answer, from the socket up to the first token.

    The first four rungs cost nothing. The last two share one request for one token, whose result is kept: for 90
    seconds while all is well, and for a growing time after failures. A pause that the server asks for (Retry-After)
    is kept.

    Args:
        lab: whom to check. It may be made by hand, and its model may be an alias: `Lab("foundry-local",
            "http://127.0.0.1:51211/v1", "none", "course-small")`.
        slow_ms: a first token that comes later is a warning, in milliseconds.
        timeouts: how long each rung may take.
        every: seconds between two requests for a token.
        per_hour: such requests in an hour, at most.
        clock: for the time; a simulation brings its own.
        random: where the jitter comes from; a simulation brings its own.

    Raises:
        HealthError: a value is negative or no number.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        slow_ms: float = SLOW_MS,
        timeouts: Timeouts = Timeouts(),  # noqa: B008  # immutable
        every: float = 90.0,
        per_hour: int = 60,
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        given = {"slow_ms": slow_ms, "every": every, "per_hour": per_hour, **timeouts._asdict()}
        for name, value in given.items():
            require(name, value)
        self.clock = clock or _real_clock()
        self.random = random or Random()  # noqa: S311  # spreads checks, guards no secret
        self.slow_ms = slow_ms
        self._target, self._timeouts = Target(lab), timeouts
        self._completion = Completion(
            slow_ms=slow_ms,
            first_token_timeout=timeouts.first_token,
            timeout=timeouts.completion,
            every=every,
            per_hour=per_hour,
            clock=self.clock,
            random=self.random,
        )

    @property
    def lab(self) -> Lab:
        """Whom it checks; the model's name is exact once a check has found it."""
        return self._target.lab

    def check(self) -> Report:
        """Climbs the ladder. It raises nothing for what is wrong with the server; that is what the report is for."""
        at, time = self.clock.now(), datetime.now(UTC)
        results = tuple(self._climb())
        lab = self.lab
        return Report(lab.source, lab.endpoint, lab.model, results, at, time)

    def blank(self, why: str) -> Report:
        """Gives a report in which nothing is known.

        Args:
            why: in words.
        """
        at, time = self.clock.now(), datetime.now(UTC)
        results = tuple(Result(rung, "unknown", why, "", None, at, time) for rung in RUNGS)
        return Report(self.lab.source, self.lab.endpoint, self.lab.model, results, at, time, expires=-math.inf)

    def interrupt(self) -> None:
        """Breaks off a request for a token that is on its way, from another thread."""
        self._completion.interrupt()

    def close(self) -> None:
        """Closes connections that are kept for later. A further check opens new ones."""
        self._target.close()

    def _climb(self) -> Iterator[Result]:
        limits, broken = self._timeouts, ""
        for rung, look, limit in (
            ("socket", probe.socket, limits.socket),
            ("status", probe.status, limits.status),
            ("models", probe.models, limits.models),
            ("loaded", probe.loaded, limits.loaded),
        ):
            result = self._untried(rung, broken) if broken else self._try(rung, look, limit)
            broken = broken or (rung if result.status == "fail" else "")
            yield result
        if broken:
            self._completion.forget()
            yield self._untried("completion", broken)
            yield self._untried("first_token", broken)
        else:
            yield from _both(self._completion.look(self._target))

    def _try(self, rung: str, look: Callable[[Target, float], Finding], limit: float) -> Result:
        at, time = self.clock.now(), datetime.now(UTC)
        try:
            found = look(self._target, limit)
        except Unhealthy as error:
            found = Finding("fail", error.output, error.fix)
        ms = None if found.status == "skipped" else (self.clock.now() - at) * _MS
        return Result(rung, found.status, found.output, found.fix, ms, at, time)

    def _untried(self, rung: str, broken: str) -> Result:
        return Result(
            rung, "unknown", f"not tried, because {broken} failed", "", None, self.clock.now(), datetime.now(UTC)
        )


def check(lab: Lab, *, slow_ms: float = SLOW_MS, timeouts: Timeouts = Timeouts()) -> Report:  # noqa: B008  # immutable
    """Checks once whether a model can answer; it costs one token at most.

    Args:
        lab: whom to check.
        slow_ms: a first token that comes later is a warning, in milliseconds.
        timeouts: how long each rung may take.
    """
    ladder = Ladder(lab, slow_ms=slow_ms, timeouts=timeouts)
    try:
        return ladder.check()
    finally:
        ladder.close()


def find(model: str | None = None, url: str | None = None) -> Lab:
    """Gives the Lab that settings or arguments mean, without starting or loading anything.

    `connect()` mends what it finds; a health check must see it as it is.

    Args:
        model: an alias or id; MODEL when left out.
        url: an OpenAI-compatible server; BASE_URL when left out, and without it Foundry Local on FOUNDRY_PORT.

    Raises:
        SettingsError: a setting holds a value that cannot be used.
    """
    settings = Settings.load(**({"BASE_URL": url} if url else {}))
    name = model or settings.model
    if settings.base_url is None:
        return Lab("foundry-local", f"http://127.0.0.1:{settings.foundry_port}/v1", settings.api_key, name)
    endpoint = Endpoint.parse(settings.base_url, settings.api_key)
    return Lab(endpoint.source, endpoint.url, settings.api_key, name, notes=endpoint.notes)


def require(name: str, value: float) -> None:
    """Refuses what is no positive number.

    Args:
        name: what it is called.
        value: what was given.

    Raises:
        HealthError: it is zero, negative, infinite or no number.
    """
    if not 0 < value < math.inf:  # also refuses NaN
        raise HealthError(f"{name}={value!r} cannot be used. Give a number above 0.")


def _both(seen: Seen) -> Iterator[Result]:
    for rung, found in (("completion", seen.completion), ("first_token", seen.first_token)):
        yield Result(rung, found.status, found.output, found.fix, found.ms, seen.at, seen.time)


def _real_clock() -> Clock:
    from labkit.simulator import RealClock

    return RealClock()
