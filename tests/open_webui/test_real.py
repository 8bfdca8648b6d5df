"""The real Open WebUI, started as learners start it: checked, broken and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit import open_webui
from labkit.client import Lab
from labkit.errors import LabkitError, OpenWebUIRefused
from labkit.launch import Program
from labkit.launch.process_tree import tree
from labkit.open_webui import Installation, OpenWebUI, Simulated, check
from labkit.open_webui.start import plan
from labkit.ports import free_port
from labkit.service import Service
from labkit.streaming import stream

_PATIENCE = 600.0  # seconds


def test_all_three_levels_pass(lab: Lab, program: Program) -> None:
    """A chat completes through the real page's API, without a limit in the request."""
    report = check(lab, program.url)
    assert [level.status for level in report.levels] == ["pass", "pass", "pass"], report
    assert "version 0.12.4" in report.levels[1].output


def test_it_was_told_what_the_configuration_says(api: OpenWebUI, lab: Lab) -> None:
    """Its own description of itself shows the defaults of labkit."""
    features = api._ask("GET", "/api/config")
    assert features["default_models"] == lab.model
    switches = features["features"]
    for name in ("auth", "enable_title_generation", "enable_tags_generation", "enable_follow_up_generation"):
        assert switches[name] is False, name
    assert switches["enable_version_update_check"] is False
    assert switches["enable_direct_connections"] is False
    assert api._ask("GET", "/ollama/config")["ENABLE_OLLAMA_API"] is False
    (listed,) = [model for model in api._ask("GET", "/api/models")["data"] if model["id"] == lab.model]
    assert listed["info"]["meta"]["capabilities"]["builtin_tools"] is False


def test_it_listens_on_this_machine_only(program: Program) -> None:
    """The process has no other listening port."""
    addresses = {c.laddr.ip for p in tree(program.pid) for c in p.net_connections("tcp") if c.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}


def test_it_connects_to_nobody_else(program: Program, lab: Lab) -> None:
    """After a start and a chat there is no connection beyond this machine."""
    check(lab, program.url)
    addresses = {c.raddr.ip for p in tree(program.pid) for c in p.net_connections("tcp") if c.raddr}
    assert {ip for ip in addresses if not ip.startswith("127.")} == set()


def test_a_chat_streams_through_it(api: OpenWebUI, lab: Lab) -> None:
    """Token by token, with a finish reason."""
    through = api.lab(lab.model)
    answer = stream(through, "What is a token?", temperature=0, max_tokens=60)
    assert len(list(answer)) > 5
    assert answer.finish_reason == "stop"
    through.client.close()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://127.0.0.1:9/v1", "wrong-address"),
        ("{root}", "no-v1"),
        ("http://host.docker.internal:51211/v1", "no-way-to-host"),
    ],
)
def test_an_address_is_broken_and_mended(address: str, name: str, api: OpenWebUI, lab: Lab) -> None:
    """The check names the trouble, and what its fix says mends it."""
    api.connect_to(address.format(root=lab.endpoint.removesuffix("/v1")))
    report = check(lab, api.url)
    assert report.trouble == name, report
    api.connect_to(lab.endpoint)
    assert check(lab, api.url).is_ok


@pytest.mark.parametrize(
    ("change", "name"),
    [({"DEFAULT_MODEL_PARAMS": {}}, "no-token-limit"), ({"DEFAULT_MODEL_METADATA": {}}, "page-tools")],
)
def test_a_default_is_broken_and_mended(change: dict[str, Any], name: str, api: OpenWebUI, lab: Lab) -> None:
    """What the API would not show, because it adds less than the page, is found out too."""
    good = api.model_defaults()
    api.set_model_defaults(**change)
    report = check(lab, api.url)
    assert report.trouble == name, report
    api.set_model_defaults(**good)
    assert check(lab, api.url).is_ok


def test_a_model_that_is_not_loaded_is_found_out_and_loaded(api: OpenWebUI, lab: Lab) -> None:
    """Open WebUI goes on listing it."""
    service = Service(lab.endpoint.removesuffix("/v1"))
    service.unload("course-small")
    assert lab.model in api.models()
    with pytest.raises(OpenWebUIRefused, match="must be loaded"):
        api.ask(lab.model, "Hello")
    assert check(lab, api.url).trouble == "not-loaded"
    service.load("course-small")
    assert check(lab, api.url).is_ok


