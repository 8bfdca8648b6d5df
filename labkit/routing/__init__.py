"""Who answers: pure policies that decide and explain, and a router that carries their decisions out."""

from labkit.routing.backend import FREE, Backend, Price
from labkit.routing.complexity import Complexity, complexity
from labkit.routing.decision import Decision, Rejection
from labkit.routing.discovery import at, available, cloud, local, simulated, simulated_cloud, simulation
from labkit.routing.exam import OUTCOMES, Exam, Mark, Marks, Question
from labkit.routing.filters import Capability, ContextFit, CostBudget, Filter, Health, LatencyTarget, Privacy
from labkit.routing.matrix import Matrix
from labkit.routing.policy import Policy, decide
from labkit.routing.preferences import SEED_TASKS, Always, ComplexityScore, LengthThreshold, Preference, TaskTable, Wish
from labkit.routing.privacy import Detector, Finding, PatternDetector, PresidioDetector
from labkit.routing.reply import Reply
from labkit.routing.request import Request
from labkit.routing.router import Router
from labkit.routing.seed import cloud_completion, hybrid_completion, local_completion, smart_routing
from labkit.routing.state import Condition, State
from labkit.routing.stream import AsyncRoutedStream, RoutedStream
from labkit.routing.timeline import Timeline
from labkit.routing.trace import Attempt, Trace
from labkit.routing.tradeoff import Point, replay, tradeoff

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
    "Exam",
    "FREE",
    "Filter",
    "Finding",
    "Health",
    "LatencyTarget",
    "LengthThreshold",
    "Mark",
    "Marks",
    "Matrix",
    "OUTCOMES",
    "PatternDetector",
    "Point",
    "Policy",
    "Preference",
    "PresidioDetector",
    "Price",
    "Privacy",
    "Question",
    "Rejection",
    "Reply",
    "Request",
    "RoutedStream",
    "Router",
    "SEED_TASKS",
    "State",
    "TaskTable",
    "Timeline",
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
    "replay",
    "simulated",
    "simulated_cloud",
    "simulation",
    "smart_routing",
    "tradeoff",
]
