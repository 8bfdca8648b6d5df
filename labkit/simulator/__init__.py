"""A cloud to practise on: OpenAI-compatible, and slow, rate-limited and broken on purpose.

    with simulator.run("cloud", faults="cut:0.2") as cloud:
        for piece in stream(cloud.lab, "Hello"):
            ...
        cloud.verdict()

With `clock=VirtualClock()` the same runs without a socket and without waiting. A single request is broken by its header
`X-Labkit-Fault: cut`.
"""

from labkit.simulator.clock import Clock, RealClock, VirtualClock
from labkit.simulator.cloud import Cloud, asgi, run, serve
from labkit.simulator.fault import Fault, Faults
from labkit.simulator.journal import Moment, Request
from labkit.simulator.profile import PROFILES, Latency, Profile
from labkit.simulator.recording import Recording, record
from labkit.simulator.verdict import Finding, Verdict

__all__ = [
    "Clock",
    "Cloud",
    "Fault",
    "Faults",
    "Finding",
    "Latency",
    "Moment",
    "PROFILES",
    "Profile",
    "RealClock",
    "Recording",
    "Request",
    "Verdict",
    "VirtualClock",
    "asgi",
    "record",
    "run",
    "serve",
]
