"""The verdict on a client: what it did wrong, as far as a server can see.

A server sees requests, not what the client makes of the answers. So each finding says whether it is proved or only
suspected. Requests belong to the same call when they carry the same `Idempotency-Key`, or else the same body and API
key, and when the earlier one had failed before the later one came; this is how llmock groups them, too. The module
knows nothing of HTTP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from itertools import pairwise

from labkit.simulator.journal import Connection, Journal, Request

FINAL = frozenset({400, 401, 403, 404, 405, 413, 422})
"""HTTP statuses that no repetition can change."""

_BAD_ENDINGS = frozenset({"refuse", "cut", "stall", "error", "truncated", "failed"})
_BAD_FAULTS = frozenset({"content_type", "malformed"})
_SLACK = 0.05  # seconds; clocks and networks are not exact
_ATTEMPTS = 5  # for one call; the openai client makes 3
_HASTE = 0.1  # seconds between retries below which nobody has waited
_WINDOW, _WINDOW_RETRIES, _WINDOW_SHARE = 10.0, 20, 0.5  # seconds, retries, share of all requests
_SILENCE = 30.0  # seconds that a client may hold a stream that has stopped
_PASSED_OVER = 3  # idle connections; a program may well have two clients


@dataclass(frozen=True)
class Finding:
    """Something that a client did wrong.

    Attributes:
        rule: `ignored_retry_after`, `retry_storm`, `retried_final`, `accepted_truncated` or `leaked_connection`.
        proved: whether there is no other explanation.
        detail: what happened, and what to do, in words.
        requests: the numbers of the requests that show it.
    """

    rule: str
    proved: bool
    detail: str
    requests: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a server can say about its clients.

    Attributes:
        judged: how many requests were looked at.
        total: how many requests there were; early ones of a long run are no longer kept.
        findings: what was done wrong, proved things first.
    """

    judged: int
    total: int
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is proved against the clients."""
        return not any(finding.proved for finding in self.findings)

    def __repr__(self) -> str:
        seen = f"{self.judged:,} of {self.total:,} requests" if self.judged < self.total else f"{self.total:,} requests"
        lines = [f"Verdict on the client after {seen}: {self._summary()}."]
        lines += [f"  [{_word(f)}] {f.rule}: {f.detail}{_numbers(f)}" for f in self.findings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, _, _ = repr(self).partition("\n")
        rows = "".join(
            f"<tr><td>{_word(f)}</td><td>{escape(f.rule)}</td><td>{escape(f.detail + _numbers(f))}</td></tr>"
            for f in self.findings
        )
        columns = "<tr><th scope='col'>proof</th><th scope='col'>rule</th><th scope='col'>what happened</th></tr>"
        return f"<table><caption>{escape(head)}</caption>{columns + rows if rows else ''}</table>"

    def _summary(self) -> str:
        proved = sum(finding.proved for finding in self.findings)
        open_ = len(self.findings) - proved
        if not self.findings:
            return "clean"
        return f"{proved} proved, {open_} suspected" if proved else f"clean as far as proved, {open_} suspected"


def judge(journal: Journal, now: float) -> Verdict:
    """Judges the clients of a server.

    Args:
        journal: what the server saw.
        now: seconds since the server's first connection.
    """
    requests = tuple(journal)
    calls = _calls(requests)
    findings = [found for call in calls for rule in _CALL_RULES for found in rule(call)]
    findings += _amplified(calls)
    findings += _accepted(requests, calls)
    findings += _held(requests, now)
    findings += _passed_over(tuple(journal.connections.values()))
    total = requests[-1].number if requests else 0
    return Verdict(len(requests), total, tuple(sorted(findings, key=lambda found: not found.proved)))


def failed(request: Request) -> bool:
    """Says whether a request failed in the client's eyes; who leaves in the midst of a good answer has read enough."""
    is_refused = request.status == 0 or request.status >= HTTPStatus.BAD_REQUEST
    gave_up = request.ending == "left" and request.fault is not None
    return is_refused or gave_up or request.ending in _BAD_ENDINGS or request.fault in _BAD_FAULTS


Call = Sequence[Request]


def _calls(requests: Iterable[Request]) -> list[list[Request]]:
    """Groups attempts: a request continues the call whose last attempt failed, and ended, before it came."""
    calls: list[list[Request]] = []
    open_calls: dict[str, list[list[Request]]] = {}
    for request in requests:
        pool = open_calls.setdefault(request.call, [])
        call = next((c for c in reversed(pool) if _ended(c[-1]) <= request.arrived), None)
        if call is None or not request.call:
            call = []
            calls.append(call)
        else:
            pool.remove(call)
        call.append(request)
        if failed(request):
            pool.append(call)
    return calls


