"""A gateway that runs: its port, its thread, its address and its end.

It puts the parts together. How each works stands in its own module.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from labkit.client import Lab
from labkit.errors import GatewayError
from labkit.fetch import is_loopback
from labkit.gateway.app import App
from labkit.gateway.journal import Entry, Journal
from labkit.gateway.keys import KeyRing
from labkit.gateway.rules import Rules
from labkit.health import Monitor
from labkit.ports import LOOPBACK, listen

if TYPE_CHECKING:
    from uvicorn import Config, Server

_IDLE = 30  # seconds that a kept connection may be silent
_GRACE = 30  # seconds for running answers when the gateway is told to end
_BACKLOG = 1_024  # connections that may wait to be accepted
_PATIENCE = 30.0  # seconds for the thread to start, or to end


@dataclass(frozen=True)
class Door:
    """Where and how a gateway listens.

    Attributes:
        host: the address to listen on.
        port: the TCP port; 0 lets the system choose.
        certificate, private_key: PEM files for TLS.
        proxies: addresses whose word on the client's address is believed; with a proxy in front, TLS is its business.

    Raises:
        GatewayError: keys would travel unencrypted, or one of the two files is missing.
    """

    host: str = LOOPBACK
    port: int = 0
    certificate: Path | None = None
    private_key: Path | None = None
    proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise GatewayError("TLS needs both files: give --tls-cert and --tls-key.")
        for file in filter(None, (self.certificate, self.private_key)):
            if not file.is_file():
                raise GatewayError(f"There is no file {file}. Correct --tls-cert or --tls-key.")
        if not (is_loopback(f"http://{self.host}") or self.certificate or self.proxies):
            raise GatewayError(
                f"On {self.host} keys and prompts would travel unencrypted. Give --tls-cert and --tls-key, or name the "
                "proxy that does TLS with --behind-proxy ADDRESS."
            )

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.certificate else "http"


class Gate:
    """A gateway on a port of this machine. It runs until `stop()`, or until the end of its `with` block.

    Args:
        lab: the server behind it.
        keys: who may come in; None makes a ring that is empty and ends with the gateway.
        rules: what they may do.
        door: where it listens.
        journal: the access log; one that writes nowhere when left out.

    Attributes:
        keys: who may come in.
        monitor: the health of the server behind.
        endpoint: its address for an OpenAI client; it ends in `/v1`.

    Raises:
        PortInUse: another program holds the port.
        GatewayError: it cannot listen there for another reason.
    """

    def __init__(
        self, lab: Lab, keys: KeyRing | None, rules: Rules, door: Door, journal: Journal | None = None
    ) -> None:
        self._socket = _listen(door)
        self._folder = TemporaryDirectory(prefix="labkit-gateway-") if keys is None else None
        self.keys = keys or KeyRing(Path(self._folder.name if self._folder else "") / "keys.json")
        self.monitor = Monitor(lab)
        self.app = App(lab, self.keys, rules, self.monitor, journal or Journal(None))
        self._lab, self._labs = lab, dict[str, Lab]()
        self.endpoint = f"{door.scheme}://{door.host}:{self._socket.getsockname()[1]}/v1"
        self._server = _server(self.app, door)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="labkit-gateway", daemon=True)

    @property
    def log(self) -> tuple[Entry, ...]:
        """The last 1,000 requests, oldest first."""
        return tuple(self.app.journal.entries)

    def lab(self, key: str) -> Lab:
        """Gives the Lab of somebody who comes through the gateway, the same one each time.

        Args:
            key: that person's.
        """
        if key not in self._labs:
            self._labs[key] = replace(self._lab, endpoint=self.endpoint, api_key=key)
        return self._labs[key]

    def start(self) -> Self:
        """Starts in a thread of its own, and waits until requests are answered.

        Raises:
            GatewayError: it does not start.
        """
        _warm_up()
        self.monitor.start()
        self._thread.start()
        if not self._started.wait(_PATIENCE):
            raise GatewayError(f"The gateway did not start within {_PATIENCE:.0f} s. Run the same line again.")
        return self

    def stop(self) -> None:
        """Stops; running answers break off. Stopping twice does nothing."""
        self.monitor.stop()
        for lab in self._labs.values():
            if "client" in lab.__dict__:  # made on first use; its idle connections end with the server
                lab.client.close()
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_PATIENCE)
        if self._folder:
            self._folder.cleanup()

    def run(self, ready: Callable[[Self], None]) -> None:
        """Runs in this thread until SIGINT or SIGTERM, and then lets running answers end.

        Args:
            ready: is called once requests are answered; it may say where.
        """
        _warm_up()
        with self.monitor:
            self._run(lambda: ready(self))

    def _run(self, ready: Callable[[], None] = lambda: None) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: Callable[[], None]) -> None:
        serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        while not (self._server.started or serving.done()):
            await asyncio.sleep(0.001)
        self._started.set()
        ready()
        try:
            await serving
        finally:
            await self.app.upstream.close()

    def __repr__(self) -> str:
        return f"Gate({self.endpoint})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run(lab: Lab, *, rules: Rules = Rules(), keys: KeyRing | None = None, port: int = 0) -> Gate:  # noqa: B008  # immutable
    """Starts a gateway on 127.0.0.1.

    Args:
        lab: the server behind it.
        rules: what its users may do.
        keys: who may come in; a ring that is empty and ends with the gateway, when left out.
        port: the TCP port; 0 lets the system choose.

    Returns:
        The running gateway. `with run(...) as gate:` stops it at the end.

    Raises:
        PortInUse: another program holds the port.
    """
    return Gate(lab, keys, rules, Door(port=port)).start()


def serve(lab: Lab, *, ready: Callable[[Gate], None], rules: Rules, keys: KeyRing, door: Door) -> None:
    """Runs a gateway in the foreground until SIGINT or SIGTERM, with its access log on standard output.

    Args:
        lab, rules, keys: as for `run()`.
        ready: is called once requests are answered; it may say where.
        door: where it listens.

    Raises:
        PortInUse: another program holds the port.
        GatewayError: it cannot listen there for another reason.
    """
    with suppress(KeyboardInterrupt):
        Gate(lab, keys, rules, door, Journal(sys.stdout)).run(ready)


def _warm_up() -> None:
    # The monitor's first check imports it, and while Python reads a module for a second it answers nobody.
    import openai  # noqa: F401


def _listen(door: Door) -> socket:
    try:
        return listen(door.port, door.host)
    except (OSError, OverflowError) as error:
        raise GatewayError(f"{door.host}:{door.port} cannot be used: {error}. Choose with --host and --port.") from None


def _server(app: App, door: Door) -> Server:
    from uvicorn import Server

    return Server(_config(app, door))


def _config(app: App, door: Door) -> Config:
    from uvicorn import Config

    from labkit.gateway.protocol import protocol

    return Config(
        _with_cors(app),
        http=protocol(app),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
        ssl_certfile=door.certificate,
        ssl_keyfile=door.private_key,
        proxy_headers=bool(door.proxies),
        forwarded_allow_ips=list(door.proxies),
        loop="asyncio",
    )


def _with_cors(app: App) -> Any:
    if not app.rules.origins:
        return app
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=app.rules.origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),
        expose_headers=("retry-after", "retry-after-ms", "x-request-id", "x-ratelimit-remaining-requests"),
        max_age=600,
    )
