"""`labkit gateway` as people type it: keys first, then the gateway, and an orderly end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from commands import Terminal, running

from labkit import simulator
from labkit.simulator import Cloud

TEXT = "A token is a piece of text."


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    """Gives a terminal with a LABKIT_HOME of its own."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    return Terminal(capsys, monkeypatch)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a server to put behind the gateway."""
    with simulator.run("instant", text=TEXT) as made:
        yield made


def test_keys_are_created_listed_and_revoked(terminal: Terminal) -> None:
    """The key goes to standard output alone, so that a script can keep it."""
    made = terminal.type("gateway", "keys", "create", "ann")
    assert made.code == 0
    assert made.out.startswith("lk-")
    assert len(made.out.split()) == 1
    assert "shown this once" in made.err
    assert "valid" in terminal.type("gateway", "keys", "list").out
    assert "not accepted any more" in terminal.type("gateway", "keys", "revoke", "ann").out
    listed = terminal.type("gateway", "keys", "list").out
    assert "revoked" in listed
    assert made.out.strip() not in listed


def test_mistakes_are_told_with_the_remedy(terminal: Terminal) -> None:
    """No traceback, and what to type next."""
    told = terminal.type("gateway", "keys", "revoke", "bob")
    assert (told.code, told.err) == (
        1,
        "Error: Nobody called 'bob' has a key. `labkit gateway keys list` shows who has.",
    )
    assert "unencrypted" in terminal.type("gateway", "--host", "0.0.0.0").err  # noqa: S104  # that is the point
    assert "no IP address or network" in terminal.type("gateway", "--behind-proxy", "nginx").err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_logs_and_ends_when_told(terminal: Terminal, cloud: Cloud, tmp_path: Path, number: int) -> None:
    """The log on standard output has one JSON line a request; a supervisor's signal ends it with code 0."""
    key = terminal.type("gateway", "keys", "create", "ann").out.strip()
    settings = {"BASE_URL": cloud.endpoint, "MODEL": cloud.lab.model, "LABKIT_HOME": str(tmp_path)}
    with running("gateway", "--port", "0", **settings) as program:
        address = urlsplit(program.read_until("The gateway answers").split()[4].rstrip(","))
        program.read_until("Ctrl-C")
        connection = HTTPConnection(address.hostname or "", address.port, timeout=20)
        body = json.dumps({"model": cloud.lab.model, "messages": [{"role": "user", "content": "What is a token?"}]})
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert TEXT in answer.read().decode()
        line = json.loads(program.read_until("/v1/chat"))
        assert (line["key"], line["status"], line["ending"]) == ("ann", 200, "complete")
        connection.close()
        assert program.end(number) == 0
    assert "Traceback" not in program.out
