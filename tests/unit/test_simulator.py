"""The simulated cloud speaks OpenAI's protocol, on a port, as an ASGI application, and in front of a real model."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import APIStatusError

from labkit import simulator
from labkit.client import Lab
from labkit.errors import ContextTooLong, PortInUse, SimulatorError
from labkit.simulator import Cloud
from labkit.streaming import stream

TEXT = "The quick brown fox\njumps over the lazy dog."
HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a cloud that answers at once, always the same."""
    with simulator.run("instant", text=TEXT) as running:
        yield running


def _ask(cloud: Cloud, **options: Any) -> Any:
    return cloud.lab.client.chat.completions.create(model=cloud.lab.model, messages=HELLO, **options)


def test_a_whole_answer_has_text_a_finish_reason_and_usage(cloud: Cloud) -> None:
    """A word is a token, and each message costs three more."""
    reply = _ask(cloud)
    assert reply.choices[0].message.content == TEXT
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (5, 9, 14)


def test_a_stream_gives_word_by_word_and_loses_nothing(cloud: Cloud) -> None:
    """The pieces are the text, white space included."""
    answer = stream(cloud.lab, "Hello there")
    assert list(answer) == ["The", " quick", " brown", " fox", "\njumps", " over", " the", " lazy", " dog."]
    assert answer.finish_reason == "stop"


def test_usage_comes_in_a_stream_only_when_asked_for(cloud: Cloud) -> None:
    """The chunk with usage has no choices, as OpenAI sends it."""
    without = list(_ask(cloud, stream=True))
    with_usage = list(_ask(cloud, stream=True, stream_options={"include_usage": True}))
    assert not any(chunk.usage for chunk in without)
    assert with_usage[-1].choices == []
    assert with_usage[-1].usage.completion_tokens == 9


def test_max_tokens_ends_the_answer_with_length(cloud: Cloud) -> None:
    """Both names of the limit are understood."""
    for name in ("max_tokens", "max_completion_tokens"):
        reply = _ask(cloud, **{name: 2})
        assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("The quick", "length")


def test_nothing_simulated_passes_for_measured(cloud: Cloud) -> None:
    """The Lab, the headers and the body all say that the cloud is simulated."""
    raw = cloud.lab.client.chat.completions.with_raw_response.create(model=cloud.lab.model, messages=HELLO)
    assert cloud.lab.source == "simulated-cloud"
    assert raw.headers["x-labkit-source"] == "simulated-cloud"
    assert raw.parse().system_fingerprint == "simulated"
    assert all(chunk.system_fingerprint == "simulated" for chunk in _ask(cloud, stream=True))


def test_models_and_health_are_served(cloud: Cloud) -> None:
    """The list of models, one model and the health can be asked for."""
    root = cloud.endpoint.removesuffix("/v1")
    assert [model.id for model in cloud.lab.client.models.list()] == ["fixed-text"]
    assert cloud.lab.client.models.retrieve("fixed-text").id == "fixed-text"
    health = httpx2.get(f"{root}/health", trust_env=False)
    assert (health.status_code, health.json()["status"]) == (200, "pass")
    assert health.headers["content-type"] == "application/health+json"


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"{", 400, None, None),
        (b'"text"', 400, "messages", None),
        (b'{"model": "fixed-text"}', 400, "messages", None),
        (b'{"model": "fixed-text", "messages": []}', 400, "messages", None),
        (b'{"model": "fixed-text", "messages": ["hi"]}', 400, "messages", None),
        (b'{"model": "gpt-9", "messages": [{"role": "user", "content": "hi"}]}', 404, "model", "model_not_found"),
        (b'{"model": "fixed-text", "messages": [{}], "max_tokens": 0}', 400, "max_tokens", None),
        (
            b'{"model": "fixed-text", "messages": [{}], "stream_options": 3, "stream": true}',
            400,
            "stream_options",
            None,
        ),
        (b"\xff\xfe", 400, None, None),
    ],
)
def test_a_bad_request_gets_an_error_that_names_the_field(
    cloud: Cloud, body: bytes, status: int, param: str | None, code: str | None
) -> None:
    """Errors look like OpenAI's."""
    reply = httpx2.post(f"{cloud.endpoint}/chat/completions", content=body, trust_env=False)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["message"]


def test_an_unknown_address_gets_a_json_error(cloud: Cloud) -> None:
    """A wrong path and a wrong method are told apart."""
    assert httpx2.get(f"{cloud.endpoint}/nothing", trust_env=False).json()["error"]["message"]
    assert httpx2.get(f"{cloud.endpoint}/chat/completions", trust_env=False).status_code == 405


