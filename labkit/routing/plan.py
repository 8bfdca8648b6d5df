"""The plan of one request: whom to call next, how long to wait, when to give up.

It sends nothing and it does not sleep: drivers, one with and one without `await`, carry its steps out and tell it
what came of them. All times come in as arguments, so a simulated clock works as well as a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from labkit.errors import DeadlineExceeded, LabkitError, NoBackend, RequestError, StreamInterrupted
from labkit.routing.backend import Backend
from labkit.routing.decision import Decision
from labkit.routing.outcome import outcome_of
from labkit.routing.request import Request
from labkit.routing.step import Call, GiveUp, Step, Wait
from labkit.routing.trace import OK, Attempt, Trace
from labkit.routing.vitals import Vitals
from labkit.streaming import Answer

TRIES = 3  # calls to one backend for one request, at most
_SHARE = 0.5  # of the time that is left goes to a backend while others have not had their turn
_SOON = 0.05  # seconds; another request was faster in asking for the same probe
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 8.0  # seconds; the OpenAI client's values


@dataclass(slots=True)
class _Candidate:
    backend: Backend
    vitals: Vitals
    tries: int = 0
    is_running: bool = False
    ready_at: float = float("-inf")
    out: str = ""
    trouble: list[str] = field(default_factory=list)


class Plan:
    """Leads one request through its backends, within one deadline and one cost budget.

    A backend that has not been asked yet goes before one that has: waiting is for when nobody else is left. An open
    circuit is tried only when all that are left are open, and a pause that a server asked for is always kept.

    Args:
        request: what is to be answered.
        decision: who may be asked, in which order; nobody else ever is.
        vitals: what is remembered of each backend, by its name.
        deadline: seconds that the whole chain may take.
        max_cost: USD that the whole chain may cost; None for no limit.
        random: where the jitter of the backoff comes from.

    Attributes:
        trace: every attempt.
        deadline: seconds that the whole chain may take.
    """

    def __init__(
        self,
        request: Request,
        decision: Decision,
        vitals: Mapping[str, Vitals],
        *,
        deadline: float,
        max_cost: float | None,
        random: Random,
    ) -> None:
        self.trace = Trace(decision)
        self.deadline = deadline
        self._request, self._max_cost = request, max_cost
        self._started, self._ends = 0.0, deadline
        self._random = random
        self._candidates = [_Candidate(backend, vitals[backend.name]) for backend in decision.chain]
        self._last_error: LabkitError | None = None
        self._final: LabkitError | None = None

    def begin(self, now: float) -> None:
        """Notes that the request begins now; the deadline runs from here.

        Args:
            now: the time, in seconds.
        """
        self._started, self._ends = now, now + self.deadline

    def next(self, now: float) -> Step:
        """Gives the next step.

        Args:
            now: the time, in seconds.
        """
        self.trace.ms = (now - self._started) * 1000
        if self._final is not None:
            return GiveUp(self._final, None)
        remaining = self._ends - now
        if remaining <= 0:
            return self._give_up(DeadlineExceeded(self.deadline))
        alive = self._alive()
        if not alive:
            return self._give_up(NoBackend(self._reasons()))
        is_last_resort = all(c.vitals.breaker.state(now) == "open" for c in alive)
        wait, chosen = min(
            ((self._wait(c, now, is_last_resort), c) for c in alive), key=lambda pair: (pair[0], pair[1].tries)
        )
        if wait >= remaining:
            return self._give_up(NoBackend(self._reasons(now, is_last_resort)))
        return Wait(wait) if wait > 0 else self._call(chosen, now, remaining, is_last_resort)

    def hedge(self, now: float) -> Call | None:
        """Gives a second call to make beside a slow one, to a backend that has not been asked, or None.

        Args:
            now: the time, in seconds.
        """
        for candidate in self._alive():
            if not candidate.tries and not self._wait(candidate, now, False):
                step = self._call(candidate, now, self._ends - now, False, "hedge")
                return step if isinstance(step, Call) else None
        return None

    def remaining(self, now: float) -> float:
        """Gives the seconds until the deadline.

        Args:
            now: the time, in seconds.
        """
        return self._ends - now

    def note_first_token(self, call: Call, now: float) -> None:
        """Notes that a call brought its first token.

        Args:
            call: which one.
            now: the time, in seconds.
        """
        call.attempt.first_token_ms = (now - self._started) * 1000 - call.attempt.started

    def succeed(self, call: Call, answer: Answer, now: float) -> None:
        """Notes that a call gave the answer.

        Args:
            call: which one.
            answer: what it gave.
            now: the time, in seconds.
        """
        vitals = self._end(call, answer, OK, now).vitals
        vitals.breaker.succeed()
        if call.attempt.first_token_ms is not None:
            vitals.measured(call.attempt.first_token_ms)

    def fail(self, call: Call, error: LabkitError, now: float) -> None:
        """Notes that a call failed.

        Args:
            call: which one.
            error: what it raised; the text that it carries has been paid for.
            now: the time, in seconds.
        """
        outcome = outcome_of(error)
        candidate = self._end(call, None, outcome.status, now)
        vitals = candidate.vitals
        if isinstance(error, StreamInterrupted | DeadlineExceeded) and error.text:
            self._charge(call, *self._estimate(error.text, call.backend))
        call.attempt.error = type(error).__name__
        candidate.trouble.append(outcome.status)
        self._last_error = error
        wait = error.retry_after if isinstance(error, RequestError) else None
        if wait is not None:
            vitals.ask_for_pause(now, wait)
        candidate.ready_at = now + (self._backoff(candidate.tries) if wait is None else wait)
        if outcome.is_backends_fault:
            vitals.breaker.fail(now)
        else:
            vitals.breaker.leave()
        if not outcome.may_go_on:
            self._final = error
        elif not outcome.may_retry or candidate.tries >= TRIES:
            candidate.out = "; ".join(candidate.trouble)

    def abandon(self, call: Call, status: str, now: float, answer: Answer | None = None) -> None:
        """Notes that a call was given up by us, which says nothing about the backend.

        Args:
            call: which one.
            status: why, in a few words.
            now: the time, in seconds.
            answer: what had arrived until then.
        """
        self._end(call, answer, status, now).vitals.breaker.leave()

    def _call(
        self, candidate: _Candidate, now: float, remaining: float, is_last_resort: bool, rule: str | None = None
    ) -> Step:
        others = any(not c.tries and not c.out and c is not candidate for c in self._candidates)
        timeout = remaining * _SHARE if others else remaining
        if not candidate.vitals.breaker.enter(now, timeout, is_last_resort):
            return Wait(max(candidate.vitals.breaker.wait(now, is_last_resort), _SOON))
        backend = candidate.backend
        rule = rule or self._rule(candidate, is_last_resort)
        attempt = Attempt(backend.name, backend.model, backend.source, rule, (now - self._started) * 1000)
        candidate.vitals.budget.take() if candidate.tries else candidate.vitals.budget.pay_in()
        candidate.tries += 1
        candidate.is_running = True
        self.trace.attempts.append(attempt)
        return Call(backend, timeout, attempt)

    def _rule(self, candidate: _Candidate, is_last_resort: bool) -> str:
        if candidate.tries:
            return "retry"
        if is_last_resort:
            return "last resort"
        return "fallback" if self.trace.attempts else self.trace.decision.rule

    def _alive(self) -> list[_Candidate]:
        running = [candidate.backend for candidate in self._candidates if candidate.is_running]
        spent = self.trace.cost + sum(backend.worst_cost(self._request) for backend in running)
        for candidate in self._candidates:
            if not candidate.out:
                candidate.out = self._obstacle(candidate, spent)
        return [candidate for candidate in self._candidates if not candidate.out]

    def _obstacle(self, candidate: _Candidate, spent: float) -> str:
        if candidate.tries and not candidate.vitals.budget.allows:
            return f"{'; '.join(candidate.trouble)}; its retry budget is used up"
        if self._max_cost is not None and not candidate.backend.is_free:
            cost, left = candidate.backend.worst_cost(self._request), self._max_cost - spent
            if cost > left:
                return f"it could cost ${cost:.6f}, and ${left:.6f} of the budget are left"
        return ""

    def _wait(self, candidate: _Candidate, now: float, is_last_resort: bool) -> float:
        vitals = candidate.vitals
        return max(0.0, candidate.ready_at - now, vitals.pause(now), vitals.breaker.wait(now, is_last_resort))

    def _backoff(self, tries: int) -> float:
        """Exponential backoff with equal jitter (M. Brooker, AWS Architecture Blog, 2015), in seconds."""
        longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** (tries - 1))
        return self._random.uniform(longest / 2, longest)

    def _give_up(self, error: LabkitError) -> GiveUp:
        return GiveUp(error, self._last_error)

    def _reasons(self, now: float | None = None, is_last_resort: bool = False) -> list[tuple[str, str]]:
        """Says of each backend why it does not answer; with a time, also of those that are only out for now."""
        reasons = []
        for candidate in self._candidates:
            reason = candidate.out
            if now is not None and not reason:
                wait = self._wait(candidate, now, is_last_resort)
                trouble = [*candidate.trouble, f"it may be asked again in {wait:.1f} s, after the deadline"]
                reason = "; ".join(trouble)
            reasons.append((candidate.backend.name, reason))
        asked = {candidate.backend.name for candidate in self._candidates}
        rejected = self.trace.decision.rejected
        return reasons + [(r.backend.name, f"{r.rule}: {r.reason}") for r in rejected if r.backend.name not in asked]

    def _end(self, call: Call, answer: Answer | None, status: str, now: float) -> _Candidate:
        attempt, backend = call.attempt, call.backend
        attempt.status, attempt.ms = status, (now - self._started) * 1000 - attempt.started
        if answer is not None:
            attempt.finish_reason, usage = answer.finish_reason, answer.usage
            counted = (usage.prompt_tokens, usage.completion_tokens) if usage else self._estimate(answer.text, backend)
            self._charge(call, *counted)
        self.trace.ms = (now - self._started) * 1000
        candidate = next(candidate for candidate in self._candidates if candidate.backend is backend)
        candidate.is_running = False
        return candidate

    def _estimate(self, text: str, backend: Backend) -> tuple[int, int]:
        """Estimates the tokens of prompt and answer, where the backend did not come to counting them."""
        size = backend.characters_per_token
        return self._request.prompt_tokens(size), round(len(text) / size)

    def _charge(self, call: Call, prompt_tokens: int, completion_tokens: int) -> None:
        attempt = call.attempt
        attempt.prompt_tokens, attempt.completion_tokens = prompt_tokens, completion_tokens
        attempt.cost = call.backend.price.of(prompt_tokens, completion_tokens)
