"""A BASE_URL is put right, recognised, and asked for its models; whatever is wrong with it has its own message."""

from __future__ import annotations

import pytest
from pages import Page, drip, silence, site

from labkit.client import Lab
from labkit.endpoint import Endpoint
from labkit.errors import EndpointUnreachable, ModelNotFound, NotOpenAI, Unauthorised
from labkit.ports import free_port

_TWO = {"data": [{"id": "Big-Model"}, {"id": "small-model:7b"}], "object": "list"}


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("http://127.0.0.1:51211/v1", "http://127.0.0.1:51211/v1"),
        ("http://127.0.0.1:51211", "http://127.0.0.1:51211/v1"),
        ("http://127.0.0.1:51211/", "http://127.0.0.1:51211/v1"),
        ("http://127.0.0.1:51211/v1/", "http://127.0.0.1:51211/v1"),
        ("http://127.0.0.1:51211/v1/chat/completions", "http://127.0.0.1:51211/v1"),
        ("https://host.example/openai/v1", "https://host.example/openai/v1"),
        ("https://course.openai.azure.com/", "https://course.openai.azure.com/openai/v1"),
    ],
)
def test_an_address_is_put_right_and_the_learner_is_told(typed: str, url: str) -> None:
    """A correction is a note, never a secret; a right address has none."""
    endpoint = Endpoint.parse(typed, "key")
    assert endpoint.url == url
    assert bool(endpoint.notes) == (typed != url)


def test_each_correction_is_a_sentence_of_its_own() -> None:
    """The learner sees which part of the address was wrong."""
    notes = Endpoint.parse("http://h:1/", "key").notes
    assert notes == (
        "BASE_URL ends in a slash; labkit left the slash out.",
        "BASE_URL lacks /v1; labkit uses http://h:1/v1.",
    )


def test_a_dead_port_is_said_to_be_dead() -> None:
    """The message says that nothing answers, and what happens without BASE_URL."""
    with pytest.raises(EndpointUnreachable, match=r"^Nothing answers at .*refused.*without BASE_URL"):
        Endpoint.parse(f"http://127.0.0.1:{free_port()}", "key").find_model("any")


def test_a_server_that_never_answers_is_given_up() -> None:
    """A wait has a limit."""
    with silence() as url, pytest.raises(EndpointUnreachable, match=r"no answer within \d+ s"):
        Endpoint.parse(url, "key").find_model("any")


def test_an_answer_that_never_ends_is_given_up() -> None:
    """The limit holds for the whole answer, not for each byte of it."""
    with drip() as url, pytest.raises(EndpointUnreachable, match=r"no answer within \d+ s"):
        Endpoint(f"{url}/v1", "key").model_ids()


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ((200, "<!doctype html><title>A web site</title>"), "something that is no JSON"),
        ((200, b"\xff\xfe\x00"), "something that is no JSON"),
        ((200, {"hello": "world"}), "JSON without a list of models"),
        ((200, ["hello"]), "JSON without a list of models"),
        ((200, {"data": "many"}), "JSON without a list of models"),
        ((404, "no such page"), "HTTP 404"),
        ((500, "oops"), "HTTP 500"),
    ],
)
def test_a_server_that_is_no_openai_server_is_told_apart(page: Page, found: str) -> None:
    """The message says what came instead, and what an address looks like."""
    said = f"answers, but not as an OpenAI.*GET /models gave {found}.*127.0.0.1:51211"
    with site({"/v1/models": page}) as server, pytest.raises(NotOpenAI, match=said):
        Endpoint.parse(server.url, "key").find_model("any")


def test_a_server_that_does_not_speak_http_is_told_apart() -> None:
    """A database on that port, for example."""
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            for _ in range(2):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example ready\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(NotOpenAI, match="something that is no HTTP"):
            Endpoint.parse(f"http://127.0.0.1:{listener.getsockname()[1]}", "key").find_model("any")
        thread.join()


def test_a_redirect_is_not_followed_since_it_would_carry_the_key_away() -> None:
    """The message names the new address, and the learner decides."""
    with site({"/v1/models": (200, {"data": []})}) as elsewhere:
        moved = {"Location": f"{elsewhere.url}/v1/models"}
        said = f"HTTP 301, a redirect to {elsewhere.url}"
        with site({"/v1/models": (301, "")}, **moved) as server, pytest.raises(NotOpenAI, match=said):
            Endpoint.parse(server.url, "secret").find_model("any")
        assert elsewhere.keys == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_said_to_be_wrong(status: int) -> None:
    """The message names the setting and keeps the key to itself."""
    with site({"/v1/models": (status, "no")}) as server:
        with pytest.raises(Unauthorised, match=rf"refuses the API key \(HTTP {status}\). Set API_KEY") as caught:
            Endpoint.parse(server.url, "secret").find_model("any")
        assert "secret" not in str(caught.value)
        assert server.keys[-1] == "Bearer secret"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Big-Model", "Big-Model"),
        ("big-model", "Big-Model"),
        ("small-model", "small-model:7b"),
        ("Small-Model:7B", "small-model:7b"),
    ],
)
def test_a_model_is_found_in_any_case_and_without_its_version(name: str, model: str) -> None:
    """What the server is asked for is always the name that it knows."""
    with site({"/v1/models": (200, _TWO)}) as server:
        assert Endpoint.parse(server.url, "key").find_model(name) == model


def test_a_model_that_the_server_lacks_is_answered_with_the_nearest() -> None:
    """The learner sees what there is instead."""
    with site({"/v1/models": (200, _TWO)}) as server:
        endpoint = Endpoint.parse(server.url, "key")
        with pytest.raises(ModelNotFound, match=r"'big-modle' in the server at .*Did you mean Big-Model\?"):
            endpoint.find_model("big-modle")
        with pytest.raises(ModelNotFound, match=r"Did you mean Big-Model or small-model:7b\?"):
            endpoint.find_model("xyz")


def test_foundry_local_is_recognised_and_its_aliases_are_understood(small: Lab) -> None:
    """Foundry Local lists ids only, but an alias finds its model."""
    endpoint = Endpoint.parse(small.endpoint.removesuffix("/v1"), "key")
    assert endpoint.source == "foundry-local"
    assert endpoint.find_model("COURSE-SMALL") == small.model
    with pytest.raises(ModelNotFound, match="Did you mean course-small:1"):
        endpoint.find_model("corse-smal")


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://course.openai.azure.com", "azure"),
        ("https://api.openai.com/v1", "openai"),
    ],
)
def test_the_clouds_are_recognised_by_their_names(url: str, source: str) -> None:
    """Nothing is asked for that: the name of the host tells."""
    assert Endpoint.parse(url, "key").source == source


def test_azure_answers_to_deployments_so_the_name_is_taken_as_it_is() -> None:
    """Azure's list of models does not tell how its owner called a deployment."""
    assert Endpoint.parse("https://course.openai.azure.com", "key").find_model("My-Deployment") == "My-Deployment"


def test_the_key_stays_out_of_the_repr() -> None:
    """Endpoints end up in notebooks."""
    assert "secret" not in repr(Endpoint.parse("http://h/v1", "secret"))


def test_a_proxy_from_the_environment_never_sees_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead proxy would break, and a living one would read along."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with site({"/v1/models": (200, _TWO)}) as server:
        assert Endpoint.parse(server.url, "key").find_model("big-model") == "Big-Model"
