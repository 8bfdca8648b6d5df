"""Who answers: pure policies that decide and explain, and a router that carries their decisions out."""

from labkit.routing.backend import FREE, Backend, Price
from labkit.routing.complexity import Complexity, complexity
from labkit.routing.decision import Decision, Rejection
from labkit.routing.discovery import at, available, cloud, local, simulated_cloud, simulation
from labkit.routing.filters import Capability, ContextFit, CostBudget, Filter, Health, LatencyTarget, Privacy
from labkit.routing.policy import Policy, decide
from labkit.routing.preferences import SEED_TASKS, Always, ComplexityScore, LengthThreshold, Preference, TaskTable, Wish
from labkit.routing.privacy import Detector, Finding, PatternDetector, PresidioDetector
from labkit.routing.reply import Reply
from labkit.routing.request import Request
from labkit.routing.router import Router
from labkit.routing.seed import cloud_completion, hybrid_completion, local_completion, smart_routing
from labkit.routing.state import Condition, State
from labkit.routing.stream import AsyncRoutedStream, RoutedStream
from labkit.routing.trace import Attempt, Trace

__all__ = [
    "Always",
    "AsyncRoutedStream",
    "Attempt",
    "Backend",
    "Capability",
    "Complexity",
    "ComplexityScore",
    "Condition",
    "ContextFit",
    "CostBudget",
    "Decision",
    "Detector",
    "FREE",
    "Filter",
    "Finding",
    "Health",
    "LatencyTarget",
    "LengthThreshold",
    "PatternDetector",
    "Policy",
    "Preference",
    "PresidioDetector",
    "Price",
    "Privacy",
    "Rejection",
    "Reply",
    "Request",
    "RoutedStream",
    "Router",
    "SEED_TASKS",
    "State",
    "TaskTable",
    "Trace",
    "Wish",
    "at",
    "available",
    "cloud",
    "cloud_completion",
    "complexity",
    "decide",
    "hybrid_completion",
    "local",
    "local_completion",
    "simulated_cloud",
    "simulation",
    "smart_routing",
]
