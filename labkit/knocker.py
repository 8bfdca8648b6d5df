"""A thread that helps Foundry Local's web service to stop at once.

The web service looks whether it should stop when somebody connects, or else once a second. It knows nothing of models.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PAUSE = 0.005  # seconds


class Knocker:
    """Connects to a port while the service behind it stops.

    The thread starts at once and sleeps, since Python 3.12 and newer start none while the process ends.

    Args:
        port: a TCP port of this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        threading.Thread(target=self._knock, daemon=True).start()

    @contextmanager
    def knocking(self) -> Iterator[None]:
        """Knocks while the block stops the service. A knocker serves once."""
        self._stopping.set()
        try:
            yield
        finally:
            self._stopped.set()

    def _knock(self) -> None:
        self._stopping.wait()
        while not self._stopped.wait(_PAUSE):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=0.1).close()
