"""The native runtime starts beside others, ends cleanly however it ends, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from pages import silence
from programs import ASK, SERVE, environment, run, running

from labkit.catalog import PATH
from labkit.ports import free_port, holder

_CONNECT = ASK + "import labkit; lab = labkit.connect('course-small')\n"
_ANSWER = _CONNECT + "print(answer(lab.endpoint, lab.model) != '')"
_LIMIT = 10  # seconds after which Ctrl-C has failed; tests/bench/bench_exit.py measures that it takes less than two


@pytest.fixture(name="port")
def _port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Gives a port on which nobody serves, and makes it FOUNDRY_PORT."""
    port = free_port()
    monkeypatch.setenv("FOUNDRY_PORT", str(port))
    return port


def test_the_end_of_a_process_leaves_neither_port_nor_process_nor_lock(tmp_path: Path, port: int) -> None:
    """Whatever a command starts, it stops."""
    code = _ANSWER + "; import psutil; print(lab.endpoint, [child.pid for child in psutil.Process().children()])"
    done = run(code, tmp_path)
    answered, where = done.stdout.splitlines()
    assert (answered, done.stderr, done.returncode) == ("True", "", 0)
    endpoint, children = where.split(" ", 1)
    assert children == "[]"
    assert holder(int(endpoint.removesuffix("/v1").rpartition(":")[2])) is None
    assert not [file.name for file in tmp_path.rglob("*") if file.suffix in (".lock", ".pid", ".part", ".sock")]


def test_a_home_with_spaces_and_umlauts_works(tmp_path: Path, port: int) -> None:
    """User names become folder names."""
    assert run(_ANSWER, tmp_path / "Bücher und Töne").stdout == "True\n"


