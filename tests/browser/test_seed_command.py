"""`chainlit run labkit/chat/app.py -w --port 8080` works as the seed says, wherever it is typed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx2

from labkit.chat.client import ChatClient
from labkit.launch import Program
from labkit.launch.chat_app import APP
from labkit.launch.program import Plan
from labkit.ports import free_port

_STARTING = 120.0  # seconds


def test_chainlits_own_command_runs_the_application_and_reloads_it(tmp_path: Path) -> None:
    """In CI, too, where Chainlit brings an OpenAI key that is none: the cloud stays a simulated one.

    After a file has changed, -w loads the code anew; the look, the health and the models are still there.
    """
    port = free_port()
    command = [sys.executable, "-m", "chainlit", "run", str(APP), "-w", "-h", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    env = {"LABKIT_HOME": str(tmp_path / "home"), "CI": "true"}
    with Program(Plan("Chainlit", command, url, tmp_path / "log", env=env, cwd=tmp_path)) as program:
        program.wait_until_ready(_STARTING)
        _assert_answers(url)
        (APP.parent / "words.py").touch()
        _wait_for_log(program, "Reloading app")
        time.sleep(2)  # Chainlit tells its pages a second later
        _assert_answers(url)
        assert "Traceback" not in program.logs(1000)


def _assert_answers(url: str) -> None:
    with ChatClient.at(url, "Cloud") as chat:
        assert "simulated cloud" in chat.ask("What is a token?").text
    with ChatClient.at(url, language="de-DE") as chat:
        assert "erstes Token nach" in chat.ask("What is a token?").text
    assert httpx2.get(f"{url}/readyz", trust_env=False).json()["status"] in ("pass", "warn")
    assert "<title>Foundry Local</title>" in httpx2.get(url, trust_env=False).text


def _wait_for_log(program: Program, text: str) -> None:
    deadline = time.monotonic() + _STARTING
    while text not in program.logs(1000):
        assert time.monotonic() < deadline, program.logs()
        time.sleep(0.1)
