"""Stops the native runtime at once, or gives up in bounded time.

It knows nothing of what the runtime did.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundry_local_sdk import FoundryLocalManager as NativeManager

_PAUSE = 0.005  # seconds between two knocks


class Closer:
    """Closes a native runtime.

    Its thread starts at once and sleeps, since Python 3.12 and newer start none while the process ends.

    Args:
        native: the runtime.
    """

    def __init__(self, native: NativeManager) -> None:
        self._native = native
        self._begin = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def close(self, port: int | None, patience: float) -> bool:
        """Closes the runtime, and says whether that is done.

        Args:
            port: where its web service listens, if it does.
            patience: seconds to wait for other threads that work with the runtime.
        """
        if self._ended.is_set():
            return True
        if self._native.is_shutdown_requested():  # by POST /shutdown, after which it waits for itself for ever
            return False
        self._begin.set()
        deadline = time.monotonic() + patience
        while not self._ended.wait(_PAUSE) and time.monotonic() < deadline:
            if port:
                _knock(port)
        return self._ended.is_set()

    def _work(self) -> None:
        self._begin.wait()
        self._native.close()
        self._ended.set()


def _knock(port: int) -> None:
    # The web service looks whether it should stop when somebody connects, or else once a second.
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
