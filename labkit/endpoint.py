"""An OpenAI-compatible address that somebody typed: put right, recognised, and asked for its models.

It knows nothing of Foundry Local's runtime and of chat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from labkit.errors import EndpointUnreachable, ModelNotFound, NotOpenAI, Unauthorised
from labkit.fetch import get_json, is_loopback
from labkit.model_info import nearest, pick
from labkit.service import Service

_TIMEOUT = 5.0  # seconds
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server.

    Attributes:
        url: its address, which ends in `/v1`.
        api_key: the key to show there.
        notes: what was corrected in the address, in words.
    """

    url: str
    api_key: str = field(repr=False)
    notes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, base_url: str, api_key: str) -> Endpoint:
        """Makes an endpoint of a BASE_URL as people type it.

        Args:
            base_url: an http or https address, with or without `/v1`.
            api_key: the key to show there.
        """
        notes = []
        url = base_url.rstrip("/")
        if url != base_url:
            notes.append("BASE_URL ends in a slash; labkit left the slash out.")
        head, version, route = url.partition("/v1/")
        if version:
            url = f"{head}/v1"
            notes.append(f"BASE_URL goes on after /v1; labkit left /{route} out.")
        if not urlsplit(url).path:
            url += "/openai/v1" if (urlsplit(url).hostname or "").endswith(_AZURE) else "/v1"
            notes.append(f"BASE_URL lacks /v1; labkit uses {url}.")
        return cls(url, api_key, tuple(notes))

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return is_loopback(self.url)

    @cached_property
    def source(self) -> str:
        """Who answers there: `foundry-local`, `azure`, `openai` or `openai-compatible`."""
        host = urlsplit(self.url).hostname or ""
        if host.endswith(_AZURE):
            return "azure"
        if host == "api.openai.com":
            return "openai"
        return "foundry-local" if self.service.is_running() else "openai-compatible"

    @property
    def service(self) -> Service:
        """The server seen as a Foundry Local service."""
        return Service(self.url.removesuffix("/v1"))

    def find_model(self, name: str) -> str:
        """Finds the exact name under which the server knows a model; Foundry Local brings it into memory.

        Args:
            name: an alias or an id, in any case.

        Raises:
            EndpointError: a subclass says why the server cannot be asked.
            ModelNotFound: the server has no such model.
            ModelError: Foundry Local has the model, and cannot load it.
        """
        if self.source == "azure":  # Azure lists models, but it answers to the names of deployments
            return name
        if self.source == "foundry-local" and (info := self.service.ready(name)):
            return info.id
        offered = self.model_ids()
        if self.source != "foundry-local" and (found := pick(name, offered)):
            return found
        raise ModelNotFound(name, nearest(name, offered) or offered[:3], f"the server at {self.url}")

    def model_ids(self) -> list[str]:
        """Gives the ids of the models that the server lists.

        Raises:
            EndpointUnreachable: nothing answers.
            Unauthorised: the server refuses the key.
            NotOpenAI: the answer is not a list of models.
        """
        reply = self._get_models()
        try:
            return [str(entry["id"]) for entry in reply["data"]]
        except (KeyError, TypeError) as error:
            raise self._not_openai("JSON without a list of models") from error

    def _get_models(self) -> Any:
        try:
            return get_json(f"{self.url}/models", _TIMEOUT, {"Authorization": f"Bearer {self.api_key}"})
        except HTTPError as error:
            raise self._refused(error) from error
        except ValueError as error:
            raise self._not_openai("something that is no JSON") from error
        except HTTPException as error:
            raise self._not_openai("something that is no HTTP") from error
        except OSError as error:
            cause = error.reason if isinstance(error, URLError) else error
            raise EndpointUnreachable(
                f"Nothing answers at {self.url} ({cause}). Start that server or correct BASE_URL; "
                "without BASE_URL labkit starts Foundry Local by itself."
            ) from error

    def _refused(self, error: HTTPError) -> Exception:
        if error.code in (401, 403):
            return Unauthorised(f"The server at {self.url} refuses the API key (HTTP {error.code}). Set API_KEY.")
        if moved := error.headers.get("Location"):
            return self._not_openai(f"HTTP {error.code}, a redirect to {moved}")
        return self._not_openai(f"HTTP {error.code}")

    def _not_openai(self, what: str) -> NotOpenAI:
        return NotOpenAI(
            f"{self.url} answers, but not as an OpenAI-compatible server: GET /models gave {what}. "
            "Correct BASE_URL; for Foundry Local it looks like http://127.0.0.1:51211/v1."
        )
