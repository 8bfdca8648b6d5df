"""What is sent to break in, to confuse or to exhaust the gateway is refused, logged, and never reaches the model."""

from __future__ import annotations

import json
import random
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gateways import GENEROUS, Guarded, chat, eventually, guarded, make_certificate

from labkit.client import Lab
from labkit.gateway import KeyRing, Rules
from labkit.gateway.gate import Door, Gate
from labkit.runtime import own_service

QUICK = replace(GENEROUS, head_timeout=0.5, body_timeout=0.5)


@pytest.fixture(scope="module")
def there() -> Iterator[Guarded]:
    """Gives a gateway in front of a simulated cloud, with little patience."""
    with guarded(QUICK) as made:
        yield made


def status_of(received: bytes) -> int:
    """Gives the status of a raw answer, 0 where there was none."""
    return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0


def statuses(received: bytes) -> list[int]:
    """Gives the statuses of all answers on a connection."""
    return [status_of(b"HTTP/1.1 " + part) for part in received.split(b"HTTP/1.1 ")[1:]]


def head(there: Guarded, line: str, *more: str) -> bytes:
    """Makes a request's head with Ann's key."""
    return "\r\n".join([line, "Host: x", f"Authorization: Bearer {there.key}", *more, "", ""]).encode("latin-1")


def post(there: Guarded, body: bytes, *more: str) -> bytes:
    """Makes a whole chat request."""
    return head(there, "POST /v1/chat/completions HTTP/1.1", f"Content-Length: {len(body)}", *more) + body


# --- paths and methods

TRICKS = (
    "/shutdown", "/v1/../shutdown", "/v1/%2e%2e/shutdown", "/v1/..%2fshutdown", "/v1%2f..%2fshutdown", "//shutdown",
    "/v1//models", "/v1/models/", "/v1/models/../../shutdown", "/v1/./models", "/v1/%6dodels", "/V1/models",
    "/v1/models;/../shutdown", "/v1\\..\\shutdown", "/v1/models%00", "/v1/models%0d%0aX:y", "/v1/models%23",
    "/models/unload/course-small", "/models/load/course-small", "/models/loaded", "/status", "/v1/embeddings",
    "/v1/audio/transcriptions", "/v1/models/course-small:1", "/", "/healthz", "/startupz", "/openapi.json", "/.env",
    "http://127.0.0.1/shutdown", "http://127.0.0.1/v1/models", "http:/v1/models", "127.0.0.1:80", "*", "?", "%",
    "/v1/models\t/x", "/" + "a" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("target", TRICKS)
def test_there_is_one_spelling_of_each_route(there: Guarded, target: str) -> None:
    """Whatever else is asked for is refused, by GET and by POST, with a key."""
    for method in ("GET", "POST"):
        received = there.raw(
            head(there, f"{method} {target} HTTP/1.1", "Content-Length: 2", "Connection: close") + b"{}"
        )
        assert status_of(received) in (400, 404), received[:200]
    assert there.gate.log[-1].ending in ("no such route", "no HTTP")
    assert there.requests == []


def test_nobody_shuts_foundry_local_down_through_it(small: Lab) -> None:
    """The route that ends the real runtime stays out of reach."""
    service = own_service()
    assert service is not None
    with guarded(lab=small) as there:
        for target in TRICKS:
            for method in ("GET", "POST"):
                there.raw(head(there, f"{method} {target} HTTP/1.1", "Content-Length: 2", "Connection: close") + b"{}")
        assert there.chat()[0].status == 200
    assert small.model in service.loaded_ids()


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "GET", "FOO", "CONNECT", "PRI"]
)
def test_other_methods_are_refused(there: Guarded, method: str) -> None:
    """With the one that is understood, where the method is one at all."""
    received = there.raw(head(there, f"{method} /v1/chat/completions HTTP/1.1", "Connection: close"))
    assert status_of(received) == (405 if method not in ("FOO", "PRI") else 400)
    assert (b"allow: POST" in received) == (status_of(received) == 405)


def test_an_answer_without_a_body_leaves_at_once(there: Guarded) -> None:
    """HEAD on a kept connection, which load balancers like to ask."""
    received = there.raw(
        head(there, "HEAD /livez HTTP/1.1") + head(there, "GET /nothing HTTP/1.1", "Connection: close")
    )
    assert statuses(received) == [200, 404]
    with socket.create_connection(there.address, timeout=20) as connection:
        connection.sendall(head(there, "HEAD /livez HTTP/1.1"))
        assert status_of(connection.recv(4096)) == 200


def test_models_are_for_reading(there: Guarded) -> None:
    """Each route has its own method."""
    assert there.ask("POST", "/v1/models", body=b"{}")[0].status == 405


# --- sizes and times


