"""Who answers in this process: the local model, the cloud, a router between them, and monitors that watch both.

It knows nothing of Chainlit and of messages.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from labkit import health, routing
from labkit.catalog import bundled, find_bundled
from labkit.client import Lab, connect
from labkit.endpoint import Endpoint
from labkit.errors import EndpointError, LabkitError, ModelError
from labkit.settings import Settings

if TYPE_CHECKING:
    from labkit.routing import Backend, Router

LOCAL, CLOUD, AUTO = "Local", "Cloud", "Auto"
_WATCH_EVERY = 5.0  # seconds: how long a banner may be late


class Backends:
    """The backends of this process, made when they are first needed.

    Attributes:
        monitors: what watches the backends; empty until they were made.
    """

    def __init__(self) -> None:
        self.monitors = health.MonitorGroup()
        self._settings = Settings.load()
        self._labs: dict[str, Lab] = {}
        self._router: Router | None = None
        self._starting = asyncio.Lock()

    @property
    def local_source(self) -> str | None:
        """The server that the profile Local leads to; None for Foundry Local in this process or beside it."""
        return self._settings.base_url

    @property
    def cloud_source(self) -> str | None:
        """Who the cloud is; None for a simulated one."""
        if self._settings.azure_endpoint:
            return "Azure OpenAI"
        return "OpenAI" if self._settings.openai_api_key else None

    async def router(self) -> Router:
        """Gives the router between the local model and the cloud. The first call starts all that is needed.

        Raises:
            LabkitError: a backend cannot be made; the next call tries again.
        """
        async with self._starting:
            if self._router is None:
                self._router = await asyncio.to_thread(self._make)
                self.monitors.add(*health.MonitorGroup.of(self._router, every=_WATCH_EVERY).values())
                self.monitors.start()
        return self._router

    async def local(self, model: str | None = None) -> Backend:
        """Gives the local backend with a model in memory.

        Args:
            model: by alias or id; MODEL when left out.

        Raises:
            LabkitError: the model cannot be reached; the next call tries again.
        """
        name = model or self._settings.model
        if name not in self._labs:
            self._labs[name] = await asyncio.to_thread(connect, name)
        return routing.Backend.of(self._labs[name], "local")

    async def cloud(self) -> Backend:
        """Gives the cloud backend.

        Raises:
            LabkitError: it cannot be made.
        """
        return (await self.router()).backends[1]

    async def warm_up(self) -> None:
        """Starts all that is needed. What goes wrong is told to whoever asks first."""
        with suppress(LabkitError):
            router = await self.router()
            for lab in (backend.lab for backend in router.backends):
                _ = lab and lab.async_client  # made now, so that the first question does not wait for it

    def suspect(self) -> None:
        """Forgets how the local model is reached, and checks everybody: somebody could not be reached."""
        self._labs.clear()
        for monitor in self.monitors.values():
            asyncio.get_running_loop().run_in_executor(None, monitor.check)

    async def loaded_models(self) -> list[str]:
        """Lists the models that the local backend has in memory; only the one in use where it does not tell."""
        try:
            lab = (await self.local()).lab
            assert lab is not None  # noqa: S101  # `local` makes its backend of a Lab
            return await asyncio.to_thread(_loaded, lab)
        except LabkitError:
            return [self._settings.model]

    def stop(self) -> None:
        """Stops watching."""
        self.monitors.stop()

    def _make(self) -> Router:
        local = routing.Backend.of(self._local_lab(), "local")
        return routing.Router([local, self._make_cloud()])

    def _local_lab(self) -> Lab:
        settings = self._settings
        try:
            lab = connect()
        except (EndpointError, ModelError):
            if settings.base_url is None:
                raise
            return health.find()  # it may come later, and until then the monitors say what is wrong
        if settings.base_url is None and find_bundled(lab.model):
            for alias in bundled():  # small and quick to load, so that there is something to choose from
                connect(alias)
        return lab

    def _make_cloud(self) -> Backend:
        if self._settings.base_url is None or self.cloud_source:
            return routing.cloud()
        from labkit.foundry import FoundryLocalManager

        # BASE_URL stands for the local side; the model behind the simulated cloud must not fail together with it.
        manager = FoundryLocalManager("course-large")
        info = manager.get_model_info("course-large")
        lab = Lab("foundry-local", manager.endpoint, manager.api_key, info.id, info.context_length)
        return routing.simulated_cloud(model=lab)


def _loaded(lab: Lab) -> list[str]:
    endpoint = Endpoint(lab.endpoint, lab.api_key)
    return endpoint.service.loaded_ids() if lab.source == "foundry-local" else endpoint.model_ids()
