"""The journal: what each request asked for and how it ended, and which connections are open.

It keeps the last 20,000 requests, and the times of tokens for the last thousand, so that a long run does not fill
the memory. It judges nothing.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import NamedTuple

from labkit.simulator.fault import Fault

KEPT = 20_000  # requests
KEPT_TIMES = 1_000  # requests
_NO_TIMES: array[float] = array("d")


@dataclass(slots=True, eq=False)
class Request:
    """One request, as the server saw it.

    Attributes:
        number: counted from 1, in the order of arrival.
        arrived: seconds since the server's first connection.
        prompt: the beginning of the last message.
        call: requests with the same value ask for the same thing with the same key.
        stream: whether the client asked for a stream.
        connection: the connection that it came on.
        continues: the number of a truncated answer that this conversation contains as if it were whole.
        fault: what was broken on purpose.
        status: the HTTP status; 0 when there was no answer.
        retry_after: seconds that the client was asked to wait.
        ended: seconds since the server's first connection; None while it is in flight.
        ending: `complete`, `left` (the client closed first), `failed`, or the fault that ended it.
        noticed: whether the client is known to have noticed a bad ending.
        prompt_tokens: tokens of the prompt.
        completion_tokens: tokens that were sent.
        cost: US dollars.
        planned: when each token of a stream was due, like `arrived`; kept for the last thousand requests.
        sent: when each token of a stream left, like `arrived`; kept for the last thousand requests.
    """

    number: int
    arrived: float
    prompt: str = ""
    call: str = ""
    stream: bool = False
    connection: int = 0
    continues: int | None = None
    fault: Fault | None = None
    status: int = 0
    retry_after: float | None = None
    ended: float | None = None
    ending: str = ""
    noticed: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    planned: array[float] = field(default_factory=lambda: array("d"), repr=False)
    sent: array[float] = field(default_factory=lambda: array("d"), repr=False)


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection.

    Attributes:
        number: counted from 1, in the order of opening.
        opened: seconds since the server's first connection.
        busy: requests in flight on it.
        idle_since: when its last request ended, or when it was opened.
    """

    number: int
    opened: float
    busy: int
    idle_since: float


class Moment(NamedTuple):
    """Something that happened.

    Attributes:
        at: seconds since the server's first connection.
        request: the number of the request.
        what: `arrives`, `token`, or how the request ended.
    """

    at: float
    request: int
    what: str


class Journal:
    """All requests of a server, and its open connections."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque(maxlen=KEPT)
        self.connections: dict[int, Connection] = {}
        self.in_flight = 0
        self._numbers, self._connection_numbers = count(1), count(1)
        self._truncated: dict[bytes, int] = {}

    def open(self, now: float, connection: int) -> Request:
        """Starts the entry of a request that has just arrived."""
        request = Request(next(self._numbers), now, connection=connection)
        self.requests.append(request)
        if len(self.requests) > KEPT_TIMES:
            old = self.requests[-1 - KEPT_TIMES]
            old.planned = old.sent = _NO_TIMES
        self.in_flight += 1
        if connection in self.connections:
            self.connections[connection].busy += 1
        return request

    def close(self, request: Request, now: float, ending: str) -> None:
        """Completes the entry of a request. Later calls change nothing."""
        if request.ended is not None:
            return
        request.ended, request.ending = now, ending
        self.in_flight -= 1
        connection = self.connections.get(request.connection)
        if connection:
            connection.busy -= 1
            connection.idle_since = now

    def connect(self, now: float) -> int:
        """Notes a new connection and gives its number."""
        number = next(self._connection_numbers)
        self.connections[number] = Connection(number, now, 0, now)
        return number

    def disconnect(self, number: int) -> None:
        """Notes the end of a connection."""
        self.connections.pop(number, None)

    def truncate(self, request: Request, text: str) -> None:
        """Remembers what a client got of an answer that was truncated."""
        self._truncated[_digest(text)] = request.number

    def find_truncated(self, texts: Iterable[str]) -> int | None:
        """Finds a truncated answer among the answers that a conversation takes for whole.

        Args:
            texts: what the conversation's assistant has said so far.
        """
        if not self._truncated:
            return None
        return next((self._truncated[key] for text in texts if (key := _digest(text)) in self._truncated), None)

    def timeline(self) -> tuple[Moment, ...]:
        """Gives all that happened to the requests that are kept, in order."""
        moments = (moment for request in tuple(self.requests) for moment in _moments(request))
        return tuple(sorted(moments, key=lambda moment: (moment.at, moment.request)))

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self.requests))

    def __len__(self) -> int:
        return len(self.requests)


def _moments(request: Request) -> Iterator[Moment]:
    yield Moment(request.arrived, request.number, "arrives")
    for at in request.sent:
        yield Moment(at, request.number, "token")
    if request.ended is not None:
        yield Moment(request.ended, request.number, request.ending)


def _digest(text: str) -> bytes:
    return blake2b(text.strip().encode(), digest_size=8).digest()
