"""Foundry Local's native runtime, of which a process has one.

This module starts it, points it at the catalogs, and stops it. It knows nothing of downloads and of the interface
that learners see.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from labkit import catalog
from labkit.closer import Closer
from labkit.errors import HomeNotWritable, LabkitError, PortInUse, RuntimeUnavailable
from labkit.model_info import pick
from labkit.ports import holder
from labkit.service import Service
from labkit.settings import Settings

if TYPE_CHECKING:
    from foundry_local_sdk import Configuration, IModel
    from foundry_local_sdk import FoundryLocalManager as NativeManager

_shared: Runtime | None = None
_lock = threading.RLock()
_PATIENCE = 5.0  # seconds that stopping waits for another thread's work with the runtime


def shared_runtime(settings: Settings, port: int = 0) -> Runtime:
    """Gives this process's runtime, and starts it the first time.

    Args:
        settings: where the model cache lies. Used the first time only, since a process has one native runtime.
        port: the port for its web service; 0 takes a free one. Used the first time only.

    Raises:
        RuntimeUnavailable: the SDK is missing, too old, or does not start.
        HomeNotWritable: LABKIT_HOME cannot be written.
        ModelDamaged: the weights that labkit ships are damaged.
    """
    global _shared  # noqa: PLW0603  # a process has one native runtime, and this is its one owner
    with _lock:
        if _shared is None:
            _shared = Runtime(settings, port)
            atexit.unregister(_end)
            atexit.register(_end)
        return _shared


def own_service() -> Service | None:
    """Gives the web service of this process, or None while there is none."""
    return None if _shared is None else _shared.service


def close_shared_runtime() -> bool:
    """Stops this process's runtime, if it runs, and frees its ports; says whether that is done."""
    global _shared  # noqa: PLW0603  # see above
    if not _lock.acquire(timeout=_PATIENCE):
        return False
    try:
        if _shared is not None and _shared.close():
            _shared = None
        return _shared is None
    finally:
        _lock.release()


def _end() -> None:
    if not close_shared_runtime():
        # A runtime that does not stop would keep the process from ending, too, when its library is unloaded.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


