"""The models of this process's runtime: found, downloaded, brought into memory.

It knows nothing of services in other processes.
"""

from __future__ import annotations

import json
import ssl
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError

from labkit import catalog
from labkit.errors import DownloadFailed, ModelError, ModelNotFound
from labkit.fetch import get_json
from labkit.model_info import ModelInfo, nearest
from labkit.progress import progress_bar
from labkit.runtime import Runtime, quiet_environment, shared_runtime
from labkit.settings import Settings

if TYPE_CHECKING:
    from foundry_local_sdk import IModel

_CATALOG_TIMEOUT = 4.0  # seconds


@dataclass(frozen=True)
class Library:
    """The models of this process's runtime.

    Attributes:
        settings: where the model cache and the public catalog are.
    """

    settings: Settings

    @property
    def runtime(self) -> Runtime:
        """The runtime, which starts the first time."""
        return shared_runtime(self.settings)

    def models(self) -> list[ModelInfo]:
        """Lists the models of the catalogs in use: the bundled ones, and the public ones once one was asked for."""
        return [_describe(model) for model in self.runtime.models()]

    def cached_models(self) -> list[ModelInfo]:
        """Lists the models whose files lie in the model cache."""
        return [_describe(model) for model in self.runtime.cached_models()]

    def loaded_models(self) -> list[ModelInfo]:
        """Lists the models that are in memory, ready to answer."""
        return [_describe(model) for model in self.runtime.loaded_models()]

    def find(self, name: str) -> ModelInfo:
        """Looks a model up, in the public catalog only when nothing else knows it.

        Args:
            name: an alias or an id, in any case.

        Raises:
            ModelNotFound: nobody knows it; the message names the nearest ones.
            DownloadFailed: only the public catalog could know it, and cannot be reached.
        """
        return _describe(self._find(name))

    def download(self, name: str) -> ModelInfo:
        """Makes sure that a model's files lie in the model cache, with a progress bar while they are fetched.

        Args:
            name: an alias or an id, in any case.

        Raises:
            ModelNotFound: nobody knows it.
            DownloadFailed: the catalog or the files cannot be reached.
        """
        with self.runtime.lock:
            return _describe(self._downloaded(name))

    def ready(self, name: str) -> ModelInfo:
        """Brings a model into memory, after downloading it where that is needed.

        Args:
            name: an alias or an id, in any case.

        Raises:
            ModelNotFound: nobody knows it.
            DownloadFailed: the catalog or the files cannot be reached.
            ModelError: the model is there, but does not load.
        """
        with self.runtime.lock:  # two threads at once would load it twice
            model = self._downloaded(name)
            if not model.is_loaded:
                _load(model)
            return _describe(model)

    def unload(self, name: str) -> None:
        """Takes a model out of memory; does nothing when it is not there.

        Args:
            name: an alias or an id, in any case.
        """
        with self.runtime.lock:
            model = self._find(name)
            if model.is_loaded:
                model.unload()

    def _downloaded(self, name: str) -> IModel:
        model = self._find(name)
        if not model.is_cached:
            _download(model)
        if catalog.find_bundled(model.id) is None:
            catalog.remember(model)
        return model

    def _find(self, name: str) -> IModel:
        if model := self.runtime.find(name):
            return model
        if looks_like := nearest(name, catalog.bundled(), likeness=0.8):  # a slip of the finger needs no network
            raise ModelNotFound(name, looks_like, "the bundled models")
        if not self.runtime.is_public:
            self._open_public_catalog(name)
        if model := self.runtime.find(name):
            return model
        known = [model.alias for model in self.runtime.models()]
        raise ModelNotFound(name, nearest(name, known), "the catalog")

    def _open_public_catalog(self, name: str) -> None:
        url = self.settings.catalog_url
        # Without an answer the runtime would stop serving for seconds, deaf to Ctrl-C, only to fail.
        if trouble := _trouble_with(url):
            raise DownloadFailed(name, f"the catalog {url} did not answer ({trouble})")
        if not self.runtime.open_public_catalog():
            raise DownloadFailed(name, f"the catalog {url} gave no list of models")


def _describe(model: IModel) -> ModelInfo:
    is_cached = model.is_cached
    length = model.context_length or (_context_length(Path(model.get_path())) if is_cached else None)
    return ModelInfo(model.alias, model.id, is_cached, model.is_loaded, length)


def _context_length(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / "genai_config.json").read_text("utf-8"))["model"]["context_length"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _trouble_with(url: str) -> str | None:
    try:
        get_json(url, _CATALOG_TIMEOUT)
    except HTTPError as error:
        return f"HTTP {error.code}" if error.code >= 500 else None  # noqa: PLR2004  # the server's fault, not ours
    except ValueError:
        return None  # it answers something; the runtime asks in its own way
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        # The runtime has certificates of its own, and may trust a server that this Python does not.
        return None if isinstance(cause, ssl.SSLError) else str(cause)
    return None


def _download(model: IModel) -> None:
    from foundry_local_sdk import FoundryLocalException

    cancelled = threading.Event()
    outcome: Future[None] = Future()
    percent = [0.0]

    def fetch() -> None:
        try:
            model.download(lambda value: percent.__setitem__(0, value), cancelled)
            outcome.set_result(None)
        except Exception as error:
            outcome.set_exception(error)

    # In a thread of its own, since the native call would keep Ctrl-C waiting until the last byte.
    threading.Thread(target=fetch, daemon=True).start()
    try:
        with progress_bar(f"Downloading {model.id}") as report:
            while not _is_done(outcome):
                report(percent[0])
            outcome.result()
            report(100)
    except FoundryLocalException as error:
        raise DownloadFailed(model.alias, str(error)) from error
    finally:
        cancelled.set()


def _is_done(outcome: Future[None]) -> bool:
    wait([outcome], timeout=0.1)
    return outcome.done()


def _load(model: IModel) -> None:
    from foundry_local_sdk import FoundryLocalException

    try:
        with quiet_environment():
            model.load()
    except FoundryLocalException as error:
        raise ModelError(
            f"Foundry Local could not load {model.id}: {error}. `labkit doctor` checks memory and files."
        ) from error
