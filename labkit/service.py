"""A Foundry Local web service, seen from outside over HTTP: its status and its models.

The same view serves the service of this process and one that another process runs. It knows nothing of chat.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from labkit.errors import ModelError, RuntimeUnavailable

# A proxy from the environment must never see requests for this machine.
_open = build_opener(ProxyHandler({})).open

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
        return [entry["id"] for entry in self._get("/v1/models", _QUICK)["data"]]

    def resolve(self, alias_or_id: str) -> str | None:
        """Finds the id of a model that the service offers, or gives None.

        The service does not tell aliases. An id fits when it is the name, or begins with it; loaded ones come first.

        Args:
            alias_or_id: an alias or an id, in any case.
        """
        wanted = alias_or_id.strip().lower()
        offered = [*self.loaded_ids(), *self.model_ids()]
        exact = (i for i in offered if wanted in (i.lower(), i.lower().split(":")[0]))
        return next(exact, None) or next((i for i in offered if i.lower().startswith(f"{wanted}-")), None)

    def loaded_ids(self) -> list[str]:
        """Gives the ids of the models that are in memory, ready to answer."""
        return list(self._get("/models/loaded", _QUICK))

    def load(self, alias: str) -> None:
        """Brings a model into memory; does nothing when it is there.

        Args:
            alias: the model's alias (the route takes no ids).

        Raises:
            ModelError: the service refuses.
        """
        self._get(f"/models/load/{quote(alias, safe='')}", _LOADING)

    def unload(self, alias: str) -> None:
        """Takes a model out of memory; does nothing when it is not there.

        Args:
            alias: the model's alias (the route takes no ids).

        Raises:
            ModelError: the service refuses.
        """
        self._get(f"/models/unload/{quote(alias, safe='')}", _LOADING)

    def _get(self, path: str, timeout: float) -> Any:
        try:
            with _open(self.uri + path, timeout=timeout) as reply:
                return json.load(reply)
        except HTTPError as error:
            raise ModelError(f"Foundry Local at {self.uri} refused GET {path}: {_message(error)}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise RuntimeUnavailable(
                f"Foundry Local does not answer at {self.uri} ({error}). Start it with `labkit serve`."
            ) from error


def _message(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
