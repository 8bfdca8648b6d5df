"""Runs an ASGI application on a free port, with a real server, for as long as a block lasts.

It knows nothing of what the application does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from labkit.ports import free_port


class _Server(uvicorn.Server):
    """uvicorn, saying when it is ready.

    Args:
        config: what to serve.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Gives the address of the application, without a path."""
    port = free_port()
    server = _Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.is_ready.wait(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
