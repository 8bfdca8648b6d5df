"""Two simulated servers for a check: one plays the model on this machine, the other one plays the cloud.

Both live in virtual time. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from labkit import simulator
from labkit.routing import Backend, Policy, Router, simulated
from labkit.simulator import Cloud, VirtualClock

LOCAL = "A small model answers here, in one sentence."
CLOUD = "A large model answers from far away. It knows more, and it takes longer."


class Pair(NamedTuple):
    """Two backends, and the servers behind them."""

    local: Backend
    cloud: Backend
    near: Cloud
    far: Cloud
    clock: VirtualClock

    @property
    def sent(self) -> str:
        """What a user can have seen: the words that left the server whose answer was read."""
        for cloud, text in ((self.far, CLOUD), (self.near, LOCAL)):
            for request in cloud.requests:
                if request.completion_tokens:
                    return " ".join(text.split()[: request.completion_tokens])
        return ""

    @property
    def asked(self) -> tuple[int, int]:
        """How many requests each of them got."""
        return len(self.near.requests), len(self.far.requests)

    def router(self, policy: Policy | None = None) -> Router:
        """A router between them, the same in each run."""
        return Router((self.local, self.cloud), policy, clock=self.clock, random=Random(1))  # noqa: S311


@contextmanager
def pair(near: str | None = None, far: str | None = None, says: str = LOCAL) -> Iterator[Pair]:
    """Gives two backends whose waits cost no real time.

    Args:
        near: what is broken at the local one.
        far: what is broken at the cloud.
        says: what the local one answers.
    """
    with (
        VirtualClock() as clock,
        simulator.run("local", text=says, faults=near, clock=clock) as here,
        simulator.run("cloud", text=CLOUD, faults=far, clock=clock) as there,
    ):
        yield Pair(simulated(here, "local", is_private=True), simulated(there), here, there, clock)


def in_words(asked: Sequence[int]) -> str:
    """Says how many requests each of the two got."""
    return f"{asked[0]} requests to the local model and {asked[1]} to the cloud"
