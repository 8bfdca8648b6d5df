"""A simulated cloud that runs: its address, a Lab for it, its journal and the verdict on its clients.

It puts the parts together. How each works stands in its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from labkit.client import Lab, connect
from labkit.simulator.app import App
from labkit.simulator.clock import Clock, RealClock, VirtualClock
from labkit.simulator.fault import Faults, FaultSpec
from labkit.simulator.journal import Moment, Request
from labkit.simulator.profile import Profile, find_profile
from labkit.simulator.recording import Recording, Replay
from labkit.simulator.server import Server
from labkit.simulator.upstream import FixedText, RealModel, Upstream
from labkit.simulator.verdict import Verdict, judge

_SOURCE, _KEY = "simulated-cloud", "simulated-key"


class Cloud:
    """A simulated cloud. It runs until `stop()`, or until the end of its `with` block.

    Attributes:
        app: the ASGI application.
        clock: the clock that it lives on.
        endpoint: its address for an OpenAI client; it ends in `/v1`.
        lab: the Lab that leads to it; its source is `simulated-cloud`.
    """

    app: App
    clock: Clock
    endpoint: str
    lab: Lab

    @property
    def profile(self) -> Profile:
        """How fast, how expensive and how generous it is."""
        return self.app.profile

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.app.faults

    def break_with(self, faults: FaultSpec) -> None:
        """Changes what goes wrong, from the next request on.

        Args:
            faults: what `run(faults=...)` takes; None heals the cloud.

        Raises:
            SimulatorError: the plan cannot be understood.
        """
        self.app.faults = Faults.parse(faults)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The last 20,000 requests, oldest first."""
        return tuple(self.app.journal)

    @property
    def cost(self) -> float:
        """What the requests that are kept would have cost, in US dollars."""
        return sum(request.cost for request in self.requests)

    def timeline(self) -> tuple[Moment, ...]:
        """Gives all that happened, in order: arrivals, tokens and endings."""
        return self.app.journal.timeline()

    def noticed(self, request: int) -> None:
        """Tells the judge that the client has noticed a bad ending, which no server can see.

        Args:
            request: its number; it is also the last part of the header `x-request-id`.
        """
        for entry in self.requests:
            if entry.number == request:
                entry.noticed = True

    def verdict(self) -> Verdict:
        """Judges the clients by all that they did until now."""
        return judge(self.app.journal, self.app.elapsed(self.clock.now()))

    def stop(self) -> None:
        """Stops, within two seconds; what is in flight is broken off. Stopping twice does nothing."""
        if "client" in self.lab.__dict__:  # made on first use; its idle connections end with the server
            self.lab.client.close()

    def __repr__(self) -> str:
        return f"Cloud({self.profile.name!r}, {self.endpoint}, {len(self.app.journal):,} requests)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ServedCloud(Cloud):
    """A simulated cloud on a port of this machine, in real time.

    Args:
        app: the application.
        port: the TCP port; 0 lets the system choose.

    Raises:
        PortInUse: another program holds the port.
    """

    def __init__(self, app: App, port: int) -> None:
        self.app, self.clock = app, RealClock()
        self._server = Server(app, port)
        self._server.start()
        self.endpoint = f"http://127.0.0.1:{self._server.port}/v1"
        self.lab = Lab(_SOURCE, self.endpoint, _KEY, app.upstream.model, app.upstream.context_length)

    def stop(self) -> None:
        super().stop()
        self._server.stop()

    def wait(self) -> None:
        """Waits until it is stopped, or until Ctrl-C."""
        with suppress(KeyboardInterrupt):
            self._server.wait()


class VirtualCloud(Cloud):
    """A simulated cloud without a socket, in virtual time.

    Args:
        app: the application.
        clock: the clock; several clouds can share one.
    """

    def __init__(self, app: App, clock: VirtualClock) -> None:
        from labkit.simulator.inprocess import InProcessLab

        self.app, self.clock, self._clock = app, clock, clock
        self.endpoint = "http://simulated/v1"
        model, length = app.upstream.model, app.upstream.context_length
        self.lab = InProcessLab(_SOURCE, self.endpoint, _KEY, model, length, app=app, clock=clock)

    def stop(self) -> None:
        super().stop()
        if not self._clock.is_closed:  # with the clock everything on it has ended
            self.app.hang_up()
            self._clock.run(self.app.upstream.close())


def run(
    profile: str | Profile = "cloud",
    *,
    text: str | None = None,
    model: str | Lab = "course-large",
    replay: str | Path | None = None,
    faults: FaultSpec = None,
    seed: int = 0,
    port: int = 0,
    clock: VirtualClock | None = None,
) -> Cloud:
    """Starts a simulated cloud.

    Args:
        profile: `local`, `cloud`, `mobile`, `overloaded`, `instant`, or a profile of one's own.
        text: what it answers, always; a real model answers when left out.
        model: the model that answers, by alias or as a Lab.
        replay: a recording that it plays, with the recorded times, whatever the profile says of time.
        faults: what goes wrong: `"cut"`, `"cut:0.2"`, `"cut@3"`, several of these, or `{3: "cut", "429": 0.1}`.
        seed: fixes latencies and faults.
        port: the TCP port; 0 lets the system choose.
        clock: a virtual clock; then there is no port and no socket.

    Returns:
        The running cloud. `with run(...) as cloud:` stops it at the end.

    Raises:
        SimulatorError: the profile or a fault is not known, or a value cannot be used.
        PortInUse: another program holds the port.
        LabkitError: the model cannot be reached; see `labkit.connect`.
    """
    app = asgi(profile, text=text, model=model, replay=replay, faults=faults, seed=seed)
    return ServedCloud(app, port) if clock is None else VirtualCloud(app, clock)


def serve(
    profile: str | Profile = "cloud",
    *,
    ready: Callable[[Cloud], None],
    text: str | None = None,
    model: str | Lab = "course-large",
    replay: str | Path | None = None,
    faults: FaultSpec = None,
    seed: int = 0,
    port: int = 0,
) -> Cloud:
    """Runs a simulated cloud in the foreground, until Ctrl-C.

    Args:
        ready: is called once requests are answered; it may say where.
        profile, text, model, replay, faults, seed, port: as for `run()`, with the same errors.

    Returns:
        The cloud, stopped; its verdict and its journal stay readable.
    """
    app = asgi(profile, text=text, model=model, replay=replay, faults=faults, seed=seed)
    with ServedCloud(app, port) as cloud:
        ready(cloud)
        cloud.wait()
    return cloud


def asgi(
    profile: str | Profile = "cloud",
    *,
    text: str | None = None,
    model: str | Lab = "course-large",
    replay: str | Path | None = None,
    faults: FaultSpec = None,
    seed: int = 0,
) -> App:
    """Makes a simulated cloud as an ASGI application, for a server of one's own.

    Args and errors are those of `run()`. A server without the extension `labkit.connection` cannot reset connections;
    it drops them.
    """
    found, plan = find_profile(profile), Faults.parse(faults)
    return App(_upstream(text, model, replay), found, plan, seed)


def _upstream(text: str | None, model: str | Lab, replay: str | Path | None) -> Upstream:
    if text is not None:
        return FixedText(text)
    if replay is not None:
        return Replay(Recording.load(replay))
    return RealModel(connect(model) if isinstance(model, str) else model)
