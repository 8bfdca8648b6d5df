"""The exercises of notebook 08, deployment.

Checks use real sockets, a real gateway and a cloud that really fails.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from labkit import gateway, simulator
from labkit.client import Lab
from labkit.errors import LabkitError
from labkit.exercises.exercise import AnswerRaised, exercise, learners_code
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.gateway import Rules
from labkit.ports import free_port, is_free

_QUESTION = "What is a gateway for?"
_TEXT = "It lets the right people in, and everybody in turn."
_SETTINGS: tuple[tuple[dict[str, str], tuple[str, int, bool]], ...] = (
    ({}, ("127.0.0.1", 8080, False)),
    ({"HOST": "0.0.0.0", "PORT": "9000", "DEBUG": "1"}, ("0.0.0.0", 9000, True)),  # noqa: S104  # a value, no listener
    ({"PORT": "", "DEBUG": "0"}, ("127.0.0.1", 8080, False)),
    ({"DEBUG": "false"}, ("127.0.0.1", 8080, False)),
)
_BAD_PORTS = ("eight", "0", "70000")
_SIZES = ((1_000.0, 100, 20.0, 200), (1_500.0, 60, 30.0, 750), (90.0, 100, 10.0, 9))
_PATIENCE = 10.0  # seconds for what must happen some time


@exercise(
    hints=(
        '`environ.get("PORT") or "8080"` covers both a missing variable and one that is set to nothing.',
        'Every text that is not empty is true in Python, "0" and "false" as well. Compare: `... in ("1", "true")`.',
        "A port is a number from 1 to 65535. Raise a ValueError whose text names PORT and the value that came.",
    ),
    solution='''
def read_settings(environ):
    """Gives host, port and debug from environment variables."""
    port = environ.get("PORT") or "8080"
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"PORT={port!r} cannot be used: give a number from 1 to 65535.")
    debug = environ.get("DEBUG", "").lower() in ("1", "true")
    return environ.get("HOST") or "127.0.0.1", int(port), debug
''',
)
def q1(read_settings: Callable[[Mapping[str, str]], object]) -> Verdict:
    """Write a function that reads host, port and debug mode from environment variables."""
    for environ, expected in _SETTINGS:
        with learners_code():
            came = read_settings(dict(environ))
        if repr(came) != repr(expected):  # so that 0 is not taken for False
            return Wrong(f"{expected!r} from {environ!r}", repr(came))
    for port in _BAD_PORTS:
        try:
            came = read_settings({"PORT": port})
        except ValueError as error:
            if "PORT" not in str(error) or port not in str(error):
                return Wrong(f"a ValueError that names PORT and {port!r}", repr(error))
        except Exception as error:
            raise AnswerRaised from error
        else:
            return Wrong(f"a ValueError for PORT={port!r}", repr(came))
    return Right("Without settings your program is safe, and a wrong one is told before the first user comes.")


@exercise(
    hints=(
        "`ports.is_free(port)` says whether a server could listen there now.",
        "Try `range(wanted, wanted + 10)`, and return the first one that is free.",
        "After the loop nothing was free: `raise OSError(...)`, with the ports that you tried in the text.",
    ),
    solution='''
def choose_port(wanted):
    """Gives the port that is wanted, or the first free one of the nine behind it."""
    for port in range(wanted, wanted + 10):
        if ports.is_free(port):
            return port
    raise OSError(f"All ports from {wanted} to {wanted + 9} are taken.")
''',
)
def q2(choose_port: Callable[[int], object]) -> Verdict:
    """Write a function that finds the next free port, and that gives up after ten."""
    first = _ten_free()
    for taken in (0, 1, 3):
        expected = first + taken
        with _Taken(first, taken), learners_code():
            came = choose_port(first)
        if came != expected:
            return Wrong(f"{expected} when {taken} of the ports from {first} on are taken", repr(came))
    with _Taken(first, 10):
        try:
            came = choose_port(first)
        except OSError as error:
            if str(first) not in str(error):
                return Wrong(f"an OSError whose text names {first}", repr(error))
        except Exception as error:
            raise AnswerRaised from error
        else:
            return Wrong("an OSError when ten ports are taken", repr(came))
    return Right("Your program starts beside another one, and says so when it cannot.")


@exercise(
    hints=(
        "Catch one error only: `except RateLimited as error:`. Everything else must come through.",
        "The server says how long to wait: `time.sleep(error.retry_after or 1)`.",
        "A loop `while True:` around `try: return complete(lab, question).text` asks again after each wait.",
    ),
    solution='''
import time


def ask_politely(lab, question):
    """Gives the answer; waits as long as the server says when it is asked too often."""
    while True:
        try:
            return complete(lab, question).text
        except RateLimited as error:
            time.sleep(error.retry_after or 1)
''',
)
def q3(ask_politely: Callable[[Lab, str], object]) -> Verdict:
    """Write a function that waits as long as the gateway says, and no longer."""
    rules = Rules(requests_per_minute=30)
    with simulator.run("instant", text=_TEXT) as cloud, gateway.run(cloud.lab, rules=rules) as gate:
        lab = gate.lab(gate.keys.create("learner"))
        for _ in range(rules.requests_per_minute):
            lab.client.models.list()
        before, started = len(gate.log), time.monotonic()
        with learners_code():
            came = ask_politely(lab, _QUESTION)
        took = time.monotonic() - started
        for _ in range(40):  # the gateway writes its log after the client has read the answer
            statuses = [entry.status for entry in gate.log[before:]]
            if 200 in statuses:  # noqa: PLR2004
                break
            time.sleep(0.05)
        if came != _TEXT:
            return Wrong(f"the text {_TEXT!r}", repr(came))
        # The rate allows a request every two seconds, and Retry-After counts whole ones.
        if statuses.count(429) > 2 or 200 not in statuses:  # noqa: PLR2004
            return Wrong("one refusal, one wait, one answer", f"statuses {statuses} in {took:.1f} seconds")
        return _judge_refusal(gate, ask_politely)


@exercise(
    hints=(
        "Two questions, in this order: does the program live (`/livez`), and can it answer now (`/readyz`)?",
        "`httpx2.get(...)` raises `httpx2.TransportError` when nobody answers. Give it a timeout.",
        'Not alive: "restart". Alive, but /readyz is not 200: "take out". Else: "serve".',
    ),
    solution='''
import httpx2


def decide(address):
    """Says what a supervisor does: "serve", "take out" or "restart"."""
    try:
        if httpx2.get(f"{address}/livez", timeout=2).status_code != 200:
            return "restart"
        ready = httpx2.get(f"{address}/readyz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return "restart"
    return "serve" if ready else "take out"
''',
)
def q4(decide: Callable[[str], object]) -> Verdict:
    """Write a function that decides as a supervisor does: serve, take out of service, or restart."""
    with simulator.run("instant", text=_TEXT) as cloud, gateway.run(cloud.lab) as gate:
        address = gate.endpoint.removesuffix("/v1")
        gate.monitor.stop()  # from here on checks are made when this check makes them
        for down, expected, what in (
            (False, "serve", "a gateway whose model answers"),
            (True, "take out", "a gateway that works, and whose model is gone"),
        ):
            if down:
                cloud.stop()
            gate.monitor.check()
            with learners_code():
                came = decide(address)
            if came != expected:
                return Wrong(f"{expected!r} for {what}", repr(came))
    with learners_code():
        came = decide(address)
    if came != "restart":
        return Wrong("'restart' for a gateway that does not answer", repr(came))
    return Right("Restarting would not have brought the model back. Your supervisor restarts only what it can mend.")


@exercise(
    hints=(
        "One user uses `tokens_per_answer` tokens every `think` seconds.",
        "So one user needs `tokens_per_answer / think` tokens a second. How often does that fit in?",
        "Whole users only: `int(...)` rounds down.",
    ),
    solution='''
def users_for(tokens_per_second, tokens_per_answer, think):
    """Gives the number of users that a server can keep up with."""
    return int(tokens_per_second * think / tokens_per_answer)
''',
)
def q5(users_for: Callable[[float, int, float], object]) -> Verdict:
    """Write a function that says how many users a server can keep up with."""
    for speed, length, think, expected in _SIZES:
        with learners_code():
            came = users_for(speed, length, think)
        if came != expected or isinstance(came, float):
            given = f"{speed:g} tokens/s, {length} tokens an answer, a question every {think:g} s"
            return Wrong(f"{expected} users for {given}", repr(came))
    return Right("You know the limit before your users find it. Plan for half of it: people come in waves.")


def _judge_refusal(gate: gateway.Gate, ask_politely: Callable[[Lab, str], object]) -> Verdict:
    before = len(gate.log)
    try:
        came = ask_politely(gate.lab("lk-wrong"), _QUESTION)
    except LabkitError:
        tries = len(gate.log) - before
        if tries > 1:
            return Wrong("one attempt with a key that is refused", f"{tries} attempts")
        return Right("You waited exactly as long as you were told, and did not argue with a closed door.")
    except Exception as error:
        raise AnswerRaised from error
    return Wrong("an error for a key that is refused: waiting does not make it right", repr(came))


class _Taken:
    """Holds ports for as long as a block lasts.

    Args:
        first: the first one.
        count: how many.
    """

    def __init__(self, first: int, count: int) -> None:
        self._ports = range(first, first + count)
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> None:
        for port in self._ports:
            self._sockets.append(socket.create_server(("127.0.0.1", port)))

    def __exit__(self, *_: Any) -> None:
        for each in self._sockets:
            each.close()


def _ten_free() -> int:
    end = time.monotonic() + _PATIENCE
    while True:
        first = free_port()
        if first < 65_000 and all(map(is_free, range(first, first + 10))):  # noqa: PLR2004  # ten more must fit
            return first
        if time.monotonic() > end:
            raise LabkitError(
                "There are no ten free ports in a row on this machine. Close some programs, and try again."
            )
