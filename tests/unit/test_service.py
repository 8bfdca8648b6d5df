"""A Foundry Local web service is recognised, and its models are found by alias and id, in bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pages import Page, silence, site

from labkit.catalog import bundled
from labkit.client import Lab
from labkit.errors import ModelError, RuntimeUnavailable
from labkit.model_info import alias_of, nearest, pick
from labkit.ports import free_port
from labkit.service import Service

# What the service of another installation lists: the names are those of the public catalog.
_IDS = ["Phi-4-mini-reasoning-generic-cpu:3", "Phi-4-mini-instruct-generic-cpu:5", "qwen2.5-0.5b-instruct-cuda-gpu:4"]


@pytest.fixture(name="service")
def _service(small: Lab) -> Service:
    return Service(small.endpoint.removesuffix("/v1"))


def test_a_real_service_is_recognised(service: Service) -> None:
    """GET /status proves it."""
    assert service.is_running()


def test_other_servers_and_dead_ports_are_not_taken_for_it() -> None:
    """A port may be held by anything."""
    assert not Service(f"http://127.0.0.1:{free_port()}").is_running()
    with site({"/status": (200, {"status": "ok"}), "/v1/models": (200, {"data": []})}) as other:
        assert not Service(other.url).is_running()
    with site({"/status": (200, "<html>")}) as page:
        assert not Service(page.url).is_running()
    with silence() as url:
        assert not Service(url).is_running()


@pytest.mark.parametrize("name", ["course-small", "course-small:1", "Course-Small:1"])
def test_a_loaded_model_is_found_under_each_of_its_names(service: Service, name: str) -> None:
    """An alias and an id in any case mean the same model."""
    info = service.find(name)
    assert info is not None
    assert (info.alias, info.id, info.loaded, info.context_length) == ("course-small", "course-small:1", True, 1024)


def test_a_model_is_loaded_and_unloaded_by_any_of_its_names(service: Service) -> None:
    """`ready` says what came into memory; unloading twice does no harm."""
    info = service.ready("COURSE-LARGE:1")
    assert info is not None
    assert info.loaded
    assert "course-large:1" in service.loaded_ids()
    service.unload("course-large")
    service.unload("course-large")
    assert "course-large:1" not in service.loaded_ids()


@pytest.mark.parametrize("name", ["course", "course-medium", "no/such model", ""])
def test_a_model_that_the_service_lacks_is_not_found(service: Service, name: str) -> None:
    """Part of a name is no name."""
    assert service.find(name) is None
    assert service.ready(name) is None


def test_the_models_of_the_service_are_listed(service: Service) -> None:
    """All that the catalogs list, and those in memory."""
    assert {model.alias for model in service.models()} >= set(bundled())
    assert all(model.loaded for model in service.loaded_models())
    assert "course-small" in [model.alias for model in service.loaded_models()]


def test_a_model_that_does_not_resemble_its_alias_is_found_by_what_has_come_into_memory() -> None:
    """The service never tells which id an alias stands for."""
    odd = "deepseek-r1-distill-qwen-7b-generic-cpu:3"
    pages: dict[str, Page] = {"/models/load/deepseek-r1-7b": (200, {"status": "loaded"})}
    with site(_Changing(pages, iter([[], [odd]]))) as server:
        info = Service(server.url).ready("deepseek-r1-7b")
    assert info is not None
    assert info.id == odd


def test_a_model_that_cannot_be_loaded_is_an_error_with_the_reason() -> None:
    """Out of memory is not the same as unknown."""
    refusal: dict[str, object] = {"error": {"message": "not enough memory"}}
    said = "refused GET /models/load/phi-4-mini: not enough memory"
    pages: dict[str, Page] = {"/models/loaded": (200, []), "/models/load/phi-4-mini": (500, refusal)}
    with site(pages) as server, pytest.raises(ModelError, match=said):
        Service(server.url).ready("phi-4-mini")


def test_a_service_that_has_gone_is_an_error_with_the_next_command() -> None:
    """It may stop between two questions."""
    with pytest.raises(RuntimeUnavailable, match=r"does not answer at .*labkit serve"):
        Service(f"http://127.0.0.1:{free_port()}").loaded_ids()


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("phi-4-mini", "Phi-4-mini-instruct-generic-cpu:5"),
        ("phi-4-mini-reasoning", "Phi-4-mini-reasoning-generic-cpu:3"),
        ("Phi-4-mini-instruct-generic-cpu", "Phi-4-mini-instruct-generic-cpu:5"),
        ("PHI-4-MINI-INSTRUCT-GENERIC-CPU:5", "Phi-4-mini-instruct-generic-cpu:5"),
        ("qwen2.5-0.5b", "qwen2.5-0.5b-instruct-cuda-gpu:4"),
        ("phi-4", None),
        ("qwen2.5", None),
        ("", None),
    ],
)
def test_an_alias_finds_its_own_model_and_no_other_that_begins_alike(name: str, model_id: str | None) -> None:
    """phi-4-mini is not phi-4-mini-reasoning."""
    assert pick(name, _IDS) == model_id


def test_the_alias_of_an_id_is_the_id_without_version_and_variant() -> None:
    """The service takes aliases only."""
    assert [alias_of(model_id) for model_id in _IDS] == ["phi-4-mini-reasoning", "phi-4-mini", "qwen2.5-0.5b"]
    assert alias_of("course-large:1") == "course-large"
    assert alias_of("phi-4-mini") == "phi-4-mini"


def test_the_nearest_names_come_first_and_keep_their_spelling() -> None:
    """A slip of the finger or of the shift key leads to the right name."""
    assert nearest("PHI-4-MINNI", ["qwen2.5-0.5b", "phi-4", "Phi-4-mini"])[0] == "Phi-4-mini"
    assert nearest("zzz", ["phi-4-mini"]) == []


class _Changing(dict[str, Page]):
    """Pages of which /models/loaded changes from one request to the next."""

    def __init__(self, pages: dict[str, Page], lists: Iterator[list[object]]) -> None:
        super().__init__(pages)
        self._lists = lists

    def get(self, path: str, default: Any = None) -> Any:
        return (200, next(self._lists)) if path == "/models/loaded" else super().get(path, default)
