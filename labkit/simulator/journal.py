"""The journal: what each request asked for, and how it ended.

It keeps the last ten thousand requests, so that a long run does not fill the memory.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

KEPT = 10_000  # requests


@dataclass(slots=True, eq=False)
class Request:
    """One request, as the server saw it.

    Attributes:
        number: counted from 1, in the order of arrival.
        arrived: seconds since the server started.
        prompt: the beginning of the last message.
        call: requests with the same value ask for the same thing.
        stream: whether the client asked for a stream.
        connection: the connection that it came on.
        fault: what was broken on purpose.
        status: the HTTP status; 0 when there was no answer.
        retry_after: seconds that the client was asked to wait.
        ended: seconds since the server started; None while it is in flight.
        ending: `complete`, `left` (the client closed first) or the fault that ended it.
        prompt_tokens: tokens of the prompt.
        completion_tokens: tokens that were sent.
        cost: US dollars.
        planned: when each token was due, in seconds since the server started.
        sent: when each token left, in seconds since the server started.
    """

    number: int
    arrived: float
    prompt: str = ""
    call: str = ""
    stream: bool = False
    connection: int = 0
    fault: str | None = None
    status: int = 0
    retry_after: float | None = None
    ended: float | None = None
    ending: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    planned: array[float] = field(default_factory=lambda: array("d"), repr=False)
    sent: array[float] = field(default_factory=lambda: array("d"), repr=False)


class Journal:
    """All requests of a server, the last ones in full."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque(maxlen=KEPT)
        self.in_flight = 0
        self._numbers = count(1)

    def open(self, now: float) -> Request:
        """Starts the entry of a request that has just arrived."""
        request = Request(next(self._numbers), now)
        self.requests.append(request)
        self.in_flight += 1
        return request

    def close(self, request: Request, now: float, ending: str) -> None:
        """Completes the entry of a request."""
        if request.ended is None:
            request.ended, request.ending = now, ending
            self.in_flight -= 1

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self.requests))

    def __len__(self) -> int:
        return len(self.requests)
