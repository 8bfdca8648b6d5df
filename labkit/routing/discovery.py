"""The backends of this machine: Foundry Local; Azure OpenAI or OpenAI where their variables are set; else a simulation.

It makes backends. It knows nothing of rules and of routing.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from labkit.client import Lab, connect
from labkit.endpoint import Endpoint
from labkit.errors import SettingsError
from labkit.routing.backend import FREE, Backend, Price
from labkit.settings import Settings

if TYPE_CHECKING:
    from labkit.simulator import Cloud

LOCAL_MODEL = "course-small"  # so that the local side and the simulated cloud differ in quality and speed
CLOUD_PRICE = Price(2.5, 10.0)  # USD for a million tokens; an example, since a key does not tell what its owner pays

_CAN = ("json", "tools")
_OPENAI = "https://api.openai.com/v1"

_clouds: dict[tuple[str, str | Lab], Cloud] = {}
_lock = threading.Lock()


def available() -> tuple[Backend, ...]:
    """Gives what the course routes between: `local` and `cloud`.

    Raises:
        LabkitError: Foundry Local does not start, or a setting is wrong; a subclass says which.
    """
    return local(), cloud()


def local(alias: str | None = None) -> Backend:
    """Gives the local backend, with its model in memory.

    Args:
        alias: the model, by alias or id; MODEL if it is set, else `course-small`.

    Raises:
        LabkitError: what `labkit.connect()` raises.
    """
    settings = Settings.load()
    name = alias or (LOCAL_MODEL if settings.model == Settings.model else settings.model)
    return Backend.of(connect(name), "local", capabilities=["json"])


def cloud(price: Price = CLOUD_PRICE) -> Backend:
    """Gives the cloud backend: Azure OpenAI where its variables are set, else OpenAI, else a simulated cloud.

    Args:
        price: what tokens cost at Azure or OpenAI; the simulated cloud has prices of its own.

    Raises:
        SettingsError: some of Azure's variables are set and some are not.
    """
    settings = Settings.load()
    if settings.azure_endpoint or settings.azure_deployment:
        return _remote(_azure(settings), price)
    if settings.openai_api_key:
        return _remote(Lab("openai", _OPENAI, settings.openai_api_key, settings.openai_model), price)
    return simulated_cloud()


def at(
    base_url: str,
    model: str,
    api_key: str = "not-required",
    *,
    name: str | None = None,
    is_private: bool | None = None,
    price: Price = FREE,
    capabilities: Iterable[str] = (),
) -> Backend:
    """Gives a backend at any OpenAI-compatible address: vLLM, Ollama, LM Studio, LiteLLM and others.

    Args:
        base_url: its address, with or without `/v1`.
        model: the model, by the name that the server lists.
        api_key: the key to show there.
        name: the name for policies; the model's name when left out.
        is_private: whether its data stays on this machine. When left out, only Foundry Local is trusted with that:
            a server on this machine, such as LiteLLM, may pass everything on.
        price: what its tokens cost.
        capabilities: what it can do beyond text, such as `tools` and `json`.

    Raises:
        EndpointError: nothing answers there, or nothing that speaks OpenAI's language.
        ModelNotFound: the server has no such model.
    """
    endpoint = Endpoint.parse(base_url, api_key)
    lab = Lab(endpoint.source, endpoint.url, api_key, endpoint.find_model(model), notes=endpoint.notes)
    return Backend.of(lab, name, is_private=is_private, price=price, capabilities=capabilities)


def simulated_cloud(profile: str = "cloud", model: str | Lab = "course-large") -> Backend:
    """Gives a simulated cloud as a backend; a process has one for each profile and model.

    Args:
        profile: how fast, how expensive and how generous it is.
        model: the model that answers, by alias or as a Lab.

    Raises:
        SimulatorError: the profile is not known.
        LabkitError: what `labkit.connect()` raises for the model.
    """
    from labkit.simulator import run

    with _lock:
        if (profile, model) not in _clouds:
            _clouds[profile, model] = started = run(profile, model=model)
            atexit.register(started.stop)
        running = _clouds[profile, model]
    return simulated(running)


def simulated(running: Cloud, name: str = "cloud", *, is_private: bool = False) -> Backend:
    """Gives a running simulated cloud as a backend, with the prices of its profile.

    Args:
        running: what `simulator.run()` gave.
        name: the name for policies.
        is_private: whether it plays the part of a model on this machine.
    """
    profile = running.profile
    price = FREE if is_private else Price(profile.input_price, profile.output_price)
    first_token_ms = profile.first_token.mean_ms
    return Backend.of(running.lab, name, is_private=is_private, price=price, first_token_ms=first_token_ms)


def simulation(profile: str = "cloud", model: str | Lab = "course-large") -> Cloud:
    """Gives the running simulated cloud behind `simulated_cloud()`, with its request log.

    Args:
        profile: as there.
        model: as there.
    """
    simulated_cloud(profile, model)
    return _clouds[profile, model]


def _remote(lab: Lab, price: Price) -> Backend:
    return Backend.of(lab, "cloud", is_private=False, price=price, capabilities=_CAN)


def _azure(settings: Settings) -> Lab:
    """Gives a Lab for Azure OpenAI's v1 API, which speaks OpenAI's own language under `/openai/v1`."""
    key, deployment = settings.azure_api_key, settings.azure_deployment
    if settings.azure_endpoint is None or key is None or deployment is None:
        raise SettingsError(
            "Azure OpenAI needs three variables: AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and "
            "AZURE_OPENAI_DEPLOYMENT. Set all of them, or none to use the simulated cloud."
        )
    return Lab("azure", f"{settings.azure_endpoint.rstrip('/').removesuffix('/openai/v1')}/openai/v1", key, deployment)