def test_a_body_that_is_too_large_is_refused_before_it_is_kept() -> None:
    """Announced or not; and its sender hears why."""
    with guarded(replace(QUICK, max_body=10_000)) as there:
        answer, body = there.chat(messages=[{"role": "user", "content": "x" * 20_000}])
        assert (answer.status, there.entry(answer).ending) == (413, "large body")
        assert b"10,000 bytes" in body
        chunks = b"".join(b"1000\r\n" + b"x" * 0x1000 + b"\r\n" for _ in range(5)) + b"0\r\n\r\n"
        received = there.raw(head(there, "POST /v1/chat/completions HTTP/1.1", "Transfer-Encoding: chunked") + chunks)
        assert status_of(received) == 413
        received = there.raw(head(there, "POST /v1/chat/completions HTTP/1.1", "Content-Length: 99999999999"))
        assert status_of(received) in (408, 413)
        assert there.chat()[0].status == 200


def test_a_head_that_is_too_large_is_refused(there: Guarded) -> None:
    """One long header, or many short ones that never end."""
    received = there.raw(head(there, "GET /v1/models HTTP/1.1", "X-Long: " + "x" * 400_000))
    assert status_of(received) in (0, 431)
    received = there.raw(b"GET /v1/models HTTP/1.1\r\n" + b"X-Many: x\r\n" * 8_000)
    assert status_of(received) == 431
    assert eventually(lambda: [entry for entry in there.gate.log if entry.ending == "large head"])


def test_a_slow_loris_is_cut_off(there: Guarded) -> None:
    """Who sends a head byte by byte, or nothing at all, gets no more than the time for a head."""
    for drip in (b"", b"X"):
        with socket.create_connection(there.address, timeout=20) as connection:
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nX: " if drip else b"")
            received = b""
            with pytest.raises((BrokenPipeError, ConnectionResetError, StopIteration)):
                for _ in range(200):
                    connection.sendall(drip)
                    connection.settimeout(0.1)
                    try:
                        received += connection.recv(4096)
                    except TimeoutError:
                        continue
                    raise StopIteration
        assert status_of(received) in (0, 408)
    assert eventually(lambda: [entry for entry in there.gate.log if entry.ending == "slow head"])


def test_a_slow_second_request_is_cut_off_too(there: Guarded) -> None:
    """A kept connection gives no more time."""
    received = there.raw(head(there, "GET /v1/models HTTP/1.1") + b"GET /v1/mod")
    assert statuses(received)[0] == 200
    assert eventually(lambda: there.gate.log[-1].ending == "slow head")


def test_a_slow_body_is_cut_off(there: Guarded) -> None:
    """And gives its place back."""
    received = there.raw(head(there, "POST /v1/chat/completions HTTP/1.1", "Content-Length: 100") + b'{"model":')
    assert status_of(received) == 408
    assert eventually(lambda: there.gate.log[-1].ending == "slow body")
    eventually(lambda: there.gate.app._admission.total == 0)


def test_a_client_that_does_not_read_is_dropped() -> None:
    """It would hold the model and a place for ever."""
    rules = replace(QUICK, stall_timeout=1.0)
    with guarded(rules, text="x" * 50_000 + " " + "word " * 5_000) as there:
        with socket.create_connection(there.address, timeout=20) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = json.dumps(chat(there.lab.model, stream=True, max_tokens=1_024)).encode()
            connection.sendall(post(there, body))
            found = eventually(lambda: [entry for entry in there.gate.log if entry.status])
        assert found[-1].ending in ("client stalled", "complete")


def test_many_silent_connections_do_not_keep_others_out(there: Guarded) -> None:
    """Two hundred of them, and Ann is still served."""
    silent = [socket.create_connection(there.address, timeout=20) for _ in range(200)]
    try:
        assert there.chat()[0].status == 200
    finally:
        for connection in silent:
            connection.close()


# --- request smuggling and header injection

