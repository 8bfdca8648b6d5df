"""A transport that sends the head of an answer together with the start of its body, in one call of the system.

It knows nothing of HTTP: whoever writes says what belongs together.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Joining:
    """Wraps a transport.

    Args:
        transport: the transport that really sends.

    Attributes:
        holds: while it is true, what is written is kept for the next write after it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self.holds = False

    def write(self, data: bytes) -> None:
        """Sends bytes, or keeps them for the next time. On a connection that has gone it does nothing."""
        if self._transport.is_closing():  # asyncio would log each further attempt
            self._held.clear()
        elif self.holds:
            self._held.append(data)
        elif self._held:
            self._held.append(data)
            self.release()
        else:
            self._transport.write(data)

    def release(self) -> None:
        """Sends what was kept."""
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()

    def close(self) -> None:
        """Sends what was kept, and closes."""
        self.release()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
