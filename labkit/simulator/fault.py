"""Faults: what can go wrong, and which request it hits.

A plan decides by request number and chance. How a fault looks on the wire is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from random import Random
from typing import Any

from labkit.errors import SimulatorError


class Fault(StrEnum):
    """What can go wrong with one request."""

    RATE_LIMITED = "429"  #: refused, come back after Retry-After
    BROKEN = "500"  #: an internal error
    UNAVAILABLE = "503"  #: overloaded, come back after Retry-After
    UNAUTHORISED = "unauthorised"  #: the key is refused, HTTP 401
    REFUSE = "refuse"  #: the connection is closed before an answer
    SLOW = "slow"  #: the first token comes ten times later, two seconds later at least
    STALL = "stall"  #: the tokens stop coming, the connection stays open
    CUT = "cut"  #: the connection is reset in the middle of the answer
    MALFORMED = "malformed"  #: a chunk is no JSON
    ERROR = "error"  #: an error object comes inside the stream
    TRUNCATED = "truncated"  #: the stream ends early, without a finish reason and without [DONE]
    CONTENT_TYPE = "content_type"  #: an HTML page comes in place of the answer


@dataclass(frozen=True)
class Faults:
    """A plan of faults.

    Args:
        script: request number, counted from 1, to fault. The script wins over the rates.
        rates: fault to share of requests, 0 to 1; all shares together are at most 1.

    Raises:
        SimulatorError: a fault is not known, a rate is not between 0 and 1, a number is below 1.
    """

    script: Mapping[int, Fault] = field(default_factory=dict)
    rates: Mapping[Fault, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in self.script:
            if number < 1:
                raise SimulatorError(f"faults: request {number} does not exist. Requests are counted from 1.")
        for fault, rate in self.rates.items():
            if not 0 <= rate <= 1:
                raise SimulatorError(f"faults: the rate of {fault} is {rate}. Give a share from 0 to 1.")
        if sum(self.rates.values()) > 1 + 1e-9:
            raise SimulatorError("faults: the rates add up to more than 1. Lower one of them.")

    @classmethod
    def parse(cls, spec: FaultSpec) -> Faults:
        """Reads a plan as people write it.

        Args:
            spec: `"cut"` (every request), `"cut:0.2"` (a fifth of them), `"cut@3"` (the third), several of these
                with commas or in a list; or a dictionary, `{3: "cut", "429": 0.1}`.

        Raises:
            SimulatorError: it cannot be understood, or `Faults` refuses the values.
        """
        if spec is None:
            return cls()
        if isinstance(spec, Faults):
            return spec
        script: dict[int, Fault] = {}
        rates: dict[Fault, float] = {}
        for key, value in spec.items() if isinstance(spec, Mapping) else _split(spec):
            if isinstance(key, int):
                script[key] = find_fault(str(value))
            else:
                rates[find_fault(key)] = _number(value, float, f"{key}:{value}")
        return cls(script, rates)

    def choose(self, number: int, random: Random) -> Fault | None:
        """Decides what goes wrong with a request.

        Args:
            number: the request, counted from 1.
            random: where the chance comes from.
        """
        if number in self.script or not self.rates:
            return self.script.get(number)
        dice = random.random()
        for fault, rate in self.rates.items():
            if dice < rate:
                return fault
            dice -= rate
        return None


FaultSpec = Faults | Mapping[Any, str | float] | str | Iterable[str] | None


def find_fault(name: str) -> Fault:
    """Gives a fault by its name.

    Raises:
        SimulatorError: no fault has the name; the error lists those there are.
    """
    plain = name.strip().lower().replace("-", "_")
    if plain in [*Fault]:
        return Fault(plain)
    near = get_close_matches(plain, [*Fault], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise SimulatorError(f"No fault is called {name!r}.{hint} Choose one of: {', '.join(Fault)}.")


def _split(spec: str | Iterable[str]) -> Iterable[tuple[int | str, str | float]]:
    for item in spec.split(",") if isinstance(spec, str) else spec:
        name, at, number = item.strip().partition("@")
        if at:
            yield int(_number(number, int, item)), name
        else:
            name, colon, rate = name.partition(":")
            yield name, rate if colon else 1.0


def _number(text: str | float, kind: type[int] | type[float], whole: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise SimulatorError(
            f"The fault {whole!r} cannot be read. Write it like cut:0.2 (a share of requests) or cut@3 (the third)."
        ) from None
