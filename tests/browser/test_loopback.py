"""The application's own process stays on this machine, too: every connection and every packet of it is traced."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.chat.client import ChatClient
from labkit.launch import Program
from labkit.launch.chat_app import APP, plan
from labkit.ports import free_port

_STARTING = 180.0  # seconds: tracing makes everything slow
_ANSWERING = 120.0  # seconds
_LATER = 14.0  # seconds: telemetry would be collected first and sent later


def test_the_application_makes_no_call_beyond_this_machine(tmp_path: Path) -> None:
    """It starts, answers from the model and from the simulated cloud, keeps the conversation, and ends."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        assert "CI" not in os.environ or sys.platform != "linux", "install strace: CI must not skip this proof"
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    calls = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
    settings = {"LABKIT_HOME": str(tmp_path), "CHAINLIT_APP_ROOT": str(tmp_path)}
    started = plan(APP, free_port(), "127.0.0.1", settings)
    traced = replace(started, command=[*calls, *started.command])
    with Program(traced).wait_until_ready(_STARTING) as program:
        for profile in ("Local", "Cloud", "Auto"):
            with ChatClient.at(program.url, profile) as chat:
                assert "first token" in chat.ask("What is a token?", _ANSWERING).text
        time.sleep(_LATER)
    lines = trace.read_text().splitlines()
    assert any("127.0.0.1" in line for line in lines), "the trace shows the models, so it sees the application"
    assert [line for line in lines if _leaves(line)] == []


def _leaves(call: str) -> bool:
    address = re.search(r"(sa_family|sin6?_addr)", call)
    return bool(address) and not re.search(r'AF_UNIX|AF_NETLINK|AF_UNSPEC|inet_addr\("127\.|"::1"', call)