SMUGGLED = "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
AMBIGUOUS = (
    ("Content-Length: 4", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 4"),
    ("Content-Length: 4", "Content-Length: 40"),
    ("Content-Length: 4", "Content-Length: 4"),
    ("Content-Length: 4, 4",),
    ("Content-Length: +4",),
    ("Content-Length: -4",),
    ("Content-Length: 0x4",),
    ("Content-Length : 4",),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: identity", "Content-Length: 4"),
    ("Transfer-Encoding : chunked",),
    ("Transfer-Encoding:\x0bchunked",),
    ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ("X: y\r\n Transfer-Encoding: chunked", "Content-Length: 4"),
    ("X: y\nTransfer-Encoding: chunked", "Content-Length: 4"),
    ("X: y\rTransfer-Encoding: chunked", "Content-Length: 4"),
    ("Content-Length: 4", "Host: evil.example"),
    ("Content-Length: 4", "Authorization: Bearer other"),
    ("Content-Length: 4", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
    ("Content-Length: 4", "Upgrade: websocket", "Connection: Upgrade"),
)


@pytest.mark.parametrize("headers", AMBIGUOUS, ids=repr)
def test_a_request_with_two_readings_is_refused_and_the_connection_closed(
    there: Guarded, headers: tuple[str, ...]
) -> None:
    """So that no second request hides in the first one."""
    before, smuggled = len(there.requests), SMUGGLED.format(key=there.key).encode()
    received = there.raw(head(there, "POST /v1/chat/completions HTTP/1.1", *headers) + b"0\r\n\r\n" + smuggled)
    assert status_of(received) == 400, received[:300]
    assert statuses(received) == [400]
    assert len(there.requests) == before


def test_bare_line_feeds_are_no_http(there: Guarded) -> None:
    """Some proxies take them for line ends, and others do not."""
    received = there.raw(head(there, "GET /v1/models HTTP/1.1").replace(b"\r\n", b"\n"))
    assert status_of(received) == 400


@pytest.mark.parametrize(
    "chunk", [b"4;x=\r\ny\r\n{}  \r\n", b"0x4\r\n{}  \r\n", b"-1\r\n", b"4\n{}  \n", b"fffffffffffffffff\r\n"]
)
def test_odd_chunks_never_become_a_second_request(there: Guarded, chunk: bytes) -> None:
    """Whatever they are, one answer comes at most, and it is no success."""
    smuggled = SMUGGLED.format(key=there.key).encode()
    received = there.raw(
        head(there, "POST /v1/chat/completions HTTP/1.1", "Transfer-Encoding: chunked") + chunk + smuggled
    )
    assert 200 not in statuses(received)
    assert len(statuses(received)) <= 1


def test_pipelined_requests_get_one_answer_each(there: Guarded) -> None:
    """Two honest requests in one packet are two requests."""
    two = head(there, "GET /v1/models HTTP/1.1") + head(there, "GET /nothing HTTP/1.1", "Connection: close")
    assert statuses(there.raw(two)) == [200, 404]


@pytest.mark.parametrize("header", ["X: a\x00b", "X\x00: a", "X y: a", "X: a\r\n\x01Y: b", ": a", "X: \x7f"])
def test_control_characters_in_headers_are_refused(there: Guarded, header: str) -> None:
    """They have no business there."""
    assert status_of(there.raw(head(there, "GET /v1/models HTTP/1.1", header, "Connection: close"))) == 400


def test_nothing_that_a_client_sends_becomes_a_header_of_the_answer(there: Guarded) -> None:
    """Not its id, not its origin, not its path."""
    received = there.raw(
        head(there, "GET /%0d%0aSet-Cookie:a=b HTTP/1.1", "X-Request-Id: mine", "Origin: evil", "Connection: close")
    )
    answered, _, _ = received.lower().partition(b"\r\n\r\n")
    assert b"set-cookie" not in answered
    assert b"mine" not in answered
    assert b"evil" not in answered


def test_nobody_forges_a_line_of_the_log(there: Guarded) -> None:
    """Line breaks in a path stay inside their JSON string."""
    there.raw(head(there, "GET /%0a%7b%22key%22:%22root%22%7d HTTP/1.1", "Connection: close"))
    line = there.gate.log[-1].line()
    assert "\n" not in line
    assert json.loads(line)["path"] == '/\n{"key":"root"}'


# --- bodies

BODIES: tuple[Any, ...] = (
    b"", b"nonsense", b"[]", b"1", b"null", b'"x"', b"\xff\xfe{}", b"{", b'{"model":NaN}', b"[" * 100_000,
    b'{"a":' * 20_000, {}, {"model": "m"}, {"model": 1, "messages": [1]}, {"model": "m", "messages": []},
    {"model": "m", "messages": "x", "max_tokens": "5"}, {"model": "m", "messages": "x", "max_tokens": -1},
    {"model": "m", "messages": "x", "max_tokens": True}, {"model": "m", "messages": "x", "max_tokens": 1.5},
    {"model": "m", "messages": "x", "max_tokens": 10**30}, {"model": "m", "messages": {"a": 1}},
    b'{"model":"m","messages":["x"],"temperature":1e999}',
    b'{"model":"m","messages":["x"],"seed":' + b"9" * 5_000 + b"}",
)  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body)[:40])
def test_a_body_that_is_no_chat_request_is_a_400(there: Guarded, body: Any) -> None:
    """With the reason, and without asking the model."""
    answer, said = there.ask(body=body)
    assert answer.status == 400, said
    assert json.loads(said)["error"]["message"]


