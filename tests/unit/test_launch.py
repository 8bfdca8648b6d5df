"""Programs are started, waited for and ended, with everything that they started, however their starter ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from commands import Terminal

from labkit import launch
from labkit.errors import HomeNotWritable, LaunchFailed, PortInUse, SettingsError
from labkit.launch import Program, choose_port
from labkit.launch.program import Plan
from labkit.ports import free_port, is_free

_LIMIT = 30.0  # seconds

# A web server whose child would outlive it, as those of reloading servers do.
_SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def _plan(folder: Path, code: str = _SERVER) -> Plan:
    port = free_port()
    command = [sys.executable, "-c", code, str(port)]
    return Plan("The server", command, f"http://127.0.0.1:{port}", folder / "server.log", cwd=folder)


def test_a_program_is_ready_when_it_answers_and_is_gone_when_it_was_stopped(tmp_path: Path) -> None:
    """What it started goes with it."""
    with Program(_plan(tmp_path)).wait_until_ready(_LIMIT) as program:
        assert program.is_running
        child = int(program.logs().split()[1])
        assert psutil.pid_exists(child)
        assert repr(program) == f"<The server runs: {program.url}>"
    assert not program.is_running
    _wait_for(lambda: not psutil.pid_exists(child))
    assert is_free(int(program.url.rpartition(":")[2]))
    program.stop()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a word of POSIX")
def test_nothing_is_left_when_the_starter_is_killed(tmp_path: Path) -> None:
    """A kernel that is restarted gets no chance to clean up."""
    plan = _plan(tmp_path)
    code = f"""
import sys, time
from pathlib import Path
from labkit.launch.program import Plan, Program
program = Program(Plan("x", {list(plan.command)!r}, {plan.url!r}, Path({str(plan.log)!r}))).wait_until_ready({_LIMIT})
print("ready", flush=True)
time.sleep(600)
"""
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "ready\n"
    child = int(plan.log.read_text().split()[1])
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    _wait_for(lambda: is_free(int(plan.url.rpartition(":")[2])) and not psutil.pid_exists(child))


@pytest.mark.skipif(os.name != "posix", reason="there are process groups")
def test_an_interrupted_kernel_does_not_end_the_program(tmp_path: Path) -> None:
    """Jupyter interrupts a kernel with a signal to its whole process group."""
    with Program(_plan(tmp_path)).wait_until_ready(_LIMIT) as program:
        assert os.getpgid(program.pid) != os.getpgid(0)


def test_a_program_that_ends_at_once_says_what_it_printed(tmp_path: Path) -> None:
    """The last lines of its log are in the message, and the message names the file."""
    plan = _plan(tmp_path, "import sys; print('no such model'); sys.exit(3)")
    with pytest.raises(LaunchFailed, match=r"The server did not start: it ended with exit code 3. It said:\n  no such"):
        Program(plan).wait_until_ready(_LIMIT)


def test_a_program_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    """A wait has a limit, and leaves nothing behind."""
    program = Program(_plan(tmp_path, "import time; time.sleep(600)"))
    with pytest.raises(LaunchFailed, match=r"it did not answer within 0\.5 seconds"):
        program.wait_until_ready(0.5)
    assert not program.is_running


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """People mistype, and forget to install."""
    plan = Plan("The server", ["no-such-program"], "http://127.0.0.1:1", tmp_path / "log")
    with pytest.raises(LaunchFailed, match="no-such-program cannot be started: No such file"):
        Program(plan).wait_until_ready(_LIMIT)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file stands where its folder should be."""
    (tmp_path / "logs").write_text("")
    with pytest.raises(HomeNotWritable, match="labkit cannot write to"):
        Program(Plan("The server", ["true"], "http://127.0.0.1:1", tmp_path / "logs" / "log"))


def test_the_log_can_be_followed(tmp_path: Path) -> None:
    """Each line comes once, and the end of the program is the end of the lines."""
    program = Program(_plan(tmp_path, "for number in range(200): print('line', number)"))
    assert list(program.follow()) == [f"line {number}" for number in range(200)]
    program.stop()


def test_a_notebook_shows_a_link_and_a_frame(tmp_path: Path) -> None:
    """The frame has a title for screen readers; a program that has ended says so."""
    with Program(_plan(tmp_path)).wait_until_ready(_LIMIT) as program:
        html = program._repr_html_()
        assert f"<a href='{program.url}'" in html
        assert f"<iframe src='{program.url}' title='The server'" in html
    assert program._repr_html_() == "<p role='status'>The server has ended.</p>"


def test_the_usual_port_is_taken_first_and_another_one_is_explained() -> None:
    """Whoever expects port 8080 reads why it is another one."""
    usual = free_port()
    assert choose_port(usual) == (usual, "")
    with _held(usual) as pid:
        port, note = choose_port(usual)
        assert port != usual
        assert note == f"Port {usual} is held by {psutil.Process(pid).name()} (process {pid}), so this is port {port}."
        with pytest.raises(PortInUse, match=f"Port {usual} is held by"):
            choose_port(usual, usual)


def test_foundry_locals_port_is_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed warns of it: the model would find its place taken."""
    usual = free_port()
    monkeypatch.setenv("FOUNDRY_PORT", str(usual))
    port, note = choose_port(usual)
    assert port != usual
    assert "Foundry Local (FOUNDRY_PORT)" in note
    with pytest.raises(SettingsError, match=f"Port {usual} is reserved for Foundry Local"):
        choose_port(usual, usual)


def test_an_application_of_ones_own_is_launched(tmp_path: Path) -> None:
    """Notebooks write small ones."""
    app = tmp_path / "echo.py"
    app.write_text(
        "import chainlit as cl\n\n@cl.on_message\n"
        "async def echo(message: cl.Message):\n    await cl.Message(message.content).send()\n"
    )
    from labkit.chat.client import ChatClient

    with launch.chat(app, port=free_port()) as program, ChatClient.at(program.url) as chat:
        assert chat.ask("Hello").text == "Hello"
    assert not (tmp_path / ".chainlit").exists()


def test_the_command_says_who_holds_a_port_that_was_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, no traceback."""
    port = free_port()
    with _held(port) as pid:
        outcome = Terminal(capsys, monkeypatch).type("chat", "--port", str(port), "--no-browser")
    assert outcome.code == 1
    assert f"(process {pid})" in outcome.err


class _held:
    """Holds a port with a process of its own."""

    def __init__(self, port: int) -> None:
        code = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True)"
        code += "; time.sleep(99)"
        self._process = subprocess.Popen([sys.executable, "-c", code, str(port)], stdout=subprocess.PIPE)

    def __enter__(self) -> int:
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
