"""Profiles: how fast, how expensive and how generous a simulated cloud is.

A profile is numbers only. This module knows nothing of HTTP, of faults and of the text that is sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import repeat
from random import Random
from typing import Literal

from labkit.errors import SimulatorError

_TEN_MINUTES = 600_000.0  # milliseconds; nobody waits longer for a token


def _require(owner: str, name: str, value: float, low: float, high: float) -> None:
    """Refuses a value outside its range; it also refuses NaN, which is in no range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SimulatorError(f"{owner}.{name}={value!r} cannot be used. Give a number from {low:,} to {high:,.0f}.")


@dataclass(frozen=True)
class Latency:
    """A waiting time that is drawn anew each time, from a clamped distribution.

    Args:
        mean_ms: the mean before clamping, in milliseconds.
        std_ms: the standard deviation before clamping, in milliseconds.
        low_ms: nothing is drawn below, in milliseconds.
        high_ms: nothing is drawn above, in milliseconds.
        shape: `normal`, or `lognormal` for a long tail, as measured services have it.

    Raises:
        SimulatorError: a value is negative or absurd.
    """

    mean_ms: float
    std_ms: float = 0.0
    low_ms: float = 0.0
    high_ms: float = _TEN_MINUTES
    shape: Literal["normal", "lognormal"] = "normal"

    def __post_init__(self) -> None:
        for name in ("mean_ms", "std_ms", "low_ms", "high_ms"):
            _require("Latency", name, getattr(self, name), 0, _TEN_MINUTES)
        if self.low_ms > self.high_ms:
            raise SimulatorError(f"Latency.low_ms={self.low_ms:g} is above high_ms={self.high_ms:g}. Swap the two.")
        if self.shape not in ("normal", "lognormal"):
            raise SimulatorError(f"Latency.shape={self.shape!r} is not known. Write normal or lognormal.")

    def draw(self, random: Random) -> float:
        """Draws one waiting time.

        Args:
            random: where the chance comes from.

        Returns:
            Seconds.
        """
        value = self.mean_ms if not self.std_ms or not self.mean_ms else self._draw_ms(random)
        return min(max(value, self.low_ms), self.high_ms) / 1000

    def _draw_ms(self, random: Random) -> float:
        if self.shape == "normal":
            return random.gauss(self.mean_ms, self.std_ms)
        # The lognormal with this mean and deviation: sigma^2 = ln(1 + (s/m)^2), mu = ln m - sigma^2/2.
        variance = math.log1p((self.std_ms / self.mean_ms) ** 2)
        return random.lognormvariate(math.log(self.mean_ms) - variance / 2, math.sqrt(variance))


@dataclass(frozen=True)
class Profile:
    """How a simulated cloud behaves as long as nothing is broken.

    Args:
        name: what it is called.
        first_token: the wait for the first token.
        inter_token: the wait between two tokens.
        jitter_ms: the network's share, added to or taken from each wait between tokens, evenly drawn, milliseconds.
        load_factor: how much slower everything gets for each other request in flight; 0.1 is a tenth.
        input_price: US dollars for a million prompt tokens.
        output_price: US dollars for a million answer tokens.
        requests_per_minute: the limit, or None.
        tokens_per_minute: the limit, or None; prompt tokens and the request's `max_tokens` count.

    Raises:
        SimulatorError: a value is negative or absurd.
    """

    name: str
    first_token: Latency = field(default_factory=lambda: Latency(0))
    inter_token: Latency = field(default_factory=lambda: Latency(0))
    jitter_ms: float = 0.0
    load_factor: float = 0.0
    input_price: float = 0.0
    output_price: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        _require("Profile", "jitter_ms", self.jitter_ms, 0, 10_000)
        _require("Profile", "load_factor", self.load_factor, 0, 10)
        for name in ("input_price", "output_price"):
            _require("Profile", name, getattr(self, name), 0, 10_000)
        for name in ("requests_per_minute", "tokens_per_minute"):
            if getattr(self, name) is not None:
                _require("Profile", name, getattr(self, name), 1, 1_000_000_000)

    def waits(self, random: Random, others: int) -> Iterator[float]:
        """Gives the wait before each token, for as long as somebody asks.

        Args:
            random: where the chance comes from.
            others: how many other requests are in flight.

        Yields:
            Seconds.
        """
        slower = 1 + self.load_factor * others
        yield self.first_token.draw(random) * slower
        if not self.inter_token.std_ms and not self.jitter_ms:
            yield from repeat(self.inter_token.draw(random) * slower)
        while True:
            wait = self.inter_token.draw(random) * slower
            if self.jitter_ms:
                wait += random.uniform(-self.jitter_ms, self.jitter_ms) / 1000
            yield max(wait, 0.0)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Gives the price of one request in US dollars."""
        return (prompt_tokens * self.input_price + completion_tokens * self.output_price) / 1_000_000


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("instant"),
        Profile("local", Latency(40, 15, 10, 150), Latency(12, 3, 4, 40)),
        Profile(
            "cloud",
            Latency(600, 400, 200, 2_000, "lognormal"),
            Latency(20, 12, 3, 200, "lognormal"),
            load_factor=0.01,
            input_price=2.5,
            output_price=10.0,
            requests_per_minute=500,
            tokens_per_minute=200_000,
        ),
        Profile(
            "mobile",
            Latency(1_200, 900, 400, 5_000, "lognormal"),
            Latency(45, 35, 5, 600, "lognormal"),
            jitter_ms=30,
            load_factor=0.01,
            input_price=2.5,
            output_price=10.0,
            requests_per_minute=500,
            tokens_per_minute=200_000,
        ),
        Profile(
            "overloaded",
            Latency(4_000, 3_000, 1_000, 15_000, "lognormal"),
            Latency(90, 80, 20, 1_500, "lognormal"),
            jitter_ms=20,
            load_factor=0.25,
            input_price=2.5,
            output_price=10.0,
            requests_per_minute=20,
            tokens_per_minute=20_000,
        ),
    )
}
"""The named profiles. `cloud` waits 200 to 2,000 ms for its first token; `instant` waits for nothing, for tests."""


def find_profile(profile: str | Profile) -> Profile:
    """Gives a profile by its name, or the profile itself.

    Args:
        profile: a name such as `cloud`, or a profile of one's own.

    Raises:
        SimulatorError: no profile has the name; the error lists those there are.
    """
    if isinstance(profile, Profile):
        return profile
    if profile in PROFILES:
        return PROFILES[profile]
    near = get_close_matches(profile, PROFILES, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise SimulatorError(f"No profile is called {profile!r}.{hint} Choose one of: {', '.join(PROFILES)}.")
