"""A watch over a blocking read: it hangs up when the server keeps silent for too long.

An HTTP client that blocks has one read limit for a whole response. A stream needs a long one before the first token
and a short one after it, and a way to be stopped from another thread. It knows nothing of chat.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


class Watch:
    """Hangs up when a read is overdue.

    Args:
        remaining: gives the seconds that the read may still take.
        hang_up: ends the read.
    """

    def __init__(self, remaining: Callable[[], float], hang_up: Callable[[], None]) -> None:
        self._remaining = remaining
        self._hang_up = hang_up
        self._is_over = False
        self._news = threading.Event()
        threading.Thread(target=self._run, name="labkit-stream-watch", daemon=True).start()

    def look(self) -> None:
        """Makes the watch ask again how much time remains, because it became less."""
        self._news.set()

    def stop(self) -> None:
        """Ends the watch."""
        self._is_over = True
        self._news.set()

    def _run(self) -> None:
        while (remaining := self._remaining()) > 0:
            self._news.wait(remaining)
            self._news.clear()
            if self._is_over:
                return
        self._hang_up()


def hang_up(response: httpx2.Response) -> None:
    """Ends the connection of a response, so that a read that waits in another thread returns at once.

    Closing alone does not do that: the operating system keeps a closed socket alive for whoever waits on it.

    Args:
        response: whose body is being read. Without a socket of its own (an in-process transport) nothing happens.
    """
    stream = response.extensions.get("network_stream")
    connection = stream and stream.get_extra_info("socket")
    if connection is not None and not response.is_closed:  # a closed one's socket may serve another response
        with suppress(OSError):  # the other side was faster
            connection.shutdown(socket.SHUT_RDWR)
