"""A cloud to practise on: OpenAI-compatible, and slow, rate-limited and broken on purpose."""

from labkit.simulator.cloud import Cloud, run
from labkit.simulator.fault import Fault, Faults
from labkit.simulator.profile import PROFILES, Latency, Profile

__all__ = ["Cloud", "Fault", "Faults", "Latency", "PROFILES", "Profile", "run"]