def test_the_last_of_two_equal_fields_counts_for_everybody() -> None:
    """What was checked is what goes on: the body is written anew."""
    with guarded(replace(GENEROUS, max_tokens=10)) as there:
        model = there.lab.model
        body = b'{"max_tokens":9999,"model":"%b","messages":[{"role":"user","content":"Hello"}],"max_tokens":5}'
        answer, said = there.ask(body=body % model.encode())
        assert answer.status == 200
        assert json.loads(said)["usage"]["completion_tokens"] == 5


def test_conversations_of_others_cannot_be_continued(there: Guarded) -> None:
    """`previous_response_id` would reach into what somebody else has said."""
    body = {"model": there.lab.model, "input": "go on", "previous_response_id": "resp_1"}
    assert there.ask("POST", "/v1/responses", body=body)[0].status == 400


# --- everything at random

PIECES = (
    b"GET ", b"POST ", b"/v1/models", b"/v1/chat/completions", b"/v1/responses", b" HTTP/1.1\r\n", b"\r\n", b"\n",
    b"Host: x\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"\x00", b"\xff", b"%2e", b"../",
    b"{", b"}", b'"messages"', b":", b"[", b"]", b"5\r\nhello\r\n", b"Accept-Encoding: gzip\r\n", b"Origin: x\r\n",
)  # fmt: skip


def mutant(chance: random.Random, there: Guarded) -> bytes:
    """Makes a request that was right once, or never."""
    body = json.dumps(chat(there.lab.model, stream=chance.random() < 0.5, max_tokens=3)).encode()
    data = bytearray(post(there, body, "Connection: close"))
    for _ in range(chance.randint(0, 6)):
        place, piece = chance.randrange(len(data) + 1), chance.choice(PIECES)
        match chance.randrange(4):
            case 0:
                data[place:place] = piece
            case 1:
                data[place : place + len(piece)] = piece
            case 2:
                del data[place : place + chance.randint(1, 30)]
            case _:
                data[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(data)


def test_no_mutant_of_a_request_breaks_it(there: Guarded) -> None:
    """A thousand requests from a seed: no 500, nothing unhandled, and Ann is served as before."""
    chance = random.Random(7)
    mutants = [mutant(chance, there) for _ in range(1_000)]
    with ThreadPoolExecutor(24) as pool:
        answers = [status for received in pool.map(there.raw, mutants) for status in statuses(received)]
    assert set(answers) <= {100, 200, 400, 401, 404, 405, 408, 413, 431}
    assert answers.count(200) > 50
    assert answers.count(400) > 100
    assert [entry.line() for entry in there.gate.log if entry.ending == "failed"] == []
    assert there.chat()[0].status == 200


def test_no_odd_field_breaks_it_nor_foundry_local(small: Lab) -> None:
    """Two hundred bodies with wrong types in the right places, against the real runtime."""
    chance = random.Random(8)
    values = [None, True, -1, 0, 1e308, "", "x", "\ud800", [], [1], {}, {"a": 1}, [{"role": 1}], 10**20]
    fields = ["messages", "model", "max_tokens", "temperature", "top_p", "stop", "n", "stream", "stream_options",
              "tools", "tool_choice", "response_format", "seed", "logit_bias", "presence_penalty", "user"]  # fmt: skip
    with guarded(replace(GENEROUS, max_tokens=20), lab=small) as there:
        for _ in range(200):
            changes = {name: chance.choice(values) for name in chance.sample(fields, chance.randint(1, 3))}
            status = there.ask(body=chat(small.model, max_tokens=3) | changes)[0].status
            assert status in (200, 400, 404), changes
        assert there.chat(max_tokens=5)[0].status == 200


# --- TLS


def test_tls_files_make_it_https(tmp_path: Path) -> None:
    """Who speaks plain HTTP to it gets nothing, who speaks TLS is served, and no old version of TLS is."""
    certificate, private = make_certificate(tmp_path)
    with guarded() as plain:
        assert plain.cloud is not None
        keys = KeyRing(tmp_path / "keys.json")
        key = keys.create("ann")
        gate = Gate(plain.cloud.lab, keys, Rules(), Door("127.0.0.1", 0, certificate, private))
        with gate.start():
            secure = Guarded(gate, key)
            assert gate.endpoint.startswith("https://")
            assert 200 not in statuses(secure.raw(head(secure, "GET /v1/models HTTP/1.1"), wait=2))
            context = ssl.create_default_context(cafile=str(certificate))
            with (
                socket.create_connection(secure.address, timeout=20) as connection,
                context.wrap_socket(connection, server_hostname="127.0.0.1") as wrapped,
            ):
                assert wrapped.version() in ("TLSv1.2", "TLSv1.3")
                wrapped.sendall(head(secure, "GET /v1/models HTTP/1.1", "Connection: close"))
                assert wrapped.recv(4096).startswith(b"HTTP/1.1 200")


def test_it_all_ends_in_time(there: Guarded) -> None:
    """After all of this no place is taken."""
    eventually(lambda: there.gate.app._admission.total == 0)
