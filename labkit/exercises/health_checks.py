"""The exercises of notebook 04, health checks.

The checks break real things: a spare Foundry Local is unloaded and stopped, and simulated clouds stall, slow down and
fail. Where nobody has to wait for real, the clouds live in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random

from labkit import health, simulator
from labkit.client import Lab
from labkit.exercises.exercise import exercise, learners_code
from labkit.exercises.shown import show
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.health import Ladder, Monitor, Report, SpareService, Timeouts
from labkit.routing import Always, Policy, Router, simulated
from labkit.simulator import Cloud, Latency, Profile, VirtualClock

_TEXT = "One token is enough to know that somebody is there."
_STEADY = Profile("steady", first_token=Latency(50), inter_token=Latency(10))
_HASTY = Timeouts(first_token=1.0, completion=0.5)
_EVERY = 10.0  # seconds between two checks of a monitor


@exercise(
    hints=(
        '`answer = stream(lab, "Hi", max_tokens=1, first_token_timeout=4, stall_timeout=1)`, then read it to its end.',
        '`except LabkitError: return "fail"`. A stream that ends without a finish reason raises one as well.',
        "After the loop: `answer.stats.time_to_first_token` is the wait in seconds. Compare it with `slow`.",
    ),
    solution='''
def one_token(lab, slow=1.0):
    """Gives "pass", "warn" if the first token takes longer than `slow` seconds, or "fail"."""
    answer = stream(lab, "Hi", max_tokens=1, first_token_timeout=4, stall_timeout=1)
    try:
        for _piece in answer:
            pass
    except LabkitError:
        return "fail"
    return "pass" if answer.stats.time_to_first_token <= slow else "warn"
''',
)
def q1(one_token: Callable[[Lab, float], object]) -> Verdict:
    """Write a one-token check that tells pass, warn and fail, and that never waits for ever."""
    cases = (
        (None, 1.0, "pass", "a steady cloud"),
        ("slow", 1.0, "warn", "a cloud whose first token takes two seconds"),
        ("slow", 3.5, "pass", "the same cloud, with slow=3.5"),
        ("stall", 1.0, "fail", "a cloud that falls silent"),
        ("truncated", 1.0, "fail", "a cloud whose answer ends without a finish reason"),
        ("500", 1.0, "fail", "a cloud that fails"),
        ("refuse", 1.0, "fail", "a cloud that cannot be reached"),
    )
    for fault, slow, expected, what in cases:
        with simulator.run(_STEADY, text=_TEXT, faults=fault) as cloud:
            _ = cloud.lab.client  # making it takes time that is no wait for a token
            with learners_code():
                came = one_token(cloud.lab, slow)
            if came != expected:
                return Wrong(f"{expected!r} for {what}", show(came))
            if (problem := _too_expensive(cloud)) is not None:
                return Wrong(f"one request for one token to {what}", problem)
    return Right("One token, a limit for each wait, and three answers: this check tells slow from broken.")


@exercise(
    hints=(
        "`report.is_ready` says whether the model can answer now; then the step is `send`.",
        "`report.decisive.rung` names the rung that is broken: `socket`, `loaded`, `completion`, ...",
        "A server that limits its load is ready, with `warn`. An unknown report means: wait.",
    ),
    solution='''
def next_step(report):
    """Gives what to do next, by the rung that is broken."""
    if report.is_ready:
        return "send"
    if report.status == "unknown":
        return "wait"
    steps = {"socket": "start the service", "loaded": "load the model"}
    return steps.get(report.decisive.rung, "use another backend")
''',
)
def q2(next_step: Callable[[Report], object]) -> Verdict:
    """Write a function that reads a report and names the next step."""
    for what, expected, report in _broken_reports():
        with learners_code():
            came = next_step(report)
        if came != expected:
            return Wrong(f"{expected!r} for {what}; the report says\n{report!r}", show(came))
    return Right("The same word, fail, asks for different steps. The rung says which one.")


@exercise(
    hints=(
        'Count failures in a row: `failures = failures + 1 if status == "fail" else 0`. What about `unknown`?',
        "`pass` and `warn` set the count back to 0, and end an alarm. `unknown` changes nothing.",
        "Raise the alarm once: when the count reaches `after` and no alarm is on. Then append the index.",
    ),
    solution='''
def alarms(statuses, after=3):
    """Gives the positions at which somebody is called: after so many failures in a row, once for each outage."""
    called, failures = [], 0
    for position, status in enumerate(statuses):
        if status == "fail":
            failures += 1
            if failures == after:
                called.append(position)
        elif status != "unknown":
            failures = 0
    return called
''',
)
def q3(alarms: Callable[[Sequence[str], int], object]) -> Verdict:
    """Write an alarm that does not wake people for a single failure."""
    word = {"p": "pass", "w": "warn", "f": "fail", "u": "unknown"}
    cases: tuple[tuple[str, int, list[int], str], ...] = (
        ("pfpffp", 3, [], "no three failures in a row"),
        ("ppfffpp", 3, [4], "three in a row"),
        ("fffffff", 3, [2], "one long outage calls once"),
        ("fffwfff", 3, [2, 6], "a warning is an answer: two outages"),
        ("ffuf", 3, [3], "unknown is no proof that all is well"),
        ("fffuff", 3, [2], "unknown does not end an outage"),
        ("pff", 1, [1], "with after=1 the first failure"),
        ("", 3, [], "no checks at all"),
    )
    for letters, after, expected, why in cases:
        statuses = [word[letter] for letter in letters]
        with learners_code():
            came = alarms(list(statuses), after)
        if came != expected:
            return Wrong(f"{expected} for {statuses} and after={after}: {why}", show(came))
    return Right("A single failure wakes nobody, and an outage wakes somebody once.")


@exercise(
    hints=(
        "Three questions in this order: `monitor.startup`, `monitor.latest.liveness`, `monitor.latest.is_ready`.",
        "Liveness comes first only when startup is over: a program that is still loading must not be restarted.",
        "Only `fail` is a reason to restart. Nobody restarts a server because nobody looked.",
    ),
    solution='''
def orchestrate(monitor):
    """Gives "be patient", "restart", "send nothing" or "send"."""
    report = monitor.latest
    if monitor.startup != "pass":
        return "be patient"
    if report.liveness == "fail":
        return "restart"
    return "send" if report.is_ready else "send nothing"
''',
)
def q4(orchestrate: Callable[[Monitor], object]) -> Verdict:
    """Write what an orchestrator does with startup, liveness and readiness."""
    for what, expected, monitor in _monitors():
        with learners_code():
            came = orchestrate(monitor)
        if came != expected:
            latest = monitor.latest
            said = f"startup {monitor.startup}, liveness {latest.liveness}, readiness {latest.readiness}"
            return Wrong(f"{expected!r} for {what} ({said})", show(came))
    return Right("A restart mends only what is dead. What is slow or busy needs less traffic, not a new life.")


@exercise(
    hints=(
        "`monitor.subscribe(listener)` calls `listener(report)` for each new report.",
        "The router remembers a backend in `router.vitals[name]`, which has `report_health(status, output, until)`.",
        "A report becomes stale at `report.expires`. Hand that over as `until`, or old news stays for ever.",
    ),
    solution='''
def tell_router(router, name, monitor):
    """Lets a router know each new report about one of its backends, for as long as it is fresh."""

    def listen(report):
        router.vitals[name].report_health(report.status, report.output, report.expires)

    monitor.subscribe(listen)
''',
)
def q5(tell_router: Callable[[Router, str, Monitor], object]) -> Verdict:
    """Write the line from a monitor to a router."""
    with VirtualClock() as clock, _cloud(clock) as near, _cloud(clock) as far:
        backends = [simulated(near, "near"), simulated(far, "far")]
        router = Router(backends, Policy([Always("near")]), clock=clock, random=Random(1))  # noqa: S311
        monitor = Monitor(Ladder(near.lab, clock=clock, timeouts=_HASTY), every=_EVERY)
        with learners_code():
            tell_router(router, "near", monitor)
        steps = (
            ("a check that passes", None, 0.0, "near"),
            ("a check that fails", "500", 0.0, "far"),
            ("the same, long ago and stale", "500", 10 * _EVERY, "near"),
            ("a server that is well again", None, 0.0, "near"),
        )
        for what, fault, later, expected in steps:
            near.break_with(fault)
            clock.sleep(200)  # so that the result that is kept for some time is old
            with learners_code():
                monitor.check()
            clock.sleep(later)
            decision = router.explain("Hello")
            if decision.chosen is None or decision.chosen.name != expected:
                return Wrong(f"a router that asks {expected!r} first after {what}", str(decision))
    return Right("The router knows before a user does, and forgets what is old.")


def _too_expensive(cloud: Cloud) -> str | None:
    if len(cloud.requests) > 1:
        return f"{len(cloud.requests)} requests"
    sent = sum(request.completion_tokens for request in cloud.requests)
    return f"{sent} tokens" if sent > 1 else None


def _broken_reports() -> Iterator[tuple[str, str, Report]]:
    with SpareService() as spare:
        yield "a model that is well", "send", health.check(spare.lab)
        spare.unload()
        yield "a model that is not in memory", "load the model", health.check(spare.lab)
        spare.stop()
        stopped = health.check(spare.lab)
    yield "a service that is stopped", "start the service", stopped
    yield "a report that is stale", "wait", stopped.forgotten("the last check is 60 s old")
    for fault, what, expected in (
        ("slow", "a slow first token", "send"),
        ("429", "a server that limits its load", "send"),
        ("stall", "a stream that stalls", "use another backend"),
        ("unauthorised", "a key that is refused", "use another backend"),
    ):
        with simulator.run("instant", text=_TEXT, faults=fault) as cloud:
            timeouts = _timeouts(fault)
            yield what, expected, health.check(cloud.lab, timeouts=timeouts, slow_ms=500)


def _timeouts(fault: str) -> Timeouts:
    """Gives a slow server the time that it needs, and a silent one none."""
    return Timeouts() if fault == "slow" else _HASTY


def _monitors() -> Iterator[tuple[str, str, Monitor]]:
    with VirtualClock() as clock, _cloud(clock) as cloud:
        monitor = _monitor(cloud.lab, clock)
        yield "a program that was never checked", "be patient", monitor
        cloud.break_with("503")
        monitor.check()
        yield "a server that has not been ready yet", "be patient", monitor
        cloud.break_with(None)
        clock.sleep(600)
        monitor.check()
        yield "a server that is well", "send", monitor
        clock.sleep(600)
        yield "a server that nobody has looked at for ten minutes", "send nothing", monitor
        cloud.break_with("500")
        monitor.check()
        yield "a server that lives and fails", "send nothing", monitor
        cloud.break_with("slow")
        clock.sleep(600)
        monitor.check()
        yield "a server that is slow", "send", monitor
    yield "a server that is gone", "restart", _gone()


def _gone() -> Monitor:
    with simulator.run("instant", text=_TEXT) as cloud:
        monitor = Monitor(replace(cloud.lab))
        monitor.check()
    monitor.check()
    monitor.ladder.lab.client.close()
    return monitor


def _monitor(lab: Lab, clock: VirtualClock) -> Monitor:
    return Monitor(Ladder(lab, clock=clock, random=Random(1)), every=_EVERY)  # noqa: S311  # spreads checks


@contextmanager
def _cloud(clock: VirtualClock) -> Iterator[Cloud]:
    with simulator.run(_STEADY, text=_TEXT, clock=clock) as cloud:
        yield cloud
