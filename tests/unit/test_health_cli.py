"""`labkit health` says what is broken, and its exit code says it to programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import environment

from labkit import simulator
from labkit.ports import free_port
from labkit.simulator import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a simulated cloud that answers at once."""
    with simulator.run("instant", text="one two three") as running:
        yield running


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "labkit", "health", *arguments]


def _labkit(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    settings = {"FOUNDRY_PORT": str(free_port()), **settings}
    return subprocess.run(
        _command(*arguments), env=environment(home, **settings), capture_output=True, text=True, timeout=60, check=False
    )


def _asked(cloud: Cloud) -> tuple[str, ...]:
    return "--url", cloud.endpoint, "--model", "fixed-text"


def test_pass_is_exit_code_0(cloud: Cloud, home: Path) -> None:
    """And a table for people."""
    ended = _labkit(home, *_asked(cloud))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("[PASS] fixed-text")


def test_warn_is_exit_code_1(cloud: Cloud, home: Path) -> None:
    """A server that limits its load is degraded."""
    cloud.break_with("429")
    assert _labkit(home, *_asked(cloud)).returncode == 1


def test_fail_is_exit_code_2_and_json_is_for_programs(home: Path) -> None:
    """Without a server the JSON is whole, and names what to type."""
    ended = _labkit(home, "--json")
    assert ended.returncode == 2
    body = json.loads(ended.stdout)
    assert body["status"] == "fail"
    assert "labkit serve" in body["output"]


def test_a_wrong_setting_does_not_look_like_a_warning(home: Path) -> None:
    """Exit code 1 would say that the model can answer."""
    ended = _labkit(home, BASE_URL="nonsense")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: BASE_URL")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_watching_gives_a_line_for_each_check_and_ends_with_ctrl_c(cloud: Cloud, home: Path) -> None:
    """The exit code is that of the last check."""
    command = _command(*_asked(cloud), "--watch", "--json", "--every", "0.1")
    settings = environment(home, PYTHONUNBUFFERED="1")
    program = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout
    seen = [json.loads(program.stdout.readline())["status"] for _ in range(2)]
    program.send_signal(signal.SIGINT)
    _rest, errors = program.communicate(timeout=20)
    assert (seen, program.returncode, errors) == (["pass", "pass"], 0, "")
