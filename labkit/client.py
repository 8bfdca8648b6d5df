"""`connect()`: from a model's name to an OpenAI client that is ready to answer.

This module decides which server answers. It knows nothing of messages, streams or prompts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from labkit.catalog import find_bundled
from labkit.connection import async_http_client, http_client
from labkit.endpoint import Endpoint
from labkit.foundry import FoundryLocalManager
from labkit.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_labs: dict[Lab, Lab] = {}


@dataclass(frozen=True)
class Lab:
    """A model that is ready to answer, and how to reach it.

    Attributes:
        source: who answers: `foundry-local`, `azure`, `openai` or `openai-compatible`.
        endpoint: the address for an OpenAI client; it ends in `/v1`.
        api_key: the key for the endpoint; a placeholder for Foundry Local.
        model: the exact name that the endpoint accepts.
        context_length: tokens that prompt and answer may have together, where known.
        notes: what labkit corrected on the way here, in words.
    """

    source: str
    endpoint: str
    api_key: str = field(repr=False)
    model: str
    context_length: int | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def client(self) -> OpenAI:
        """An OpenAI client for the endpoint. It sends each request once: whoever wants a second attempt asks for it."""
        from openai import OpenAI

        http = http_client(self._endpoint.is_local)
        return OpenAI(base_url=self.endpoint, api_key=self.api_key, http_client=http, max_retries=0)

    @property
    def async_client(self) -> AsyncOpenAI:
        """An asynchronous OpenAI client for the endpoint, which sends each request once, too.

        Connections belong to one event loop, so each loop has a client of its own: a second `asyncio.run()` works.
        """
        loop = _running_loop()
        if loop not in self._async_clients or self._async_clients[loop].is_closed():
            for ended in [known for known in self._async_clients if known is not None and known.is_closed()]:
                del self._async_clients[ended]
            self._async_clients[loop] = self._new_async_client()
        return self._async_clients[loop]

    @cached_property
    def _async_clients(self) -> dict[asyncio.AbstractEventLoop | None, AsyncOpenAI]:
        return {}

    def _new_async_client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        http = async_http_client(self._endpoint.is_local)
        return AsyncOpenAI(base_url=self.endpoint, api_key=self.api_key, http_client=http, max_retries=0)

    @property
    def _endpoint(self) -> Endpoint:
        return Endpoint(self.endpoint, self.api_key)

    def _repr_html_(self) -> str:
        rows = {"model": self.model, "source": self.source, "endpoint": self.endpoint}
        if self.context_length:
            rows["context"] = f"{self.context_length:,} tokens"
        rows |= {f"note {i}": note for i, note in enumerate(self.notes, 1)}
        cells = "".join(f"<tr><th scope='row'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
        return f"<table><caption>Lab: ready to answer</caption>{cells}</table>"


def connect(alias: str | None = None) -> Lab:
    """Makes a model ready to answer.

    It looks, in this order, for: BASE_URL, if it is set; a Foundry Local service that already runs on FOUNDRY_PORT
    and offers the model; else it starts Foundry Local in this process, on a free port. Calling it again gives the
    same Lab, as long as its service answers.

    Args:
        alias: the model, by alias or id; MODEL when left out.

    Returns:
        The Lab, with its model in memory.

    Raises:
        SettingsError: a setting holds a value that cannot be used.
        ModelError: the model is not known, not whole, or cannot be downloaded.
        EndpointError: BASE_URL leads somewhere wrong.
        RuntimeUnavailable: Foundry Local does not start.
    """
    settings = Settings.load()
    lab = _connect(settings, (alias or settings.model).strip())
    # Asked anew each time, since a service may have stopped in between; given as the same object when nothing changed,
    # so that its clients keep their connections.
    return _labs.setdefault(lab, lab)


def _connect(settings: Settings, name: str) -> Lab:
    if settings.base_url:
        return _connect_to(Endpoint.parse(settings.base_url, settings.api_key), name)
    manager = FoundryLocalManager(name)
    info = manager.get_model_info(name)
    return Lab("foundry-local", manager.endpoint, manager.api_key, info.id, info.context_length)


def _connect_to(endpoint: Endpoint, name: str) -> Lab:
    model = endpoint.find_model(name)
    bundled = find_bundled(model) if endpoint.source == "foundry-local" else None
    length = bundled.context_length if bundled else None
    return Lab(endpoint.source, endpoint.url, endpoint.api_key, model, length, endpoint.notes)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # not inside a coroutine
        return None
