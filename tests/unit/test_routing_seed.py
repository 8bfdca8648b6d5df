"""The seed's functions and the backends that they find, on the real runtime and the simulated cloud."""

from __future__ import annotations

import asyncio

import pytest

from labkit.client import Lab
from labkit.errors import EndpointUnreachable, ModelNotFound, PolicyError, SettingsError
from labkit.ports import free_port
from labkit.routing import (
    Reply,
    at,
    available,
    cloud,
    cloud_completion,
    hybrid_completion,
    local,
    local_completion,
    simulation,
    smart_routing,
)
from labkit.routing.discovery import simulated_cloud

LONG = "word " * 120


def asked() -> int:
    """Gives how many requests have left for the simulated cloud."""
    return len(simulation().requests)


def test_each_function_asks_whom_the_seed_says(home: object) -> None:
    """Local for short prompts and for code; cloud for long ones and for research; personal data never leaves."""

    async def lesson() -> list[Reply]:
        replies = [
            await local_completion("What is a token?"),
            await cloud_completion("What is a token?"),
            await hybrid_completion("What is a token?"),
            await hybrid_completion(LONG),
            await hybrid_completion("What is a token?", complexity_threshold=3),
            await smart_routing("What is a token?", "code_generation"),
            await smart_routing("What is a token?", "research"),
            await smart_routing("I am anna@example.com. What is a token?", "research"),
        ]
        for backend in available():
            assert backend.lab is not None
            await backend.lab.async_client.close()
        return replies

    before = asked()
    replies = asyncio.run(lesson())
    assert [reply.source for reply in replies] == [
        *("foundry-local", "simulated-cloud", "foundry-local", "simulated-cloud"),
        *("simulated-cloud", "foundry-local", "simulated-cloud", "foundry-local"),
    ]
    assert asked() - before == 4
    assert all(str(reply) for reply in replies)
    assert replies[1].cost > 0


def test_a_threshold_below_zero_is_refused() -> None:
    """The mistake is named before anything is sent."""
    with pytest.raises(PolicyError, match="threshold is -5"):
        asyncio.run(hybrid_completion("x", complexity_threshold=-5))


def test_the_simulated_cloud_is_one_for_all(home: object) -> None:
    """Asking for it again gives the same server, and it is never trusted with private data."""
    first, second = simulated_cloud(), simulated_cloud()
    assert first.lab is second.lab
    assert not first.is_private
    assert first.price.completion > 0


def test_azure_is_the_cloud_when_its_variables_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The v1 address is made of the resource's; all three variables are needed."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://course.openai.azure.com/")
    with pytest.raises(SettingsError, match="AZURE_OPENAI_DEPLOYMENT"):
        cloud()
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "secret")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "gpt")
    backend = cloud()
    assert backend.lab is not None
    assert (backend.source, backend.model, backend.is_private) == ("azure", "gpt", False)
    assert backend.lab.endpoint == "https://course.openai.azure.com/openai/v1"
    assert "secret" not in repr(backend.lab)


def test_openai_is_the_cloud_when_only_its_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model comes from OPENAI_MODEL."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("OPENAI_MODEL", "gpt-x")
    backend = cloud()
    assert (backend.source, backend.model, backend.is_private) == ("openai", "gpt-x", False)


def test_the_local_model_follows_the_setting(monkeypatch: pytest.MonkeyPatch, large: Lab) -> None:
    """course-small is local by default, so that the cloud differs; MODEL wins when it is set to another one."""
    assert local().model.startswith("course-small")
    assert local("course-large").model == large.model


def test_any_openai_compatible_address_can_be_a_backend(small: Lab, home: object) -> None:
    """A server that is not Foundry Local is not trusted with private data unless somebody says so."""
    url = simulation().endpoint
    assert not at(url, "course-large").is_private
    assert at(url, "course-large", name="mine", is_private=True).is_private
    assert at(small.endpoint, "course-small").is_private
    with pytest.raises(ModelNotFound):
        at(url, "gpt-x")
    with pytest.raises(EndpointUnreachable):
        at(f"http://127.0.0.1:{free_port()}", "m")
