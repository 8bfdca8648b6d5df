"""The router: asks the backend that the policy decides for, and the next one when it fails.

It puts the parts together: the policy decides, the plan leads, the session calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from labkit.errors import PolicyError
from labkit.routing.backend import Backend
from labkit.routing.decision import Decision
from labkit.routing.plan import Plan
from labkit.routing.policy import Policy
from labkit.routing.reply import Reply
from labkit.routing.request import Message, Request
from labkit.routing.session import Session
from labkit.routing.state import State
from labkit.routing.stream import AsyncRoutedStream, RoutedStream
from labkit.routing.trace import Trace
from labkit.routing.vitals import Vitals

if TYPE_CHECKING:
    from labkit.simulator import Clock

Prompt = str | Sequence[Message]
Observer = Callable[[Trace], None]

DEADLINE = 60.0  # seconds


class _Terms(NamedTuple):
    task: str | None
    private: bool
    deadline: float | None
    max_cost: float | None


class Router:
    """Answers from the backend that a policy decides for, with ordered fallbacks.

    Args:
        backends: who could answer, in the order in which they are asked when no rule has a wish.
        policy: the rules; the seed's task table and its threshold of 100 words when left out.
        deadline: seconds that one request may take, all attempts and waits together.
        max_cost: USD that one request may cost, all attempts together; None for no limit.
        hedge_after: seconds without a first token after which a second backend is asked as well; None for never.
        observers: functions that get the trace of each request when it is over.
        clock: for the time and for waiting; a simulation brings its own.
        random: where the jitter of waits comes from; a simulation brings its own.

    Attributes:
        vitals: what is remembered of each backend, by its name; health checks report there.

    Raises:
        PolicyError: the policy names a backend that does not exist, or a limit is below 0.
    """

    def __init__(
        self,
        backends: Iterable[Backend],
        policy: Policy | None = None,
        *,
        deadline: float = DEADLINE,
        max_cost: float | None = None,
        hedge_after: float | None = None,
        observers: Iterable[Observer] = (),
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        _require("deadline", deadline, "seconds")
        _require("max_cost", max_cost, "USD")
        _require("hedge_after", hedge_after, "seconds")
        self.backends = tuple(backends)
        self.policy = policy or Policy()
        self.policy.check(self.backends)
        self.deadline, self.max_cost, self.hedge_after = deadline, max_cost, hedge_after
        self.observers = tuple(observers)
        self.vitals: Mapping[str, Vitals] = {backend.name: Vitals() for backend in self.backends}
        self._clock = clock or _real_clock()
        self._random = random or Random()  # noqa: S311  # spreads waits, guards no secret

    def explain(self, prompt: Prompt, *, task: str | None = None, private: bool = False, **options: Any) -> Decision:
        """Says who would be asked, and why, and why not the others. Nothing is sent.

        Args:
            prompt: the question, or the conversation in OpenAI's format.
            task: what kind of work it is, such as `code_generation`.
            private: whether it must not leave this machine.
            options: for the model; `max_tokens`, `tools` and `response_format` matter here.
        """
        request = Request.of(prompt, task=task, private=private, options=options)
        return self.policy.decide(request, self.backends, self.state())

    def state(self) -> State:
        """Gives what is known about the backends now."""
        now = self._clock.now()
        return State({name: vitals.condition(now) for name, vitals in self.vitals.items()}, self.max_cost)

    def complete(
        self,
        prompt: Prompt,
        *,
        task: str | None = None,
        private: bool = False,
        deadline: float | None = None,
        max_cost: float | None = None,
        **options: Any,
    ) -> Reply:
        """Gets a whole answer.

        Args:
            prompt: the question, or the conversation in OpenAI's format.
            task: what kind of work it is, such as `code_generation`.
            private: whether it must not leave this machine.
            deadline: seconds that it may take; the router's when left out.
            max_cost: USD that it may cost; the router's when left out.
            options: `temperature`, `max_tokens` and whatever else the model understands.

        Raises:
            NoBackend: every backend is ruled out or has failed; the error says why, one by one.
            DeadlineExceeded: the time for the whole chain is used up.
            RequestError: a backend refused the request in a way that no other backend may overrule.
        """
        return self._session(prompt, _Terms(task, private, deadline, max_cost), options).complete()

    async def acomplete(
        self,
        prompt: Prompt,
        *,
        task: str | None = None,
        private: bool = False,
        deadline: float | None = None,
        max_cost: float | None = None,
        **options: Any,
    ) -> Reply:
        """Does what `complete()` does, for `await`.

        Args:
            prompt: the question, or the conversation in OpenAI's format.
            task: what kind of work it is, such as `code_generation`.
            private: whether it must not leave this machine.
            deadline: seconds that it may take; the router's when left out.
            max_cost: USD that it may cost; the router's when left out.
            options: `temperature`, `max_tokens` and whatever else the model understands.
        """
        return await self._session(prompt, _Terms(task, private, deadline, max_cost), options).acomplete()

    def stream(
        self,
        prompt: Prompt,
        *,
        task: str | None = None,
        private: bool = False,
        deadline: float | None = None,
        max_cost: float | None = None,
        **options: Any,
    ) -> RoutedStream:
        """Gets an answer piece by piece.

        Args:
            prompt: the question, or the conversation in OpenAI's format.
            task: what kind of work it is, such as `code_generation`.
            private: whether it must not leave this machine.
            deadline: seconds that it may take; the router's when left out.
            max_cost: USD that it may cost; the router's when left out.
            options: `temperature`, `max_tokens` and whatever else the model understands.

        Returns:
            The stream. Reading it raises what `RoutedStream` says.
        """
        return RoutedStream(self._session(prompt, _Terms(task, private, deadline, max_cost), options))

    def astream(
        self,
        prompt: Prompt,
        *,
        task: str | None = None,
        private: bool = False,
        deadline: float | None = None,
        max_cost: float | None = None,
        **options: Any,
    ) -> AsyncRoutedStream:
        """Does what `stream()` does, for `async for`.

        Args:
            prompt: the question, or the conversation in OpenAI's format.
            task: what kind of work it is, such as `code_generation`.
            private: whether it must not leave this machine.
            deadline: seconds that it may take; the router's when left out.
            max_cost: USD that it may cost; the router's when left out.
            options: `temperature`, `max_tokens` and whatever else the model understands.
        """
        return AsyncRoutedStream(self._session(prompt, _Terms(task, private, deadline, max_cost), options))

    def with_policy(self, policy: Policy) -> Router:
        """Gives a router with other rules, which shares what this one remembers of the backends.

        Args:
            policy: the rules.
        """
        other = Router(
            self.backends,
            policy,
            deadline=self.deadline,
            max_cost=self.max_cost,
            hedge_after=self.hedge_after,
            observers=self.observers,
            clock=self._clock,
            random=self._random,
        )
        other.vitals = self.vitals
        return other

    def rows(self) -> list[tuple[str, ...]]:
        """Gives the backends as a table: name, source, model, side, price, context, circuit, health."""
        now = self._clock.now()
        return [
            (
                *(b.name, b.source, b.model, b.side, f"{b.price.prompt:g}/{b.price.completion:g}"),
                f"{b.context_length:,}" if b.context_length else "unknown",
                *(self.vitals[b.name].breaker.state(now), self.vitals[b.name].condition(now).health),
            )
            for b in self.backends
        ]

    def __repr__(self) -> str:
        return "\n".join(["  ".join(_HEAD), *("  ".join(row) for row in self.rows())])

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in _HEAD)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows())
        return f"<table><caption>Router: {len(self.backends)} backends</caption><tr>{head}</tr>{body}</table>"

    def _session(self, prompt: Prompt, terms: _Terms, options: dict[str, Any]) -> Session:
        request = Request.of(prompt, task=terms.task, private=terms.private, options=options)
        now = self._clock.now()
        cost = self.max_cost if terms.max_cost is None else terms.max_cost
        conditions = {name: vitals.condition(now) for name, vitals in self.vitals.items()}
        decision = self.policy.decide(request, self.backends, State(conditions, cost))
        limit = self.deadline if terms.deadline is None else terms.deadline
        plan = Plan(request, decision, self.vitals, deadline=limit, max_cost=cost, random=self._random)
        return Session(
            plan, request.messages, options, clock=self._clock, hedge_after=self.hedge_after, report=self._report
        )

    def _report(self, trace: Trace) -> None:
        for observer in self.observers:
            try:
                observer(trace)
            except Exception:  # an observer that fails must not cost anybody an answer
                logging.getLogger(__name__).exception("An observer of the router failed.")


_HEAD = ("backend", "source", "model", "side", "USD/M tokens", "context", "circuit", "health")


def _require(name: str, value: float | None, unit: str) -> None:
    if value is not None and not value >= 0:  # also refuses NaN
        raise PolicyError(f"{name} is {value}. Give a number of {unit} that is not below 0.", (name,))


def _real_clock() -> Clock:
    from labkit.simulator import RealClock

    return RealClock()
