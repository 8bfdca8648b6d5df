"""A Foundry Local web service, seen from outside over HTTP: its status and its models.

It knows nothing of the runtime behind it, and nothing of chat.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

from labkit.catalog import find_bundled
from labkit.errors import ModelError, RuntimeUnavailable
from labkit.fetch import get_json
from labkit.model_info import ModelInfo, alias_of, pick

_QUICK, _LOADING = 2.0, 300.0  # seconds


@dataclass(frozen=True)
class Service:
    """A Foundry Local web service.

    Attributes:
        uri: its address without a path, such as `http://127.0.0.1:51211`.
    """

    uri: str

    def is_running(self) -> bool:
        """Says whether a Foundry Local service answers `GET /status` there."""
        try:
            status = self._get("/status", _QUICK)
        except (RuntimeUnavailable, ModelError):
            return False
        return isinstance(status, dict) and "modelCachePath" in status

    def model_ids(self) -> list[str]:
        """Gives the ids of all models that the service's catalogs list, loaded or not."""
        return [entry["id"] for entry in (self._get("/v1/models", _QUICK) or {"data": []})["data"]]

    def loaded_ids(self) -> list[str]:
        """Gives the ids of the models that are in memory, ready to answer."""
        return list(self._get("/models/loaded", _QUICK) or ())

    def models(self) -> list[ModelInfo]:
        """Lists what `model_ids` names."""
        loaded = self.loaded_ids()
        return [_describe(model_id, loaded) for model_id in self.model_ids()]

    def loaded_models(self) -> list[ModelInfo]:
        """Lists what `loaded_ids` names."""
        loaded = self.loaded_ids()
        return [_describe(model_id, loaded) for model_id in loaded]

    def find(self, name: str) -> ModelInfo | None:
        """Looks a model up by alias or id, in any case; a model in memory wins over one that is only listed."""
        loaded = self.loaded_ids()
        model_id = pick(name, loaded) or pick(name, self.model_ids())
        return _describe(model_id, loaded) if model_id else None

    def ready(self, name: str) -> ModelInfo | None:
        """Brings a model into memory, or gives None when the service does not offer it.

        Args:
            name: an alias or an id, in any case.

        Raises:
            ModelError: the service offers the model, but cannot load it.
        """
        before = self.loaded_ids()
        model_id = pick(name, before)
        if model_id is None and self.load(alias_of(name)):
            after = self.loaded_ids()
            # Not every id resembles its alias, so the model that has come is the one that was asked for.
            model_id = pick(name, after) or next((i for i in after if i not in before), None)
            return _describe(model_id, after) if model_id else None
        return _describe(model_id, before) if model_id else None

    def load(self, alias: str) -> bool:
        """Brings a model into memory, and says whether the service knows the alias.

        Args:
            alias: the model's alias (the route takes no ids).

        Raises:
            ModelError: the service knows the model, but cannot load it.
        """
        return self._get(f"/models/load/{quote(alias, safe='')}", _LOADING) is not None

    def unload(self, alias: str) -> None:
        """Takes a model out of memory; does nothing when it is not there.

        Args:
            alias: the model's alias (the route takes no ids).
        """
        self._get(f"/models/unload/{quote(alias, safe='')}", _LOADING)

    def _get(self, path: str, timeout: float) -> Any:
        try:
            return get_json(self.uri + path, timeout)
        except HTTPError as error:
            if error.code == 404:  # noqa: PLR2004  # the service's word for a name that it does not know
                return None
            raise ModelError(f"Foundry Local at {self.uri} refused GET {path}: {_message(error)}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise RuntimeUnavailable(
                f"Foundry Local does not answer at {self.uri} ({error}). Start it with `labkit serve`."
            ) from error


def _describe(model_id: str, loaded: list[str]) -> ModelInfo:
    bundled = find_bundled(model_id)
    length = bundled.context_length if bundled else None
    return ModelInfo(alias_of(model_id), model_id, True, model_id in loaded, length)


def _message(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