class Runtime:
    """The native runtime with the bundled models in its catalog.

    Args:
        settings: where the model cache lies.
        port: the port for its web service; 0 takes a free one.
    """

    lock = _lock

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.service: Service | None = None
        self.is_public = False
        self._settings = settings
        self._port = port
        self._catalog = catalog.LoopbackCatalog(settings.model_cache)
        try:
            self._native = self._start()
        except BaseException:
            self._catalog.close()
            raise

    def models(self) -> list[IModel]:
        """Lists the models of the catalogs in use, each in its best variant for this machine."""
        with self.lock:
            return list(self._native.catalog.list_models())

    def cached_models(self) -> list[IModel]:
        """Lists the models whose files lie in the model cache."""
        with self.lock:
            return list(self._native.catalog.get_cached_models())

    def loaded_models(self) -> list[IModel]:
        """Lists the models that are in memory, ready to answer."""
        with self.lock:
            return list(self._native.catalog.get_loaded_models())

    def find(self, alias_or_id: str) -> IModel | None:
        """Looks a model up by alias or id, in the catalogs in use.

        Args:
            alias_or_id: such as `phi-4-mini` or `Phi-4-mini-instruct-generic-cpu:5`, in any case.
        """
        with self.lock:
            models = {model.alias.lower(): model for model in self._native.catalog.list_models()}
            if best := models.get(alias_or_id.strip().lower()):
                return best
            variants = {variant.id: variant for model in models.values() for variant in model.variants}
            return variants.get(pick(alias_or_id, list(variants)) or "")

    def serve(self) -> Service:
        """Starts the web service on 127.0.0.1, if it does not run yet.

        Raises:
            PortInUse: another program holds the port that was asked for.
            RuntimeUnavailable: the web service does not start for another reason.
        """
        with self.lock:
            if self._native.is_shutdown_requested():
                raise RuntimeUnavailable(
                    "Somebody shut Foundry Local down from outside (POST /shutdown), and it starts once in a process. "
                    "Restart the kernel or the program."
                )
            if self.service is None:
                if self._port and (held_by := holder(self._port)):
                    raise PortInUse(self._port, held_by)
                with _explained("start its web service"):
                    self._native.start_web_service()
                self.service = Service(*(self._native.urls or ()))
                self._port = int(self.service.uri.rsplit(":", 1)[1])
            return self.service

    def open_public_catalog(self) -> bool:
        """Adds the public catalog, which the runtime asks over the network, and says whether it answered.

        The runtime takes catalogs only when it starts. So it starts again, with the same models in memory and its
        web service at the same address.
        """
        with self.lock:
            known = len(self.models())
            before = [model.id for model in self.loaded_models()], self.service is not None
            self.is_public = True
            try:
                self._restart(*before)
            except LabkitError:
                self.is_public = False
                self._restart(*before)
            self.is_public = self.is_public and len(self.models()) > known
            return self.is_public

    def close(self) -> bool:
        """Stops the web service, takes the models out of memory and frees the ports; says whether that is done."""
        with self.lock:
            if self._stop():
                self._catalog.close()
                return True
            return False

    def _restart(self, loaded: list[str], serve: bool) -> None:
        if not self._stop():
            raise RuntimeUnavailable("Foundry Local does not stop. Restart the kernel or the program.")
        self._native = self._start()
        for model in filter(None, map(self.find, loaded)):
            with quiet_environment(), _explained(f"load {model.id} again"):
                model.load()
        if serve:
            self.serve()

    def _stop(self) -> bool:
        if not self._closer.close(self._port if self.service else None, _PATIENCE):
            return False
        self.service = None
        return True

    def _start(self) -> NativeManager:
        native_manager = _native_manager()
        for model in catalog.bundled().values():  # the runtime looks into its cache once, when it starts
            catalog.install(model, self._settings.model_cache)
        configuration = self._configuration()
        with quiet_environment(), _explained("start"):
            manager = native_manager(configuration)
            manager.catalog.list_models()
        atexit.unregister(manager.close)  # it would wait where the closer knocks
        self._closer = Closer(manager)
        return manager

    def _configuration(self) -> Configuration:
        from foundry_local_sdk import Configuration, LogLevel

        home = self._settings.home
        try:
            (home / "logs").mkdir(parents=True, exist_ok=True)
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


def _native_manager() -> type[NativeManager]:
    try:
        found = version("foundry-local-sdk")
        if found.startswith("2."):
            from foundry_local_sdk import FoundryLocalManager as NativeManager

            return NativeManager
    except PackageNotFoundError:
        found = "missing"
    except (ImportError, OSError) as error:  # its native library does not fit this machine
        found = f"broken: {error}"
    raise RuntimeUnavailable(
        f"labkit needs foundry-local-sdk 2.x, and here it is {found}. "
        "Run your command through `uv run`, or `pip install foundry-local-sdk==2.2.1` on Python 3.11 or newer."
    )


@contextmanager
def quiet_environment() -> Iterator[None]:
    """Keeps the runtime off the network while it starts, or while it loads a model.

    It notes both for its makers, and tells them some seconds later, unless it believes to run in CI, whatever its
    settings say. And it asks a proxy from the environment even for addresses of this machine.
    """
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    no_proxy = f"{direct},127.0.0.1" if direct else "127.0.0.1"
    wanted = {"CI": "true", "NO_PROXY": no_proxy, "no_proxy": no_proxy}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)  # on Windows both spellings of NO_PROXY are one variable
            else:
                os.environ[name] = value


@contextmanager
def _explained(action: str) -> Iterator[None]:
    from foundry_local_sdk import FoundryLocalException

    try:
        yield
    except FoundryLocalException as error:
        raise RuntimeUnavailable(
            f"Foundry Local could not {action}: {error}. `labkit doctor` looks for the cause."
        ) from error
