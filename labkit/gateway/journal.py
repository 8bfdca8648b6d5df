"""The access log: one JSON line for each request, without a word of what was asked or answered.

It writes what it is given. It knows nothing of HTTP.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

_KEPT = 1_000  # entries
_PATH_SHOWN = 120  # characters


@dataclass(slots=True)
class Entry:
    """One request.

    Attributes:
        id: its number, which the client gets as `x-request-id`.
        client: the address that it came from.
        method: its method.
        path: its path, without the query and cut after 120 characters.
        key: whose key it brought; None where it brought no valid one.
        status: the HTTP status of the answer; 0 where there was none.
        ending: `complete`; or why the answer has no end: `client left`, `model cut`, `model stalled`, `client stalled`;
            or for a refusal its reason, such as `no key`.
        sent: bytes of the answer.
        first_ms: milliseconds until the first byte of the answer's body; None where there was none.
        ms: milliseconds until its end.
    """

    id: str
    client: str
    method: str
    path: str
    key: str | None = None
    status: int = 0
    ending: str = "complete"
    sent: int = 0
    first_ms: float | None = None
    ms: float = 0.0

    def line(self) -> str:
        """Gives the line of the log. JSON escapes line breaks, so nobody can forge a second line."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        first = None if self.first_ms is None else round(self.first_ms, 2)
        return json.dumps({
            "time": moment, "id": self.id, "client": self.client, "method": self.method[:16],
            "path": self.path[:_PATH_SHOWN], "key": self.key, "status": self.status, "ending": self.ending,
            "sent": self.sent, "first_ms": first, "ms": round(self.ms, 2),
        })  # fmt: skip


class Journal:
    """Keeps the last 1,000 entries, and writes each as a line.

    Args:
        out: where to; None writes nowhere.
    """

    def __init__(self, out: TextIO | None = sys.stdout) -> None:
        self.entries: deque[Entry] = deque(maxlen=_KEPT)
        self._out = out

    def add(self, entry: Entry) -> None:
        """Adds the entry of a request that is over."""
        self.entries.append(entry)
        if self._out is not None:
            self._out.write(entry.line() + "\n")
            self._out.flush()