def _ended(request: Request) -> float:
    return float("inf") if request.ended is None else request.ended


def _ignored_retry_after(call: Call) -> Iterator[Finding]:
    for before, after in pairwise(call):
        waited, asked = after.arrived - _ended(before), before.retry_after
        if asked is not None and waited < asked - _SLACK:
            detail = f"came again after {waited:.2f} s, though Retry-After asked for {asked:.2f} s. Wait that long"
            yield Finding("ignored_retry_after", True, detail, (before.number, after.number))


def _retried_final(call: Call) -> Iterator[Finding]:
    for before, after in pairwise(call):
        if before.status in FINAL:
            detail = f"repeated a request that got HTTP {before.status}, which no repetition changes. Raise it instead"
            yield Finding("retried_final", True, detail, (before.number, after.number))


def _stormed(call: Call) -> Iterator[Finding]:
    numbers = tuple(request.number for request in call)
    if len(call) > _ATTEMPTS:
        detail = f"made {len(call)} attempts for one call. Give up after three"
        yield Finding("retry_storm", True, detail, numbers)
    gaps = [after.arrived - _ended(before) for before, after in pairwise(call)]
    for index, (first, second) in enumerate(pairwise(gaps)):
        if max(first, second) < _HASTE:
            detail = f"retried twice within {first + second:.2f} s. Wait longer after each failure"
            yield Finding("retry_storm", True, detail, numbers[index : index + 3])
            return


_CALL_RULES: tuple[Callable[[Call], Iterator[Finding]], ...] = (_ignored_retry_after, _retried_final, _stormed)


def _amplified(calls: Sequence[Call]) -> Iterator[Finding]:
    """Finds a time in which most requests were retries: then retries keep a broken server down."""
    arrivals = sorted((request.arrived, index > 0) for call in calls for index, request in enumerate(call))
    window: deque[tuple[float, bool]] = deque()
    retries = 0
    for at, is_retry in arrivals:
        window.append((at, is_retry))
        retries += is_retry
        while window[0][0] < at - _WINDOW:
            retries -= window.popleft()[1]
        if retries >= _WINDOW_RETRIES and retries > len(window) * _WINDOW_SHARE:
            detail = (
                f"{retries} of {len(window)} requests within {_WINDOW:.0f} s were retries. Limit retries to a share "
                "of all requests (a retry budget), or stop asking for a while (a circuit breaker)"
            )
            yield Finding("retry_storm", True, detail)
            return


def _accepted(requests: Iterable[Request], calls: Iterable[Call]) -> Iterator[Finding]:
    """Finds truncated answers that were taken for whole ones.

    Proved when the conversation goes on with the truncated text. Refuted when the client asks again or `noticed` is
    set. Suspected otherwise, because a client that raised an error looks the same as one that looked away.
    """
    continued = {request.continues: request.number for request in requests if request.continues is not None}
    for call in calls:
        last = call[-1]
        if last.ending != "truncated" or last.noticed:
            continue
        if last.number in continued:
            detail = "went on with a truncated answer as if it were whole. Treat a missing finish reason as an error"
            yield Finding("accepted_truncated", True, detail, (last.number, continued[last.number]))
        else:
            detail = "read a truncated answer; nothing shows that it noticed. Treat a missing finish reason as an error"
            yield Finding("accepted_truncated", False, detail, (last.number,))


def _held(requests: Iterable[Request], now: float) -> Iterator[Finding]:
    for request in requests:
        last = request.sent[-1] if request.sent else request.arrived
        silent = min(_ended(request), now) - last
        if request.fault == "stall" and silent > _SILENCE:
            detail = f"held a stream that had stopped for {silent:.0f} s. Set a limit on the wait for a token"
            yield Finding("leaked_connection", True, detail, (request.number,))


def _passed_over(connections: Sequence[Connection]) -> Iterator[Finding]:
    """Finds idle connections that their client could have used when it opened a new one."""
    newest = max((connection.opened for connection in connections), default=0.0)
    idle = [c for c in connections if not c.busy and c.idle_since + _SLACK < newest]
    if len(idle) >= _PASSED_OVER:
        detail = (
            f"left {len(idle)} connections open and opened new ones. Close clients and streams (`with`), "
            "and use one client for all requests"
        )
        yield Finding("leaked_connection", True, detail)


def _word(finding: Finding) -> str:
    return "proved" if finding.proved else "suspected"


def _numbers(finding: Finding) -> str:
    return f" (requests {', '.join(map(str, finding.requests))})." if finding.requests else "."
