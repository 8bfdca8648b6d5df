"""What the `labkit` command prints, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx2
import nbformat
import psutil
import pytest
from commands import Program, Terminal, running

from labkit import kernel
from labkit.client import Lab
from labkit.ports import free_port, is_free
from labkit.service import Service

COMMANDS = ("ask", "start", "run", "progress", "serve", "simulate", "health", "doctor", "models")
_http = httpx2.Client(trust_env=False, timeout=60)
posix = pytest.mark.skipif(os.name != "posix", reason="sends signals as a POSIX terminal does")


@pytest.fixture
def labkit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Gives a terminal to type commands into."""
    return Terminal(capsys, monkeypatch)


def test_ask_prints_the_answer_and_its_figures_apart(small: Lab, labkit: Terminal) -> None:
    """The answer alone can be piped on; model, source and speed go to standard error."""
    asked = labkit.type("ask", "--model", "course-small", "What is an alias?")
    assert asked.code == 0
    assert asked.out.strip()
    assert re.fullmatch(
        r"course-small:1 \| foundry-local \| first token after \d+ ms \| [\d,]+ tokens/s", asked.err.strip()
    )


def test_the_words_of_a_question_need_no_quotes(small: Lab, labkit: Terminal) -> None:
    """Who forgets the quotes gets the same answer."""
    quoted = labkit.type("ask", "-m", "course-small", "What is an alias?")
    assert labkit.type("ask", "-m", "course-small", "What", "is", "an", "alias?").out == quoted.out


def test_ask_reads_its_question_from_a_pipe(small: Lab, labkit: Terminal) -> None:
    """`echo question | labkit ask` asks the same as `labkit ask question`."""
    typed = labkit.type("ask", "-m", "course-small", "What is an alias?")
    assert labkit.type("ask", "-m", "course-small", pipe="What is an alias?\n").out == typed.out


@pytest.mark.parametrize("pipe", [None, "", " \n"])
def test_ask_without_a_question_shows_how_to_ask(pipe: str | None, labkit: Terminal) -> None:
    """A mistake in typing ends with 2, at a terminal and with an empty pipe, and starts nothing."""
    asked = labkit.type("ask", pipe=pipe)
    assert asked.code == 2
    assert "labkit ask" in asked.err


def test_ask_says_that_an_answer_was_cut(small: Lab, labkit: Terminal) -> None:
    """An answer that ends in the middle does not look like a whole one."""
    asked = labkit.type("ask", "-m", "course-small", "--max-tokens", "3", "What is an alias?")
    assert asked.code == 0
    assert "The answer was cut at 3 tokens. --max-tokens 6 lets it go on." in asked.err


def test_ask_through_a_simulated_cloud_says_so(small: Lab, labkit: Terminal) -> None:
    """A simulated figure is never shown as a measured one."""
    asked = labkit.type("ask", "-m", "course-small", "--profile", "instant", "What is an alias?")
    assert asked.code == 0
    assert "| simulated-cloud |" in asked.err
    assert asked.out == labkit.type("ask", "-m", "course-small", "What is an alias?").out


def test_ask_tells_what_was_corrected_in_base_url(small: Lab, labkit: Terminal) -> None:
    """BASE_URL without /v1 works, and the learner reads why."""
    asked = labkit.type("ask", "hello", BASE_URL=small.endpoint.removesuffix("/v1"), MODEL="course-small")
    assert asked.code == 0
    assert "BASE_URL lacks /v1" in asked.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ask", "-m", "course-smal", "hello"], "Did you mean course-small?"),
        (["ask", "-m", "course-small", "word " * 1500], "the model holds 1,024"),
        (["ask", "--profile", "mobil", "hello"], "Did you mean mobile? Choose one of:"),
        (["simulate", "--fault", "cot:0.2"], "Did you mean cut?"),
        (["simulate", "--fault", "cut:2"], "Give a share from 0 to 1."),
        (["run", "no_such_notebook"], "No notebook is called 'no_such_notebook'."),
    ],
)
def test_a_foreseeable_failure_is_one_message(words: list[str], expected: str, small: Lab, labkit: Terminal) -> None:
    """The cause and the next step, exit code 1, and no traceback."""
    failed = labkit.type(*words)
    assert failed.code == 1
    assert failed.err.startswith("Error: ")
    assert expected in failed.err
    assert "Traceback" not in failed.err


@pytest.mark.parametrize(
    "words",
    [["aks"], ["ask", "--modle", "x", "hello"], ["ask", "--max-tokens", "0", "hello"], ["serve", "--port", "x"]],
)
def test_a_mistake_in_typing_ends_with_two(words: list[str], labkit: Terminal) -> None:
    """Scripts can tell a wrong command from a failed one."""
    assert labkit.type(*words).code == 2


def test_a_bad_setting_is_one_message(labkit: Terminal) -> None:
    """Every command reads the settings, and a wrong one names itself."""
    failed = labkit.type("models", FOUNDRY_PORT="many")
    assert failed.code == 1
    assert failed.err.startswith("Error: FOUNDRY_PORT='many' cannot be used")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches_by_example(command: str, labkit: Terminal) -> None:
    """Who reads the help can copy a line that works."""
    shown = labkit.type(command, "--help")
    assert shown.code == 0
    assert re.search(rf"Examples?\s+labkit {command}\b", shown.out)


def test_the_help_lists_every_command(labkit: Terminal) -> None:
    """And it begins with the three that a newcomer needs."""
    shown = labkit.type("--help").out
    assert all(re.search(rf"│ {command} ", shown) for command in COMMANDS)


