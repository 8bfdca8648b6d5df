"""Foundry Local's native runtime, of which a process has one.

This module starts it, points it at the catalogs, and stops it. It knows nothing of the interface that learners see.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from labkit import catalog
from labkit.errors import HomeNotWritable, PortInUse, RuntimeUnavailable
from labkit.ports import holder
from labkit.service import Service
from labkit.settings import Settings

if TYPE_CHECKING:
    from foundry_local_sdk import Configuration, IModel
    from foundry_local_sdk import FoundryLocalManager as NativeManager

_shared: Runtime | None = None
_lock = threading.RLock()


def shared_runtime(settings: Settings, port: int = 0) -> Runtime:
    """Gives this process's runtime, and starts it the first time.

    Args:
        settings: where the model cache lies. Used the first time only, since a process has one native runtime.
        port: the port for its web service; 0 takes a free one. Used the first time only.

    Raises:
        RuntimeUnavailable: the SDK is missing, too old, or does not start.
        HomeNotWritable: LABKIT_HOME cannot be written.
    """
    global _shared  # noqa: PLW0603  # a process has one native runtime, and this is its one owner
    with _lock:
        if _shared is None:
            _shared = Runtime(settings, port)
            atexit.register(close_shared_runtime)
        return _shared


def own_service() -> Service | None:
    """Gives the web service of this process, or None while there is none."""
    return None if _shared is None else _shared.service


def close_shared_runtime() -> None:
    """Stops this process's runtime, if it runs, and frees its ports."""
    global _shared  # noqa: PLW0603  # see above
    with _lock:
        if _shared is not None:
            atexit.unregister(close_shared_runtime)
            _shared.close()
            _shared = None


class Runtime:
    """The native runtime with the bundled models in its catalog.

    Args:
        settings: where the model cache lies.
        port: the port for its web service; 0 takes a free one.
    """

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.is_public = False
        self.service: Service | None = None
        self._settings = settings
        self._port = port
        self._catalog = catalog.LoopbackCatalog()
        try:
            self._native = self._start()
        except BaseException:
            self._catalog.close()
            raise

    def models(self) -> list[IModel]:
        """Lists the models of the catalogs in use, each in its best variant for this machine."""
        with _lock:
            return list(self._native.catalog.list_models())

    def cached_models(self) -> list[IModel]:
        """Lists the models whose files lie in the model cache."""
        with _lock:
            return list(self._native.catalog.get_cached_models())

    def find(self, alias_or_id: str) -> IModel | None:
        """Looks a model up by alias or id, in the catalogs in use.

        Args:
            alias_or_id: such as `phi-4-mini` or `Phi-4-mini-instruct-generic-cpu:5`.
        """
        with _lock:
            known = self._native.catalog
            return known.get_model(alias_or_id) or known.get_model_variant(alias_or_id)

    def serve(self) -> Service:
        """Starts the web service on 127.0.0.1, if it does not run yet.

        Raises:
            PortInUse: another program holds the port that was asked for.
            RuntimeUnavailable: the web service does not start for another reason.
        """
        with _lock:
            if self.service is None:
                if self._port and (held_by := holder(self._port)):
                    raise PortInUse(self._port, held_by)
                with _explained("start its web service"):
                    self._native.start_web_service()
                self.service = Service(*(self._native.urls or ()))
                self._port = int(self.service.uri.rsplit(":", 1)[1])
            return self.service

    def open_public_catalog(self) -> None:
        """Adds the public catalog, which the runtime asks over the network.

        The runtime takes catalogs only when it starts. So it starts again, with the same models in memory and its
        web service at the same address.
        """
        with _lock:
            if self.is_public:
                return
            loaded = [model.id for model in self._native.catalog.get_loaded_models()]
            self._native.close()
            self.is_public = True
            self._native = self._start()
            for model in filter(None, map(self.find, loaded)):
                model.load()
            if self.service is not None:
                self.service = None
                self.serve()

    def close(self) -> None:
        """Stops the web service, takes the models out of memory and frees the ports."""
        with _lock:
            self._native.close()
            self._catalog.close()
            self.service = None

    def _start(self) -> NativeManager:
        _refuse_wrong_sdk()
        from foundry_local_sdk import FoundryLocalManager as NativeManager

        for model in catalog.bundled().values():  # the runtime looks into its cache once, when it starts
            catalog.install(model, self._settings.model_cache)
        with _silent_telemetry(), _explained("start"):
            manager = NativeManager(self._configuration())
            manager.catalog.list_models()
        return manager

    def _configuration(self) -> Configuration:
        from foundry_local_sdk import Configuration, LogLevel

        home = self._settings.home
        try:
            self._settings.model_cache.mkdir(parents=True, exist_ok=True)
            (home / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise HomeNotWritable(home, error) from error
        public = [self._settings.catalog_url] if self.is_public else []
        return Configuration(
            app_name="labkit",
            app_data_dir=str(home / "runtime"),
            model_cache_dir=str(self._settings.model_cache),
            logs_dir=str(home / "logs"),
            log_level=LogLevel.FATAL,
            web=Configuration.WebService(urls=f"http://127.0.0.1:{self._port}"),
            catalog_urls=[(url, None) for url in [self._catalog.url, *public]],
            disable_nonessential_telemetry=True,
        )


def _refuse_wrong_sdk() -> None:
    try:
        found = version("foundry-local-sdk")
    except PackageNotFoundError:
        found = "missing"
    if not found.startswith("2."):
        raise RuntimeUnavailable(
            f"labkit needs foundry-local-sdk 2.x, and here it is {found}. "
            "Run your command through `uv run`, or `pip install foundry-local-sdk==2.2.1` on Python 3.11 or newer."
        )


@contextmanager
def _silent_telemetry() -> Iterator[None]:
    """Keeps the runtime off the network: it sends its start-up event unless it believes to run in CI."""
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before


@contextmanager
def _explained(action: str) -> Iterator[None]:
    from foundry_local_sdk import FoundryLocalException

    try:
        yield
    except (FoundryLocalException, ImportError) as error:
        raise RuntimeUnavailable(
            f"Foundry Local could not {action}: {error}. `labkit doctor` looks for the cause."
        ) from error