SCENES: dict[str, Callable[[OpenWebUI, Lab], object]] = {
    "health": lambda api, lab: api.is_healthy(),
    "readiness": lambda api, lab: api.is_ready(),
    "login": lambda api, lab: api.wants_login(),
    "models": lambda api, lab: api.models(),
    "connections": lambda api, lab: [(c.url, c.is_enabled) for c in api.connections()],
    "offered": lambda api, lab: api.offered_by(0),
    "a short answer": lambda api, lab: api.ask(lab.model, "What is a token?", temperature=0, max_tokens=12),
    "the limit that was set": lambda api, lab: len(api.ask(lab.model, "What is a token?", temperature=0)) > 20,
    "an answer that is too long": lambda api, lab: api.ask(lab.model, "Hello", max_tokens=2048),
    "no limit": lambda api, lab: (api.set_model_defaults(DEFAULT_MODEL_PARAMS={}), api.ask(lab.model, "Hello")),
    "other words": lambda api, lab: (
        api.set_model_defaults(DEFAULT_MODEL_PARAMS={"max_tokens": 3, "temperature": 0}),
        api.ask(lab.model, "What is a token?"),
    ),
    "an unknown model": lambda api, lab: api.ask("llama3", "Hello"),
    "no key": lambda api, lab: _models(api.url, None),
    "a wrong key": lambda api, lab: _models(api.url, "wrong"),
    "a silent server": lambda api, lab: (api.connect_to("http://127.0.0.1:9/v1"), api.models()),
    "a silent server, asked": lambda api, lab: (api.connect_to("http://127.0.0.1:9/v1"), api.offered_by(0)),
    "an address without /v1": lambda api, lab: (api.connect_to(lab.endpoint[:-3]), api.offered_by(0)),
    "two servers": lambda api, lab: (api.connect_to("http://127.0.0.1:9/v1", lab.endpoint), api.models()),
}


@pytest.fixture
def simulated(lab: Lab) -> Iterator[OpenWebUI]:
    """Gives the administrator of the simulated one, with the same set-up."""
    with Simulated(open_webui.configure(lab).environment(Path("unused"))) as ui, OpenWebUI(ui.url) as page:
        page.sign_in()
        yield page


@pytest.mark.parametrize("scene", SCENES)
def test_the_simulated_one_behaves_like_the_real_one(
    scene: str, api: OpenWebUI, simulated: OpenWebUI, lab: Lab
) -> None:
    """What notebook 07 shows without Open WebUI is what it shows with it."""
    assert _outcome(SCENES[scene], simulated, lab) == _outcome(SCENES[scene], api, lab)


def _models(url: str, key: str | None) -> object:
    with OpenWebUI(url, key) as page:
        return page.models()


def _outcome(scene: Callable[[OpenWebUI, Lab], object], api: OpenWebUI, lab: Lab) -> object:
    try:
        return scene(api, lab)
    except OpenWebUIRefused as error:
        return error.status, error.detail
    except LabkitError as error:
        return type(error)


def test_wider_than_this_machine_everybody_signs_in(installation: Installation, lab: Lab) -> None:
    """The well-known account of a page without login does not exist there, and nobody signs up."""
    host = "0.0.0.0"  # noqa: S104  # that is what is tested
    with Program(plan(installation, lab, host, free_port())).wait_until_ready(_PATIENCE) as shared:
        assert check(lab, shared.url).trouble == "login"
        with OpenWebUI(shared.url) as stranger:
            for email, password in (("", ""), ("admin@localhost", "admin")):
                with pytest.raises(OpenWebUIRefused):
                    stranger.sign_in(email, password)
            form = {"email": "eve@example.org", "password": "eve", "name": "Eve"}
            with pytest.raises(OpenWebUIRefused):
                stranger._ask("POST", "/api/v1/auths/signup", form)
        password = open_webui.configure(lab, host).admin_password or ""
        with OpenWebUI(shared.url) as admin:
            assert check(lab, shared.url, admin.sign_in("admin@localhost", password)).is_ok


def test_nothing_is_left_of_it(installation: Installation, lab: Lab) -> None:
    """Stopping ends every process that it started, while it still starts."""
    program = Program(plan(installation, lab, "127.0.0.1", free_port()))
    processes = tree(program.pid)
    program.stop()
    assert not any(process.is_running() for process in processes)