def test_the_version_names_the_sdk_too(labkit: Terminal) -> None:
    """Both belong into a report of a problem."""
    assert re.fullmatch(r"labkit \S+, foundry-local-sdk 2\.\S+\n", labkit.type("--version").out)


def test_models_lists_the_bundled_ones(labkit: Terminal) -> None:
    """Without a shared service, no model is in memory of one."""
    shown = labkit.type("models").out
    for alias in ("course-large", "course-small"):
        assert re.search(rf"{alias} +│ {alias}:1 +│ bundled +│ no ", shown)


def test_progress_shows_the_exercises(labkit: Terminal) -> None:
    """A learner sees what is left to do."""
    shown = labkit.type("progress")
    assert shown.code == 0
    assert "01_client_setup" in shown.out


@posix
def test_ctrl_c_ends_an_answer_cleanly(small: Lab) -> None:
    """The text so far stays, the prompt starts on a line of its own, and there is no traceback."""
    with running("ask", "-m", "course-small", "--profile", "overloaded", "What is an alias?") as asking:
        assert asking.process.stdout is not None
        asking.out = asking.process.stdout.read(1)
        assert asking.end(signal.SIGINT) == 130
    assert "Traceback" not in asking.out
    assert asking.out.endswith("\n")


@posix
def test_serve_serves_others_until_ctrl_c(labkit: Terminal) -> None:
    """Other programs find the model on the port, a second service is refused, and the port is free in the end."""
    port = free_port()
    with running("serve", "--model", "course-small", FOUNDRY_PORT=str(port)) as serving:
        serving.read_until("Ctrl-C stops it.")
        assert f"Foundry Local serves course-small:1 at http://127.0.0.1:{port}/v1" in serving.out
        assert Service(f"http://127.0.0.1:{port}").loaded_ids() == ["course-small:1"]
        assert f"yes, on port {port}" in labkit.type("models", FOUNDRY_PORT=str(port)).out
        second = labkit.type("serve", "--port", str(port))
        assert (second.code, f"(process {serving.process.pid})" in second.err) == (1, True)
        assert serving.end(signal.SIGINT) == 130
    assert is_free(port)


@posix
def test_serve_ends_on_sigterm_and_frees_its_port() -> None:
    """A service manager stops it like this."""
    port = free_port()
    with running("serve", "--port", str(port), MODEL="course-small") as serving:
        serving.read_until("Ctrl-C stops it.")
        assert serving.end(signal.SIGTERM) == 0
    assert is_free(port)


@posix
def test_serve_notices_that_somebody_shut_it_down() -> None:
    """Foundry Local lets everybody on the machine shut it down; the command does not go on as if it served."""
    port = free_port()
    with running("serve", "--port", str(port), MODEL="course-small") as serving:
        serving.read_until("Ctrl-C stops it.")
        with suppress(httpx2.TransportError):  # it may be gone before it has answered
            _http.post(f"http://127.0.0.1:{port}/shutdown")
        assert serving.wait() == 1
    assert "was shut down from outside. `labkit serve` starts it again." in serving.out


@posix
def test_simulate_judges_its_clients_when_it_stops(small: Lab) -> None:
    """Whoever practises against it learns what the client did wrong."""
    with running("simulate", "--profile", "instant", "--fault", "500@1", MODEL="course-small") as cloud:
        endpoint = cloud.read_until("answers at").split()[-1]
        body = {"model": "course-small", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
        assert _http.post(f"{endpoint}/chat/completions", json=body).status_code == 500
        cloud.read_until("Ctrl-C")
        assert cloud.end(signal.SIGINT) == 130
    assert "Verdict on the client after 1 request" in cloud.out


@posix
def test_start_opens_the_notebooks_and_leaves_nothing_behind(course: Path) -> None:
    """JupyterLab shows the notebooks to whoever has the key, starts our kernel, and Ctrl-C stops both."""
    with running("start", "--no-browser", cwd=course) as starting:
        address = starting.read_until("JupyterLab is ready at").split()[-1]
        url, _, token = address.partition("/lab?token=")
        assert _http.get(f"{url}/api/contents").status_code == 403
        key = {"Authorization": f"token {token}"}
        shown = _http.get(f"{url}/api/contents", headers=key).json()
        assert [entry["name"] for entry in shown["content"]] == ["01_first.ipynb"]
        assert _http.get(f"{url}/api/kernelspecs", headers=key).json()["default"] == kernel.NAME
        assert _http.post(f"{url}/api/kernels", headers=key, json={"name": kernel.NAME}).status_code == 201
        kernels = _kernels(starting)
        assert len(kernels) == 1
        assert starting.end(signal.SIGINT) == 130
    assert not [process for process in kernels if process.is_running()]


def test_start_says_who_holds_the_port(course: Path, labkit: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that was asked for is not silently replaced."""
    monkeypatch.chdir(course)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = labkit.type("start", "--no-browser", "--port", str(port))
    assert failed.code == 1
    assert re.match(rf"Error: Port {port} is held by .+--port {port + 1}\.", failed.err)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Gives a folder with one notebook in it."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    cell = nbformat.v4.new_code_cell("1 + 1")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), notebooks / "01_first.ipynb")
    return tmp_path


def _kernels(program: Program) -> list[psutil.Process]:
    children = psutil.Process(program.process.pid).children(recursive=True)
    return [child for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]
