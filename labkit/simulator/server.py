"""The server: an application on a port of this machine, in a thread of its own.

It knows nothing of chat. uvicorn does the work; what is added is a connection that the application can reset, as a
broken network does, and an end within a second.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import selectors
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from labkit.errors import SimulatorError
from labkit.joining import Joining
from labkit.ports import listen
from labkit.simulator.line import EXTENSION, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from uvicorn import Config

    from labkit.simulator.app import App

_KEEP_ALIVE = 75  # seconds; clients let go of idle connections earlier, so one that stays open is their doing
_BACKLOG = 1_024  # connections that may wait to be accepted
_MILLISECOND = 0.001  # seconds
_SELECTABLE = 1_024  # file descriptors from this number on are too high for select()
_PATIENCE = 30.0  # seconds for the thread to start, or to end; it takes half of one on an idle machine


class Server:
    """Serves an application on the loopback interface.

    Args:
        app: the application.
        port: the TCP port; 0 lets the system choose.

    Raises:
        PortInUse: another program holds the port.
        SimulatorError: the port cannot be used for another reason.
    """

    def __init__(self, app: App, port: int = 0) -> None:
        self._app = app
        self._socket = _listen(port)
        self.port = int(self._socket.getsockname()[1])
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"simulator-{self.port}", daemon=True)

    def start(self) -> None:
        """Starts, and waits until requests are answered.

        Raises:
            SimulatorError: it does not start.
        """
        self._thread.start()
        if not self._started.wait(_PATIENCE):
            raise SimulatorError(
                f"The simulated cloud did not start within {_PATIENCE:.0f} s. Run the same line again."
            )

    def stop(self) -> None:
        """Breaks off what is in flight, and ends the thread. Stopping twice does nothing."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has just ended by itself
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join(_PATIENCE)

    def wait(self) -> None:
        """Waits until the server stops, or until Ctrl-C."""
        while self._thread.is_alive():  # in short steps, because a long one hides Ctrl-C on Windows
            self._thread.join(0.5)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        from uvicorn import Server as Uvicorn

        self._loop = asyncio.get_running_loop()
        self._uvicorn = Uvicorn(_config(self._app))
        serving = asyncio.create_task(self._uvicorn.serve(sockets=[self._socket]))
        while not (self._uvicorn.started or serving.done()):
            await asyncio.sleep(0.001)
        self._started.set()
        await serving
        await self._app.upstream.close()

    def _end(self) -> None:
        self._app.hang_up()
        self._uvicorn.should_exit = self._uvicorn.force_exit = True


def reset(transport: asyncio.Transport) -> None:
    """Breaks a connection off like a network does: the other side gets a reset, not an orderly end."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        # Lingering for zero seconds makes the system send RST in place of FIN. Windows packs two shorts.
        with suppress(OSError):  # the other side was faster
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
    transport.abort()


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform != "linux":
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(_punctual_selector())


def _punctual_selector() -> selectors.BaseSelector:
    class Punctual(selectors.EpollSelector):
        """Waits to the microsecond, where epoll counts whole milliseconds, which a token's reader would notice."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            # Shorter waits stay with epoll: then there is much to do, and a millisecond's worth is done together.
            if timeout is not None and timeout > _MILLISECOND and self.fileno() < _SELECTABLE:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)

    return Punctual()


def _listen(port: int) -> socket.socket:
    try:
        return listen(port)
    except (OSError, OverflowError) as error:
        raise SimulatorError(
            f"Port {port} cannot be used: {error}. Leave the port out, and a free one is chosen."
        ) from None


def _config(app: App) -> Config:
    from uvicorn import Config

    return Config(
        app,
        http=_protocol(app),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        backlog=_BACKLOG,
        loop="asyncio",
    )


def _protocol(app: App) -> type[asyncio.Protocol]:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    silent = logging.getLogger("labkit.simulator.http")
    silent.setLevel(logging.ERROR)  # clients that send rubbish are what a simulator is for; no line for each

    base: Any = AutoHTTPProtocol  # which class it is depends on what is installed

    class Offering(base):  # type: ignore[misc]  # for the same reason
        """uvicorn's protocol, with the connection offered to the application."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            self.joining = Joining(transport)
            super().connection_made(self.joining)
            self.logger, self.access_log = silent, False
            self.number = app.journal.connect(app.now())
            self.offer = {"id": self.number, "reset": lambda: reset(transport)}
            self.app = self.offering

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            app.journal.disconnect(self.number)

        def write_chunk(self, data: bytes) -> bool:
            # A stream consists of thousands of parts, and uvicorn's way costs more than all the rest. These are the
            # chunks of HTTP/1.1 (RFC 9112, 7.1); the last part goes uvicorn's way and ends the body.
            if self.joining.holds or self.flow.write_paused:
                return False
            self.joining.write(b"%x\r\n%b\r\n" % (len(data), data))
            return True

        async def offering(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def join(message: Message) -> None:
                self.joining.holds = message["type"] == "http.response.start"
                await send(message)
                if not self.joining.holds:
                    self.joining.release()

            direct = {"write": self.write_chunk} if scope["http_version"] == "1.1" else {}
            scope["extensions"] = {EXTENSION: self.offer | direct}
            await app(scope, receive, join)

    return Offering
