"""The interface of the first Foundry Local SDK, on today's.

Code that was written for `from foundry_local import FoundryLocalManager` works after changing this one import.
The models are in this process, or in another one that serves them already. This module knows nothing of chat.
"""

from __future__ import annotations

from typing import NoReturn

from labkit.errors import ModelError, ModelNotFound, RuntimeUnavailable
from labkit.library import Library
from labkit.model_info import ModelInfo, alias_of, nearest, pick
from labkit.runtime import own_service
from labkit.service import Service
from labkit.settings import Settings

__all__ = ["FoundryLocalManager", "ModelInfo"]


class FoundryLocalManager:
    """Starts Foundry Local, brings models into it and says how to reach it.

    A service of another process on FOUNDRY_PORT is used when it offers the model; else this process runs its own,
    which all managers of the process share.

    Args:
        alias_or_model_id: a model to bring into memory, by alias or id, in any case.
        bootstrap: start the service now, and load the model.

    Raises:
        LabkitError: a subclass says what went wrong and what to type next.
    """

    def __init__(self, alias_or_model_id: str | None = None, bootstrap: bool = True) -> None:
        self._settings = Settings.load()
        self._library = Library(self._settings)
        self._attached: Service | None = None  # the service of another process, if this manager uses one
        if bootstrap:
            self._choose(alias_or_model_id)
            if alias_or_model_id is not None:
                self.load_model(alias_or_model_id)

    @property
    def service_uri(self) -> str:
        """The service's address without a path, such as `http://127.0.0.1:51211`.

        Raises:
            RuntimeUnavailable: no service was started.
        """
        if service := self._service:
            return service.uri
        raise RuntimeUnavailable("No service was started. Call `manager.start_service()` first.")

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
        if not self.is_service_running():
            self._choose(None)

    def get_model_info(self, alias_or_model_id: str) -> ModelInfo:
        """Gives what is known of a model.

        Args:
            alias_or_model_id: an alias or an id, in any case.

        Raises:
            ModelNotFound: nobody knows it; the message names the nearest ones.
            DownloadFailed: it is not bundled, and the public catalog cannot be reached.
        """
        if self._attached is None:
            return self._library.find(alias_or_model_id)
        return self._attached.find(alias_or_model_id) or _refuse(self._attached, alias_or_model_id)

    def list_catalog_models(self) -> list[ModelInfo]:
        """Lists the models of the catalogs in use: the bundled ones, and the public ones once one was asked for."""
        return (self._attached or self._library).models()

    def list_cached_models(self) -> list[ModelInfo]:
        """Lists the models whose files lie in this user's model cache."""
        return self._library.cached_models()

    def list_loaded_models(self) -> list[ModelInfo]:
        """Lists the models that are in memory, ready to answer."""
        return (self._attached or self._library).loaded_models()

    def download_model(self, alias_or_model_id: str) -> ModelInfo:
        """Makes sure that a model's files lie in this user's model cache, with a progress bar while they are fetched.

        Args:
            alias_or_model_id: an alias or an id, in any case.

        Raises:
            ModelNotFound: nobody knows it.
            DownloadFailed: the catalog or the files cannot be reached.
            HomeNotWritable: the model cache cannot be written.
        """
        return self._library.download(alias_or_model_id)

    def load_model(self, alias_or_model_id: str) -> ModelInfo:
        """Brings a model into memory, after downloading it where that is needed.

        Args:
            alias_or_model_id: an alias or an id, in any case.

        Raises:
            ModelNotFound: nobody knows it.
            DownloadFailed: the catalog or the files cannot be reached.
            HomeNotWritable: the model cache cannot be written.
            ModelError: the model is there, but does not load.
        """
        if self._attached is None:
            return self._library.ready(alias_or_model_id)
        return self._attached.ready(alias_or_model_id) or _refuse(self._attached, alias_or_model_id)

    def unload_model(self, alias_or_model_id: str) -> None:
        """Takes a model out of memory; does nothing when it is not there.

        Args:
            alias_or_model_id: an alias or an id, in any case.
        """
        if self._attached is None:
            self._library.unload(alias_or_model_id)
        else:
            self._attached.unload(alias_of(alias_or_model_id))

    @property
    def _service(self) -> Service | None:
        return self._attached or own_service()

    def _choose(self, name: str | None) -> None:
        self._attached = self._elsewhere(name)
        if self._attached is None:
            self._library.runtime.serve()

    def _elsewhere(self, name: str | None) -> Service | None:
        service = Service(f"http://127.0.0.1:{self._settings.foundry_port}")
        if service == (own := own_service()) or not service.is_running():
            return None
        try:
            if own and own.is_running() and (name is None or pick(name, own.loaded_ids())):
                return None  # this process has it already, and earlier cells use it
            return service if name is None or service.ready(name) else None
        except (ModelError, RuntimeUnavailable):  # it cannot, but this process may
            return None


def _refuse(service: Service, name: str) -> NoReturn:
    known = map(alias_of, service.model_ids())
    raise ModelNotFound(name, nearest(name, known), f"the Foundry Local service at {service.uri}")
