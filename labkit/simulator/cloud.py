"""A simulated cloud that runs: its address, a Lab for it, its journal and the verdict on its clients."""

from __future__ import annotations

from types import TracebackType

from labkit.client import Lab, connect
from labkit.simulator.app import App
from labkit.simulator.fault import Faults, FaultSpec
from labkit.simulator.journal import Request
from labkit.simulator.profile import Profile, find_profile
from labkit.simulator.server import Server
from labkit.simulator.upstream import FixedText, RealModel, Upstream


class Cloud:
    """A simulated cloud on a port of this machine. It runs from the start until `stop()`, or as a context.

    Args:
        app: the application.
        port: the TCP port; 0 lets the system choose.

    Attributes:
        endpoint: its address for an OpenAI client; it ends in `/v1`.
        lab: the Lab that leads to it; its source is `simulated-cloud`.
    """

    def __init__(self, app: App, port: int = 0) -> None:
        self.app = app
        self._server = Server(app, port)
        self._server.start()
        self.endpoint = f"http://127.0.0.1:{self._server.port}/v1"
        self.lab = Lab("simulated-cloud", self.endpoint, "simulated", app.upstream.model, app.upstream.context_length)

    @property
    def profile(self) -> Profile:
        """How fast, how expensive and how generous it is."""
        return self.app.profile

    @property
    def faults(self) -> Faults:
        """What goes wrong; set it to something that `run(faults=...)` takes to change it from now on."""
        return self.app.faults

    @faults.setter
    def faults(self, spec: FaultSpec) -> None:
        self.app.faults = Faults.parse(spec)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The last ten thousand requests, oldest first."""
        return tuple(self.app.journal)

    def stop(self) -> None:
        """Stops the server, within two seconds; what is in flight is broken off. Stopping twice does nothing."""
        if "client" in self.lab.__dict__:  # made on first use; its idle connections end with the server
            self.lab.client.close()
        self._server.stop()

    def __enter__(self) -> Cloud:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run(
    profile: str | Profile = "cloud",
    *,
    text: str | None = None,
    model: str | Lab = "course-large",
    faults: FaultSpec = None,
    seed: int = 0,
    port: int = 0,
) -> Cloud:
    """Starts a simulated cloud.

    Args:
        profile: `local`, `cloud`, `mobile`, `overloaded`, `instant`, or a profile of one's own.
        text: what it answers, always; a real model answers when left out.
        model: the model that answers, by alias or as a Lab.
        faults: what goes wrong: `"cut"`, `"cut:0.2"`, `"cut@3"`, several of these, or `{3: "cut", "429": 0.1}`.
        seed: fixes latencies and faults.
        port: the TCP port; 0 lets the system choose.

    Returns:
        The running cloud. `with run(...) as cloud:` stops it at the end.

    Raises:
        SimulatorError: the profile or a fault is not known, or a value cannot be used.
        PortInUse: another program holds the port.
    """
    found, plan = find_profile(profile), Faults.parse(faults)
    return Cloud(App(_upstream(text, model), found, plan, seed), port)


def _upstream(text: str | None, model: str | Lab) -> Upstream:
    if text is not None:
        return FixedText(text)
    return RealModel(connect(model) if isinstance(model, str) else model)
