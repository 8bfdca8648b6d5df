"""The interface of the first Foundry Local SDK, on today's.

Code that was written for `from foundry_local import FoundryLocalManager` works after changing this one import.
The model lives in this process, or in another one that already serves it. This module knows nothing of chat.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from labkit import catalog
from labkit.errors import DownloadFailed, ModelError, ModelNotFound, RuntimeUnavailable
from labkit.progress import progress_bar
from labkit.runtime import Runtime, own_service, shared_runtime
from labkit.service import Service
from labkit.settings import Settings

if TYPE_CHECKING:
    from foundry_local_sdk import IModel

# Two cells or threads that construct managers at once would otherwise load a model twice.
_lock = threading.RLock()


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model.

    Attributes:
        alias: the short name, such as `course-large`.
        id: the exact name that the chat API wants, such as `course-large:1`.
        cached: whether its files lie on this machine.
        loaded: whether it is in memory, ready to answer.
        context_length: tokens that prompt and answer may have together, where known.
    """

    alias: str
    id: str
    cached: bool
    loaded: bool
    context_length: int | None = None


class FoundryLocalManager:
    """Starts Foundry Local, brings models into it and says how to reach it.

    A service that already runs on FOUNDRY_PORT is used when it offers the model; else this process runs its own.

    Args:
        alias_or_model_id: a model to bring into memory, by alias or id.
        bootstrap: start the service now, and load the model.

    Raises:
        LabkitError: a subclass says what went wrong and what to type next.
    """

    def __init__(self, alias_or_model_id: str | None = None, bootstrap: bool = True) -> None:
        self._settings = Settings.load()
        self._service: Service | None = None
        if bootstrap:
            with _lock:
                self._service = self._service_elsewhere(alias_or_model_id)
                self.start_service()
                if alias_or_model_id is not None:
                    self.load_model(alias_or_model_id)

    @property
    def service_uri(self) -> str:
        """The service's address without a path, such as `http://127.0.0.1:51211`.

        Raises:
            RuntimeUnavailable: no service was started.
        """
        return self._started().uri

    @property
    def endpoint(self) -> str:
        """The address for an OpenAI client; it ends in `/v1`."""
        return f"{self.service_uri}/v1"

    @property
    def api_key(self) -> str:
        """A placeholder: Foundry Local checks no key, but OpenAI clients insist on one."""
        return self._settings.api_key

    def is_service_running(self) -> bool:
        """Says whether the service answers now."""
        return self._service is not None and self._service.is_running()

    def start_service(self) -> None:
        """Starts the service; does nothing when it runs."""
        with _lock:
            if not self.is_service_running():
                self._service = self._runtime.serve()

    def get_model_info(self, alias_or_model_id: str) -> ModelInfo:
        """Gives what is known of a model.

        Args:
            alias_or_model_id: an alias or an id.

        Raises:
            ModelNotFound: nobody knows it; the message names the nearest ones.
            DownloadFailed: it is not bundled, and the public catalog cannot be reached.
        """
        if self._elsewhere is not None and (model_id := self._elsewhere.resolve(alias_or_model_id)):
            return _describe_id(self._elsewhere, model_id)
        return _describe(self._find(alias_or_model_id))

    def list_catalog_models(self) -> list[ModelInfo]:
        """Lists the models of the catalogs in use: the bundled ones, and the public ones once one was asked for."""
        if self._elsewhere is not None:
            return [_describe_id(self._elsewhere, model_id) for model_id in self._elsewhere.model_ids()]
        return [_describe(model) for model in self._runtime.models()]

    def list_cached_models(self) -> list[ModelInfo]:
        """Lists the models whose files lie on this machine."""
        return [_describe(model) for model in self._runtime.cached_models()]

    def list_loaded_models(self) -> list[ModelInfo]:
        """Lists the models that are in memory, ready to answer."""
        if self._service is None:
            return []
        return [_describe_id(self._service, model_id) for model_id in self._service.loaded_ids()]

    def download_model(self, alias_or_model_id: str) -> ModelInfo:
        """Makes sure that a model's files lie on this machine, with a progress bar while they are fetched.

        Args:
            alias_or_model_id: an alias or an id.

        Raises:
            ModelNotFound: nobody knows it.
            DownloadFailed: the catalog or the files cannot be reached.
            HomeNotWritable: the model cache cannot be written.
        """
        with _lock:
            return _describe(self._downloaded(alias_or_model_id))

    def load_model(self, alias_or_model_id: str) -> ModelInfo:
        """Brings a model into memory, after downloading it where that is needed.

        Args:
            alias_or_model_id: an alias or an id.

        Raises:
            ModelNotFound: nobody knows it.
            DownloadFailed: the catalog or the files cannot be reached.
            HomeNotWritable: the model cache cannot be written.
            ModelError: the model is there, but does not load.
        """
        with _lock:
            if self._elsewhere is not None:
                return self._load_elsewhere(self._elsewhere, alias_or_model_id)
            model = self._downloaded(alias_or_model_id)
            if not model.is_loaded:
                _load(model)
            return _describe(model)

    def unload_model(self, alias_or_model_id: str) -> None:
        """Takes a model out of memory; does nothing when it is not there.

        Args:
            alias_or_model_id: an alias or an id.
        """
        self._started().unload(self.get_model_info(alias_or_model_id).alias)

    @property
    def _runtime(self) -> Runtime:
        return shared_runtime(self._settings)

    @property
    def _elsewhere(self) -> Service | None:
        """The service, when another process runs it."""
        return None if self._service is None or self._service == own_service() else self._service

    def _started(self) -> Service:
        if self._service is None:
            raise RuntimeUnavailable("No service was started. Call `manager.start_service()` first.")
        return self._service

    def _service_elsewhere(self, name: str | None) -> Service | None:
        service = Service(f"http://127.0.0.1:{self._settings.foundry_port}")
        if service == own_service() or not service.is_running():
            return None
        return service if name is None or service.resolve(name) else None

    def _load_elsewhere(self, service: Service, name: str) -> ModelInfo:
        if name not in service.loaded_ids():
            bundled = catalog.find_bundled(name)
            service.load(bundled.alias if bundled else name)
        return self.get_model_info(name)

    def _downloaded(self, name: str) -> IModel:
        model = self._find(name)
        if not model.is_cached and catalog.find_bundled(model.id) is None:
            _download(model)
        return model

    def _find(self, name: str) -> IModel:
        bundled = catalog.find_bundled(name)
        model = self._runtime.find(bundled.id if bundled else name)
        if model is not None:
            return model
        if nearest := get_close_matches(name, catalog.bundled(), cutoff=0.8):
            raise ModelNotFound(name, nearest, "the bundled models")
        self._runtime.open_public_catalog()
        model = self._runtime.find(name)
        return model if model is not None else self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        known = [model.alias for model in self._runtime.models()]
        if set(known) <= set(catalog.bundled()):
            raise DownloadFailed(name, f"the catalog {self._settings.catalog_url} did not answer")
        raise ModelNotFound(name, get_close_matches(name, known, cutoff=0.4), "the catalog")


def _describe(model: IModel) -> ModelInfo:
    bundled = catalog.find_bundled(model.id)
    length = bundled.context_length if bundled else model.context_length
    return ModelInfo(model.alias, model.id, model.is_cached, model.is_loaded, length)


def _describe_id(service: Service, model_id: str) -> ModelInfo:
    bundled = catalog.find_bundled(model_id)
    alias = bundled.alias if bundled else model_id.split(":", maxsplit=1)[0]
    length = bundled.context_length if bundled else None
    return ModelInfo(alias, model_id, True, model_id in service.loaded_ids(), length)


def _download(model: IModel) -> None:
    from foundry_local_sdk import FoundryLocalException

    try:
        with progress_bar(f"Downloading {model.id}") as report:
            model.download(report)
    except FoundryLocalException as error:
        raise DownloadFailed(model.alias, str(error)) from error


def _load(model: IModel) -> None:
    from foundry_local_sdk import FoundryLocalException

    try:
        model.load()
    except FoundryLocalException as error:
        raise ModelError(
            f"Foundry Local could not load {model.id}: {error}. `labkit doctor` checks memory and files."
        ) from error
