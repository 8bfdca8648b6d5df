"""A lock between processes that write the same small file: the second one waits for the first.

It knows nothing of what is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIMIT = 2.0  # seconds; a write takes milliseconds, so an older lock belongs to a process that died


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps others from writing a file for as long as the block lasts.

    Args:
        path: the file; the lock is a file of the same name that ends in `.lock`.
    """
    lock, deadline = path.with_suffix(".lock"), time.monotonic() + _LIMIT
    while True:
        try:
            lock.touch(exist_ok=False)
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