def test_two_processes_that_start_at_the_same_time_on_an_empty_home_both_answer(tmp_path: Path, port: int) -> None:
    """Both copy the weights, and neither reads what the other has half-written."""
    command = [sys.executable, "-c", "input()\n" + _ANSWER]
    programs = [
        subprocess.Popen(
            command,
            env=environment(tmp_path),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for program in programs:
        assert program.stdin
        program.stdin.write("\n")
        program.stdin.flush()
    ends = [program.communicate(timeout=60) for program in programs]
    assert ends == [("True\n", ""), ("True\n", "")]


def test_a_killed_process_can_be_started_again_at_once(tmp_path: Path, port: int) -> None:
    """A kernel restart may kill; the next kernel takes the same port if it is asked to."""
    for _ in range(2):
        with running(SERVE, tmp_path) as program:
            assert (holder(port) or "").endswith(f"(process {program.pid})")
            program.send_signal(signal.SIGKILL)
            program.wait()
    assert run(_ANSWER, tmp_path).stdout == "True\n"


def test_a_port_in_use_is_an_error_that_names_the_holder(tmp_path: Path, port: int) -> None:
    """Only who asks for a certain port gets this error."""
    code = """
from labkit.errors import PortInUse
from labkit.runtime import shared_runtime
from labkit.settings import Settings
import socket
settings = Settings.load()
with socket.create_server(("127.0.0.1", settings.foundry_port)):
    try:
        shared_runtime(settings, settings.foundry_port).serve()
    except PortInUse as error:
        print(error)
print(shared_runtime(settings).serve().is_running())
"""
    said, works = run(code, tmp_path).stdout.splitlines()
    assert said.startswith(f"Port {port} is held by ")
    assert "--port" in said
    assert works == "True"


def test_ctrl_c_while_the_model_is_loaded_ends_cleanly(tmp_path: Path, port: int) -> None:
    """Nobody should have to press it twice."""
    loading = _CONNECT.replace("lab =", "print('ready', flush=True)\nwhile True:\n    lab =")
    loading += "    labkit.foundry.FoundryLocalManager('course-small').unload_model('course-small')\n"
    with running(loading, tmp_path) as program:
        _interrupt(program)


def test_ctrl_c_during_a_stream_ends_cleanly(tmp_path: Path, port: int) -> None:
    """The model has not finished, and the connection is open."""
    streaming = _CONNECT + (
        "reply = ask(lab.endpoint, lab.model, stream=True, max_tokens=900, temperature=1, stop=None)\n"
        "reply.readline()\nprint('ready', flush=True)\nwhile True:\n    reply.readline()\n"
    )
    with running(streaming, tmp_path) as program:
        _interrupt(program)


def test_ctrl_c_while_a_catalog_keeps_silent_ends_cleanly(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait for the network is a wait that can be broken off."""
    with silence() as url:
        monkeypatch.setenv("FOUNDRY_CATALOG_URL", url + PATH)
        code = _CONNECT + "print('ready', flush=True)\nlabkit.connect('phi-4-mini')\n"
        with running(code, tmp_path) as program:
            _interrupt(program)


def test_shut_down_from_outside_is_an_error_that_says_so_and_no_hang(tmp_path: Path, port: int) -> None:
    """Anybody on this machine may do it; afterwards Foundry Local neither starts nor stops in this process."""
    code = _CONNECT + (
        "from http.client import HTTPException\n"
        "try:\n    urllib.request.urlopen(lab.endpoint.removesuffix('v1') + 'shutdown', b'', timeout=5)\n"
        "except (HTTPException, OSError):\n    pass\n"
        "try:\n    labkit.connect('course-small')\n"
        "except labkit.errors.RuntimeUnavailable as error:\n    print(error)\n"
    )
    done = run(code, tmp_path, timeout=20)
    assert "shut Foundry Local down from outside" in done.stdout
    assert "Restart the kernel" in done.stdout
    assert done.stderr == ""


def test_damage_in_the_model_cache_is_repaired_at_the_next_start(tmp_path: Path, port: int) -> None:
    """A disk error is no reason to reinstall."""
    assert run(_ANSWER, tmp_path).stdout == "True\n"
    for file in tmp_path.joinpath("models/labkit/course-small").glob("model.onnx*"):
        file.write_bytes(b"damaged")
    tmp_path.joinpath("models/foundry.modelinfo.json").write_text("damaged")
    assert run(_ANSWER, tmp_path).stdout == "True\n"


def test_a_file_in_place_of_the_home_is_a_clear_error(tmp_path: Path, port: int) -> None:
    """The message names the folder and the setting."""
    (tmp_path / "home").write_text("")
    assert _refused_home(tmp_path / "home") == "HomeNotWritable"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit on the size of files")
def test_a_full_disk_is_a_clear_error_and_leaves_no_rubbish(tmp_path: Path, port: int) -> None:
    """A limit on the size of files stands for a disk that fills up in the middle of a copy."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    assert _refused_home(tmp_path, limit) == "HomeNotWritable"
    assert not list(tmp_path.rglob("*.part"))
    assert run(_ANSWER, tmp_path).stdout == "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the capability to ignore permissions is Linux's")
def test_a_home_that_may_not_be_written_is_a_clear_error_unless_all_is_there(tmp_path: Path, port: int) -> None:
    """Without the models it cannot start; with them nothing needs to be written."""
    tmp_path.chmod(0o555)
    assert _refused_home(tmp_path) == "HomeNotWritable"
    tmp_path.chmod(0o755)
    assert run(_ANSWER, tmp_path).stdout == "True\n"
    folders = [tmp_path, *(folder for folder in tmp_path.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    done = run(_ANSWER, tmp_path, prefix=_without_privileges())
    for folder in folders:
        folder.chmod(0o755)
    assert done.stdout == "True\n", done.stderr


def _refused_home(home: Path, before: str = "") -> str:
    code = f"""{before}
import labkit
try:
    labkit.connect("course-small")
except labkit.errors.LabkitError as error:
    print(type(error).__name__)
    assert "LABKIT_HOME" in str(error) and {str(home)!r} in str(error), str(error)
"""
    done = run(code, home, prefix=_without_privileges())
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.strip()


def _without_privileges() -> list[str]:
    """Gives a command that takes from root the right to ignore permissions; others do not have it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def _interrupt(program: subprocess.Popen[str]) -> None:
    ports = [c.laddr.port for c in psutil.Process(program.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=_LIMIT)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1
    assert [holder(port) for port in ports] == [None] * len(ports)
