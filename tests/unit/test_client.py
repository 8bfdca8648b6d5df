"""`connect()` gives a Lab that is ready to answer, the same one each time, and shows it without its key."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from pages import site

from labkit.client import Lab, connect
from labkit.errors import EndpointUnreachable, ModelNotFound
from labkit.ports import free_port

_QUESTION: list[Any] = [{"role": "user", "content": "What is streaming?"}]


def test_a_lab_answers(small: Lab) -> None:
    """A question comes back with text."""
    reply = small.client.chat.completions.create(model=small.model, messages=_QUESTION, max_tokens=8)
    assert reply.choices[0].message.content


def test_a_lab_answers_asynchronously(small: Lab) -> None:
    """The same with the other client."""

    async def ask() -> str | None:
        reply = await small.async_client.chat.completions.create(
            model=small.model, messages=_QUESTION, max_tokens=8, temperature=0
        )
        await small.async_client.close()
        return reply.choices[0].message.content

    assert asyncio.run(ask())


def test_the_default_is_the_large_model(large: Lab) -> None:
    """A newcomer's first answer should be a good one."""
    assert connect() is large
    assert large.model == "course-large:1"


@pytest.mark.parametrize("name", ["course-small", "course-small:1", "Course-SMALL", " course-small "])
def test_connecting_again_gives_the_same_lab_whatever_the_spelling(small: Lab, name: str) -> None:
    """A cell that runs again keeps its connections."""
    assert connect(name) is small


def test_connecting_from_many_threads_gives_the_same_lab(small: Lab) -> None:
    """A chat application connects from wherever a message comes in."""
    with ThreadPoolExecutor(8) as pool:
        assert set(map(id, pool.map(connect, ["course-small"] * 16))) == {id(small)}


def test_the_setting_model_is_taken_when_no_name_is_given(small: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cell runs another model."""
    monkeypatch.setenv("MODEL", "COURSE-SMALL:1")
    assert connect() is small


def test_a_lab_knows_what_fits_into_its_model(small: Lab) -> None:
    """Prompt and answer together."""
    assert small.context_length == 1024


def test_a_base_url_is_used_instead_of_a_runtime_of_ones_own(small: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foundry Local behind a BASE_URL is the same as one that was found; the note says what was corrected."""
    monkeypatch.setenv("BASE_URL", small.endpoint.removesuffix("v1"))
    lab = connect("course-small")
    assert replace(lab, notes=()) == small
    assert len(lab.notes) == 2
    assert connect("Course-Small:1") is lab


def test_a_model_behind_a_base_url_is_brought_into_memory(small: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foundry Local answers only with what is loaded."""
    monkeypatch.setenv("BASE_URL", small.endpoint)
    lab = connect("course-large")
    assert lab.client.chat.completions.create(model=lab.model, messages=_QUESTION, max_tokens=4).choices


def test_a_wrong_model_behind_a_base_url_is_answered_with_the_nearest(
    small: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The learner sees what that server has."""
    monkeypatch.setenv("BASE_URL", small.endpoint)
    with pytest.raises(ModelNotFound, match=r"'course-tiny' in the server at .*Did you mean course-"):
        connect("course-tiny")


def test_a_base_url_that_has_died_is_noticed_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Lab that answered before is no promise."""
    with site({"/v1/models": (200, {"data": [{"id": "m"}]})}) as server:
        monkeypatch.setenv("BASE_URL", f"{server.url}/v1")
        lab = connect("m")
        assert (lab.source, lab.model, lab.context_length) == ("openai-compatible", "m", None)
        assert connect("M") is lab
    with pytest.raises(EndpointUnreachable):
        connect("m")


def test_another_key_gives_another_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrected API_KEY takes effect at once."""
    with site({"/v1/models": (200, {"data": [{"id": "m"}]})}) as server:
        monkeypatch.setenv("BASE_URL", server.url)
        for key in ("first", "second"):
            monkeypatch.setenv("API_KEY", key)
            assert connect("m").api_key == key


def test_a_lab_shows_itself_without_its_key() -> None:
    """Notebooks are shared."""
    lab = Lab("openai-compatible", "http://h/v1", "secret", "<m>", 4096, ("BASE_URL lacks /v1.",))
    text, html = repr(lab), lab._repr_html_()
    for shown in ("openai-compatible", "http://h/v1", "4"):
        assert shown in text
        assert shown in html
    assert "secret" not in text + html
    assert "BASE_URL lacks /v1." in html
    assert "4,096 tokens" in html
    assert "&lt;m&gt;" in html


def test_a_proxy_from_the_environment_never_sees_this_machine(monkeypatch: pytest.MonkeyPatch, small: Lab) -> None:
    """Neither where a Lab is found nor where it is asked."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    lab = replace(connect("course-small"))
    assert lab.client.chat.completions.create(model=lab.model, messages=_QUESTION, max_tokens=4).choices
    lab.client.close()
