"""Policies: rules, composed into one pure decision.

`decide()` reads and sends nothing: the same request, backends and state give the same decision. This module knows
nothing of how a decision is carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from labkit.routing.backend import Backend
from labkit.routing.consistency import Locate, Rule, check_fallback, check_names, check_rules, nowhere
from labkit.routing.decision import Decision, Rejection
from labkit.routing.filters import Capability, ContextFit, CostBudget, Filter, Health, Privacy
from labkit.routing.preferences import LengthThreshold, Preference, TaskTable, Wish
from labkit.routing.request import Request
from labkit.routing.state import UNKNOWN, State

_STANDING: tuple[type[Filter], ...] = (Privacy, Capability, ContextFit, CostBudget, Health)
_NOWHERE = State()


class Policy:
    """Rules that together decide who is to answer.

    First the rules that speak against backends apply, privacy before all others; then the first rule that has a wish
    decides among those who are left. Privacy, capability, context, cost and health always take part, whether they are
    listed or not: nobody would want to send what cannot be answered or must not leave.

    Args:
        rules: the rules, in the order in which their wishes count; the seed's task table and its threshold of 100
            words when left out.
        fallback: whom to ask when a backend fails, by its name; all others in their order when left out.
        locate: gives the file and line of a place in the policy, if it was read from a file.

    Raises:
        PolicyError: rules contradict each other, or the fallbacks go in a circle.
    """

    def __init__(
        self,
        rules: Iterable[Rule] | None = None,
        fallback: Mapping[str, Sequence[str]] | None = None,
        locate: Locate = nowhere,
    ) -> None:
        self.rules = tuple(rules) if rules is not None else (TaskTable(), LengthThreshold())
        self.fallback = None if fallback is None else {name: tuple(after) for name, after in fallback.items()}
        self._locate = locate
        check_rules(self.rules, locate)
        check_fallback(self.fallback or {}, locate)
        listed = [rule for rule in self.rules if isinstance(rule, Filter)]
        standing = [kind() for kind in _STANDING if not any(isinstance(rule, kind) for rule in listed)]
        self._filters = sorted([*standing, *listed], key=_order)
        self._preferences = [rule for rule in self.rules if isinstance(rule, Preference)]

    @classmethod
    def load(cls, file: str | Path) -> Policy:
        """Reads a policy from a YAML file.

        Args:
            file: where it is.

        Raises:
            PolicyError: it cannot be used; the error names the line.
        """
        from labkit.routing.policy_file import read_policy

        return read_policy(Path(file))

    def decide(self, request: Request, backends: Sequence[Backend], state: State = _NOWHERE) -> Decision:
        """Decides who is to answer a request.

        Args:
            request: what is to be answered.
            backends: who could answer, in the order in which they are asked when no rule has a wish.
            state: what is known about the backends now.
        """
        left, rejected = self._filter(request, backends, state)
        last = [rejection for rejection in rejected if not rejection.is_final]
        if len(last) > 1:
            last.sort(key=lambda rejection: _trouble(rejection.backend, state))
        rule, wish = self._wish(request)
        ordered = _ordered(left, wish) + [rejection.backend for rejection in last]
        if not ordered:
            return Decision(None, *_obstacle(rejected, wish), (), tuple(rejected))
        chosen = ordered[0]
        fallbacks = ordered[1:] if self.fallback is None else self._follow(chosen, ordered)
        if not left:
            rule, reason = "last resort", "nobody else is left"
        elif wish is None and chosen is backends[0]:
            reason = "no rule has a wish, and it comes first"
        elif wish is not None and chosen.answers_to(wish.target):
            reason = wish.reason
        else:
            rule, reason = _obstacle(rejected, wish)
        return Decision(chosen, rule, reason, tuple(fallbacks), tuple(rejected))

    def check(self, backends: Sequence[Backend]) -> None:
        """Makes sure that every backend that the policy names exists.

        Args:
            backends: those there are.

        Raises:
            PolicyError: a name is unknown, or two backends share one.
        """
        check_names(self.rules, self.fallback or {}, [backend.name for backend in backends], self._locate)

    def __repr__(self) -> str:
        return f"Policy({', '.join(repr(rule) for rule in self.rules)})"

    def _filter(
        self, request: Request, backends: Sequence[Backend], state: State
    ) -> tuple[list[Backend], list[Rejection]]:
        left = list(backends)
        rejected: list[Rejection] = []
        last: list[Rejection] = []
        for rule in self._filters:
            if not rule.is_concerned(request, state):
                continue
            objection, is_final = rule.objection, rule.is_final
            kept = []
            for backend in left:
                reason = objection(request, backend, state)
                if reason is None:
                    kept.append(backend)
                else:
                    (rejected if is_final else last).append(Rejection(backend, rule.name, reason, is_final))
            left = kept
        return left, rejected + last

    def _wish(self, request: Request) -> tuple[str, Wish | None]:
        for rule in self._preferences:
            wish = rule.wish(request)
            if wish is not None:
                return rule.name, wish
        return "order", None

    def _follow(self, chosen: Backend, ordered: Sequence[Backend]) -> list[Backend]:
        found: list[Backend] = []
        names = list(self._after(chosen))
        while names:
            name = names.pop(0)
            for backend in ordered:
                if backend.answers_to(name) and backend is not chosen and backend not in found:
                    found.append(backend)
                    names.extend(self._after(backend))
        return found

    def _after(self, backend: Backend) -> Sequence[str]:
        after = self.fallback or {}
        return after.get(backend.name, after.get(backend.side, ()))


def decide(
    request: Request, backends: Sequence[Backend], state: State = _NOWHERE, policy: Policy | None = None
) -> Decision:
    """Decides who is to answer a request.

    Args:
        request: what is to be answered.
        backends: who could answer.
        state: what is known about the backends now.
        policy: the rules; the seed's when left out.
    """
    return (policy or Policy()).decide(request, backends, state)


def _order(rule: Filter) -> tuple[bool, bool]:
    return not isinstance(rule, Privacy), not rule.is_final


def _ordered(left: Sequence[Backend], wish: Wish | None) -> list[Backend]:
    if wish is None:
        return list(left)
    wanted = [backend for backend in left if backend.answers_to(wish.target)]
    return wanted + [backend for backend in left if backend not in wanted]


def _trouble(backend: Backend, state: State) -> tuple[float, bool, float]:
    """Says how little a last resort promises: one that is slow answers all the same, one that fails does not."""
    condition = state.conditions.get(backend.name, UNKNOWN)
    return condition.wait, condition.health == "fail", condition.first_token_ms or backend.first_token_ms or 0.0


def _obstacle(rejected: Sequence[Rejection], wish: Wish | None) -> tuple[str, str]:
    """Names the rule that stood in the way of the wish, or of the first backend."""
    wanted = [r for r in rejected if wish is None or r.backend.answers_to(wish.target)] or rejected
    if not wanted:
        return "order", f"nobody answers to {wish.target!r}" if wish else "there is no backend"
    first = wanted[0]
    return first.rule, f"not {first.backend.name}: {first.reason}"
