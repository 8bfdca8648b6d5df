"""The gateway lets those with a key through to three routes, passes streams on unbuffered, and stops the model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from gateways import GENEROUS, TEXT, Guarded, chat, eventually, guarded
from openai import AuthenticationError
from scripted_server import CUT, DONE, STOP, scripted, streaming, text, whole

from labkit.client import Lab
from labkit.errors import GatewayError, PortInUse, StreamInterrupted
from labkit.gateway import KeyRing, Rules, run
from labkit.gateway.gate import Door, Gate
from labkit.simulator import Latency, Profile
from labkit.streaming import complete, stream

SLOW = Profile("slow", first_token=Latency(50), inter_token=Latency(200))


@pytest.fixture(scope="module")
def there() -> Iterator[Guarded]:
    """Gives a gateway in front of a simulated cloud that is quick."""
    with guarded() as made:
        yield made


def error_of(body: bytes) -> dict[str, str]:
    """Gives the error object of an answer."""
    return json.loads(body)["error"]


# --- what is passed


def test_an_openai_client_works_through_it_as_without_it(there: Guarded) -> None:
    """Only address and key change."""
    assert "".join(stream(there.lab, "Hello")) == TEXT
    assert complete(there.lab, "Hello").text == TEXT
    assert [model.id for model in there.lab.client.models.list().data] == [there.lab.model]


def test_foundry_local_answers_chats_and_responses_through_it(small: Lab) -> None:
    """The real runtime stands behind it, with a request that names no limit, too."""
    with guarded(Rules(max_tokens=40), lab=small) as there:
        client = there.lab.client
        reply = client.chat.completions.create(model=small.model, messages=[{"role": "user", "content": "Hi"}])
        assert reply.choices[0].message.content
        assert client.responses.create(model=small.model, input="What is a token?", max_output_tokens=10).output_text
        events = list(client.responses.create(model=small.model, input="Hi", max_output_tokens=10, stream=True))
        assert events[0].type == "response.created"
        assert "".join(stream(there.lab, "What is a token?", max_tokens=20))


def test_a_stream_passes_piece_by_piece(there: Guarded) -> None:
    """The first piece is with the reader long before the last one has left the model."""
    with guarded(profile=SLOW) as slow:
        pieces = iter(answer := stream(slow.lab, "Hello"))
        next(pieces)
        request = slow.requests[-1]
        assert request.ended is None
        assert request.completion_tokens < 10
        answer.close()


def test_a_client_that_leaves_stops_the_model() -> None:
    """Nobody pays for what nobody reads."""
    with guarded(profile=SLOW) as slow:
        for _ in zip(range(3), stream(slow.lab, "Hello"), strict=False):
            pass
        eventually(lambda: slow.requests[-1].ending == "left")
        assert slow.requests[-1].completion_tokens < 20
        assert eventually(lambda: slow.gate.log and slow.gate.log[-1].ending) == "client left"


def test_a_client_that_leaves_before_the_first_token_stops_the_model() -> None:
    """Also while the model still thinks."""
    with guarded(profile=Profile("late", first_token=Latency(30_000))) as late:
        connection = HTTPConnection(*late.address)
        body = json.dumps(chat(late.lab.model, stream=True))
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {late.key}"})
        eventually(lambda: late.requests)
        connection.close()
        eventually(lambda: late.requests[-1].ending == "left")


def test_a_real_model_stops_too(small: Lab) -> None:
    """Foundry Local notices through the gateway that its reader has gone."""
    with guarded(lab=small) as there:
        for _ in zip(range(2), stream(there.lab, "Hi", temperature=2, max_tokens=400), strict=False):
            pass
        assert eventually(lambda: there.gate.log and there.gate.log[-1].ending) in ("client left", "complete")
        eventually(lambda: there.gate.app.metrics.in_flight._value.get() == 0)


def test_a_cut_stays_a_cut(there: Guarded) -> None:
    """A stream that breaks off must not look complete."""
    with scripted(*streaming(text("half"), CUT)) as server, guarded(lab=server.lab) as cut:
        with pytest.raises(StreamInterrupted) as caught:
            list(stream(cut.lab, "Hello"))
        assert (caught.value.reason, caught.value.text) == ("cut", "half")
        assert eventually(lambda: cut.gate.log)[-1].ending == "model cut"


def test_a_model_that_falls_silent_is_given_up() -> None:
    """After the stall time the connection is closed without an end."""
    rules = Rules(stall_timeout=0.5)
    with (
        scripted(*streaming(text("half"), 3.0, text("late"), STOP, DONE)) as server,
        guarded(rules, lab=server.lab) as there,
    ):
        with pytest.raises(StreamInterrupted):
            list(stream(there.lab, "Hello"))
        assert eventually(lambda: there.gate.log)[-1].ending == "model stalled"


def test_a_model_that_never_answers_is_a_504() -> None:
    """The client hears why."""
    with guarded(Rules(stall_timeout=0.3), profile=Profile("late", first_token=Latency(5_000))) as there:
        answer, body = there.chat(stream=True)
        assert answer.status == 504
        assert "did not answer in time" in error_of(body)["message"]


@pytest.mark.parametrize("status", ["500 Internal Server Error", "401 Unauthorized", "302 Found"])
def test_the_failures_of_the_server_behind_are_a_502(status: str) -> None:
    """Its words about itself, its own key and its redirects are not for clients."""
    said = whole(status, {"error": "std::vector at 0x7f"}, "Location: /shutdown")
    with scripted(said) as server, guarded(lab=server.lab) as there:
        answer, body = there.chat()
    assert answer.status == 502
    assert b"std::" not in body


def test_a_server_that_is_gone_is_a_502(there: Guarded) -> None:
    """And the gateway is alive, but not ready."""
    with guarded(lab=Lab("openai-compatible", "http://127.0.0.1:9/v1", "key", "none")) as alone:
        answer, body = alone.chat()
        assert answer.status == 502
        assert "cannot be reached" in error_of(body)["message"]
        assert alone.ask("GET", "/livez", key=None)[0].status == 200
        assert alone.ask("GET", "/readyz", key=None)[0].status == 503


def test_the_server_behind_gets_its_own_key_and_nothing_of_the_client(there: Guarded) -> None:
    """Headers and key of the client end at the gateway."""
    with guarded() as other:
        assert other.cloud is not None
        answer, _ = other.ask(body=chat(other.lab.model), X_Labkit_Fault="500", Cookie="a=b")
    assert answer.status == 200


# --- keys


def test_without_a_key_nobody_comes_in(there: Guarded) -> None:
    """Three ways not to have one, and three words for them in the log."""
    revoked = there.gate.keys.create("bob")
    there.gate.keys.revoke("bob")
    for key, reason in ((None, "no key"), ("lk-wrong", "wrong key"), (revoked, "revoked key")):
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/metrics")):
            answer, body = there.ask(method, path, key=key, body=b"{}")
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert error_of(body)["code"] == "invalid_api_key"
            assert there.entry(answer).ending == reason


def test_other_ways_to_log_in_are_no_key(there: Guarded) -> None:
    """Basic is refused, and so is a key in the address, where logs would keep it."""
    assert there.ask("GET", "/v1/models", key=None, Authorization="Basic YTpi")[0].status == 401
    assert there.ask("GET", f"/v1/models?api_key={there.key}", key=None)[0].status == 401
    assert all(there.key not in entry.line() for entry in there.gate.log)


def test_an_openai_client_understands_the_refusal(there: Guarded) -> None:
    """It raises what it raises for OpenAI."""
    with pytest.raises(AuthenticationError, match="not known here"):
        there.gate.lab("lk-wrong").client.models.list()


def test_revoking_works_at_once_and_from_another_process(there: Guarded) -> None:
    """The gateway looks at the file, not at its memory."""
    key = there.gate.keys.create("carl")
    assert there.ask("GET", "/v1/models", key=key)[0].status == 200
    KeyRing(there.gate.keys.path).revoke("carl")
    assert there.ask("GET", "/v1/models", key=key)[0].status == 401


def test_keys_are_hashed_at_rest_and_for_the_owner_only(tmp_path: Path) -> None:
    """Who reads the file cannot come in."""
    ring = KeyRing(tmp_path / "gateway" / "keys.json")
    secret = ring.create("ann")
    assert secret.startswith("lk-")
    assert len(secret) > 40
    assert secret[3:] not in ring.path.read_text()
    assert ring.path.stat().st_mode & 0o077 == 0
    found = ring.find(secret)
    assert found is not None
    assert (found.name, found.revoked) == ("ann", None)
    assert ring.find(found.digest) is None


def test_a_name_has_one_valid_key(tmp_path: Path) -> None:
    """And a new one after the old one was revoked."""
    ring = KeyRing(tmp_path / "keys.json")
    ring.create("ann")
    with pytest.raises(GatewayError, match="'ann' has a key"):
        ring.create("ann")
    ring.revoke("ann")
    ring.create("ann")
    assert [key.revoked is None for key in ring.known()] == [False, True]
    with pytest.raises(GatewayError, match="Nobody called 'bob'"):
        ring.revoke("bob")
    for name in ("", " ann", "a\nb", "x" * 65):
        with pytest.raises(GatewayError, match="cannot be called"):
            ring.create(name)


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """Two commands do not undo each other's work."""
    ring = KeyRing(tmp_path / "keys.json")
    threads = [threading.Thread(target=ring.create, args=(f"user{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ring.known()) == 8


def test_a_damaged_key_file_lets_nobody_in_and_is_no_500() -> None:
    """It fails closed."""
    with guarded() as there:
        there.gate.keys.path.write_text("rubbish")
        answer, body = there.chat()
        assert answer.status == 503
        assert "keys cannot be read" in error_of(body)["message"]
        with pytest.raises(GatewayError, match="damaged"):
            there.gate.keys.known()


# --- limits


def test_too_many_requests_a_minute_are_a_429_that_says_how_long_to_wait() -> None:
    """Each key has a rate of its own."""
    with guarded(Rules(requests_per_minute=2)) as there:
        answers = [there.chat()[0] for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 30
        bob = there.gate.keys.create("bob")
        assert there.ask(body=chat(there.lab.model), key=bob)[0].status == 200


def test_too_many_tokens_a_minute_are_a_429() -> None:
    """A request counts with the longest answer that it allows."""
    with guarded(Rules(tokens_per_minute=200)) as there:
        assert there.chat(max_tokens=100)[0].status == 200
        answer, body = there.chat(max_tokens=100)
        assert answer.status == 429
        assert "tokens per min" in error_of(body)["message"]


def test_too_many_at_once_are_a_429_and_a_place_becomes_free() -> None:
    """A place is given back however a request ends."""
    with guarded(Rules(concurrent_per_key=1), profile=SLOW) as there:
        first = stream(there.lab, "Hello")
        reading = iter(first)
        next(reading)
        answer, body = there.chat()
        assert (answer.status, error_of(body)["code"]) == (429, "concurrency_limit_exceeded")
        assert answer.headers["retry-after"] == "1"
        first.close()
        eventually(lambda: there.chat(max_tokens=1)[0].status == 200)


def test_a_full_gateway_is_a_503() -> None:
    """That is nobody's fault, so it is not a 429."""
    with guarded(Rules(concurrent=1), profile=SLOW) as there:
        first = stream(there.lab, "Hello")
        reading = iter(first)
        next(reading)
        bob = there.gate.keys.create("bob")
        answer, _ = there.ask(body=chat(there.lab.model), key=bob)
        assert answer.status == 503
        first.close()


def test_an_answer_has_a_longest_length(there: Guarded) -> None:
    """Whoever asks for more hears how much there is; who says nothing gets that."""
    with guarded(Rules(max_tokens=5)) as short:
        answer, body = short.chat(max_tokens=6)
        assert (answer.status, error_of(body)["param"]) == (400, "max_tokens")
        for name in ("max_tokens", "max_completion_tokens"):
            assert short.ask(body=chat(short.lab.model, max_tokens=None) | {name: 6})[0].status == 400
        answer, body = short.ask(body={key: v for key, v in chat(short.lab.model).items() if key != "max_tokens"})
        assert json.loads(body)["choices"][0]["finish_reason"] == "length"


def test_rules_that_cannot_be_used_are_refused() -> None:
    """With the value and the remedy."""
    with pytest.raises(GatewayError, match="max_tokens=0"):
        Rules(max_tokens=0)
    with pytest.raises(GatewayError, match=r"such as http://127\.0\.0\.1:5173"):
        Rules(origins=("http://localhost/app",))


# --- browsers


def test_pages_of_an_allowed_origin_may_call() -> None:
    """The browser asks first, and may read what it needs."""
    rules = Rules(origins=("http://page.example",))
    with guarded(rules) as there:
        asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
        answer, _ = there.ask("OPTIONS", key=None, Origin="http://page.example", **asked)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "http://page.example")
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
        answer, _ = there.ask("GET", "/v1/models", Origin="http://page.example")
        assert answer.headers["access-control-allow-origin"] == "http://page.example"
        assert there.ask("OPTIONS", key=None, Origin="http://evil.example", **asked)[0].status == 400
        answer, _ = there.ask("GET", "/v1/models", Origin="http://evil.example")
        assert answer.headers["access-control-allow-origin"] is None


def test_without_origins_no_page_may_call(there: Guarded) -> None:
    """That is the default."""
    answer, _ = there.ask("GET", "/v1/models", Origin="http://page.example")
    assert answer.headers["access-control-allow-origin"] is None


# --- what operators see


def test_the_log_tells_everything_but_what_was_said() -> None:
    """Who, what, how it ended, how long; no prompt, no answer, no key."""
    with guarded() as there:
        answer, _ = there.ask("POST", "/v1/chat/completions?prompt=hush", body=chat(there.lab.model, user="hush"))
        line = there.entry(answer).line()
        entry = json.loads(line)
        assert entry | {"time": 0, "id": 0, "sent": 0, "first_ms": 0, "ms": 0} == {
            "time": 0, "id": 0, "client": "127.0.0.1", "method": "POST", "path": "/v1/chat/completions",
            "key": "ann", "status": 200, "ending": "complete", "sent": 0, "first_ms": 0, "ms": 0,
        }  # fmt: skip
        assert entry["sent"] > 0
        for word in ("hush", "Hello", "word1", there.key):
            assert word not in line


def test_the_answer_carries_the_id_of_its_line_in_the_log(there: Guarded) -> None:
    """So that a complaint can be looked up."""
    answer, _ = there.ask("GET", "/v1/models")
    assert there.entry(answer).method == "GET"


def test_metrics_count_what_happened() -> None:
    """Prometheus reads them with a key; no label holds what clients invent."""
    with guarded() as there:
        there.chat()
        there.ask("GET", "/invented", key=None)
        answer, body = there.ask("GET", "/metrics")
        assert answer.status == 200
        told = body.decode()
        assert 'labkit_gateway_requests_total{route="/v1/chat/completions",status="200"} 1.0' in told
        assert 'labkit_gateway_requests_total{route="other",status="404"} 1.0' in told
        assert 'labkit_gateway_endings_total{ending="no such route"} 1.0' in told
        assert "labkit_gateway_first_byte_seconds_count 1.0" in told
        assert "labkit_health_status" in told
        assert "invented" not in told
        assert "ann" not in told.replace("_channel", "")


def test_supervisors_need_no_key() -> None:
    """/readyz turns to 200 once the monitor has seen the model answer."""
    with guarded() as there:
        assert there.ask("GET", "/livez", key=None)[0].status == 200
        eventually(lambda: there.ask("GET", "/readyz", key=None)[0].status == 200)
        assert there.ask("GET", "/healthz", key=None)[0].status == 404


# --- where it listens


def test_a_taken_port_is_told(there: Guarded) -> None:
    """With its holder."""
    with pytest.raises(PortInUse, match=str(there.address[1])):
        run(there.lab, port=there.address[1])


def test_wider_than_this_machine_needs_tls_or_a_proxy(tmp_path: Path) -> None:
    """Keys never travel in the clear."""
    with pytest.raises(GatewayError, match="unencrypted"):
        Door("0.0.0.0")  # noqa: S104  # that is the point
    with pytest.raises(GatewayError, match="both files"):
        Door(certificate=tmp_path / "cert.pem")
    with pytest.raises(GatewayError, match="no file"):
        Door(certificate=tmp_path / "cert.pem", private_key=tmp_path / "key.pem")
    assert Door("0.0.0.0", proxies=("10.0.0.2",)).scheme == "http"  # noqa: S104


def test_a_proxy_is_believed_and_nobody_else(there: Guarded) -> None:
    """X-Forwarded-For counts from the proxy's address only."""
    assert there.cloud is not None
    answer, _ = there.ask("GET", "/v1/models", X_Forwarded_For="203.0.113.9")
    assert there.entry(answer).client == "127.0.0.1"
    gate = Gate(there.cloud.lab, there.gate.keys, GENEROUS, Door(proxies=("127.0.0.1",)))
    with gate.start():
        proxied = Guarded(gate, there.key)
        answer, _ = proxied.ask("GET", "/v1/models", X_Forwarded_For="203.0.113.9")
        assert proxied.entry(answer).client == "203.0.113.9"