def test_content_may_come_in_parts(cloud: Cloud) -> None:
    """A message's content may be a list, as for pictures."""
    parts = [{"type": "text", "text": "one two"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    cloud.lab.client.chat.completions.create(model=cloud.lab.model, messages=[{"role": "user", "content": parts}])
    assert cloud.requests[-1].prompt.strip() == "one two"


def test_each_request_is_in_the_journal(cloud: Cloud) -> None:
    """The journal knows the prompt, the tokens, the cost and the end."""
    list(stream(cloud.lab, "Hello there"))
    entry = cloud.requests[0]
    assert (entry.number, entry.prompt, entry.stream, entry.status) == (1, "Hello there", True, 200)
    assert (entry.prompt_tokens, entry.completion_tokens, entry.ending) == (5, 9, "complete")
    assert [moment.what for moment in cloud.timeline()] == ["arrives", *["token"] * 9, "complete"]


def test_tokens_have_a_price() -> None:
    """The price is per million tokens, for prompt and answer apart."""
    profile = simulator.Profile("dear", input_price=1_000, output_price=2_000)
    with simulator.run(profile, text=TEXT) as cloud:
        reply = _ask(cloud)
        assert reply.cost_usd == pytest.approx((5 * 1_000 + 9 * 2_000) / 1_000_000)
        assert cloud.cost == pytest.approx(reply.cost_usd)


def test_a_real_model_answers_through_the_cloud(large: Lab) -> None:
    """The text is the model's own; only the times are simulated."""
    question = [{"role": "user", "content": "What is a token?"}]
    options: dict[str, Any] = {"messages": question, "max_tokens": 12, "temperature": 0, "seed": 1}
    direct = large.client.chat.completions.create(model=large.model, **options)
    with simulator.run("instant", model=large) as cloud:
        through = cloud.lab.client.chat.completions.create(model=cloud.lab.model, **options)
        pieces = list(stream(cloud.lab, question, max_tokens=12, temperature=0, seed=1))
    assert through.choices[0].message.content == direct.choices[0].message.content
    assert "".join(pieces) == direct.choices[0].message.content
    assert through.usage.prompt_tokens == direct.usage.prompt_tokens
    assert cloud.lab.model == "course-large"


def test_a_prompt_that_the_real_model_refuses_is_refused_by_the_cloud(large: Lab) -> None:
    """The model's own error comes through, streamed or not, and becomes the same labkit error."""
    long = "word " * 900
    with simulator.run("instant", model=large) as cloud:
        with pytest.raises(APIStatusError) as refused:
            cloud.lab.client.chat.completions.create(
                model=cloud.lab.model, messages=[{"role": "user", "content": long}], max_tokens=500
            )
        with pytest.raises(ContextTooLong):
            list(stream(cloud.lab, long, max_tokens=500))
    assert refused.value.status_code == 400


def test_the_application_runs_under_another_server() -> None:
    """`asgi()` gives a plain ASGI application."""
    from starlette.testclient import TestClient

    client = TestClient(simulator.asgi("instant", text=TEXT))
    reply = client.post("/v1/chat/completions", json={"model": "fixed-text", "messages": HELLO})
    assert reply.json()["choices"][0]["message"]["content"] == TEXT


def test_serve_runs_until_it_is_stopped() -> None:
    """`serve()` says when it is ready, and gives the cloud back when it has ended."""

    def ready(cloud: Cloud) -> None:
        _ask(cloud)
        threading.Thread(target=cloud.stop).start()

    cloud = simulator.serve("instant", ready=ready, text=TEXT)
    assert [entry.status for entry in cloud.requests] == [200]
    assert not _is_open(cloud)


def test_a_stopped_cloud_leaves_nothing_behind() -> None:
    """The port is closed and the thread is gone, and stopping again does nothing."""
    before = set(threading.enumerate())
    with simulator.run("instant", text=TEXT) as cloud:
        assert _is_open(cloud)
    assert not _is_open(cloud)
    assert set(threading.enumerate()) <= before
    cloud.stop()


def test_a_taken_port_is_reported_with_its_holder() -> None:
    """Nothing is started on another port behind the user's back."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUse):
            simulator.run("instant", text=TEXT, port=taken.getsockname()[1])


def test_a_raw_stream_is_server_sent_events(cloud: Cloud) -> None:
    """Each event is JSON, and the last one is [DONE]."""
    body = {"model": "fixed-text", "messages": HELLO, "stream": True}
    raw = httpx2.post(f"{cloud.endpoint}/chat/completions", json=body, trust_env=False)
    events = raw.text.removesuffix("\n\n").split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event.removeprefix("data: "))["id"] == "chatcmpl-sim-0-1" for event in events[:-1])
    assert raw.headers["content-type"].startswith("text/event-stream")


def test_an_impossible_port_is_refused_in_words() -> None:
    """Not with the traceback of a system call."""
    with pytest.raises(SimulatorError, match="Port 70000 cannot be used"):
        simulator.run("instant", text=TEXT, port=70_000)


def test_a_cloud_says_what_it_is(cloud: Cloud) -> None:
    """Its profile, its address, and how much it has seen."""
    _ask(cloud)
    assert repr(cloud) == f"Cloud('instant', {cloud.endpoint}, 1 requests)"


def test_importing_the_simulator_starts_nothing_heavy() -> None:
    """The server and the OpenAI client load when they are used."""
    code = "import sys, labkit.simulator; print([m for m in ('uvicorn', 'openai', 'httpx2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _is_open(cloud: Cloud) -> bool:
    port = int(cloud.endpoint.removesuffix("/v1").rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
