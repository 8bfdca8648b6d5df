"""What an error means for routing: try again, try elsewhere, or give up; and whose fault it is.

It knows nothing of time and of backends.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from labkit.errors import (
    ContextTooLong,
    DeadlineExceeded,
    EndpointUnreachable,
    LabkitError,
    RateLimited,
    RequestRefused,
    ServerFailed,
    StreamInterrupted,
    TimedOut,
)

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY)  # refused now, not for ever
_ACCOUNT = (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.TOO_MANY_REQUESTS)  # without a wait: the account is empty


class Outcome(NamedTuple):
    """What follows from an error.

    Attributes:
        status: what happened, in two or three words.
        may_retry: whether the same backend may be asked again.
        may_go_on: whether another backend may be asked.
        is_backends_fault: whether it counts against the backend.
    """

    status: str
    may_retry: bool
    may_go_on: bool
    is_backends_fault: bool


_KNOWN: dict[type[LabkitError], Outcome] = {
    RateLimited: Outcome("", True, True, False),
    ServerFailed: Outcome("", True, True, True),
    EndpointUnreachable: Outcome("", True, True, True),
    StreamInterrupted: Outcome("", True, True, True),
    TimedOut: Outcome("", False, True, True),  # it may still be at work on the first request
    ContextTooLong: Outcome("", False, True, False),
    DeadlineExceeded: Outcome("", False, False, False),
}
# A wrong key, a wrong address, a missing model: only a person can put that right, and another backend can answer.
_FOR_A_PERSON = Outcome("", False, True, True)


def outcome_of(error: LabkitError) -> Outcome:
    """Says what follows from an error.

    Args:
        error: what a call to a backend raised.
    """
    known = _refused(error) if isinstance(error, RequestRefused) else _KNOWN.get(type(error), _FOR_A_PERSON)
    return known._replace(status=_status(error))


def _refused(error: RequestRefused) -> Outcome:
    if error.status in _PASSING:
        return Outcome("", True, True, False)
    if error.status in _ACCOUNT:
        return _FOR_A_PERSON
    # Another backend must not answer what this one refused: its refusal may be a content filter's.
    return Outcome("", False, False, False)


def _status(error: LabkitError) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    detail = error.reason if isinstance(error, StreamInterrupted) else getattr(error, "status", None)
    return f"{words} ({detail})" if detail else words
