"""Open WebUI's own environment is made with uv, and `labkit open-webui` says what to do without it.

A wheel of the same name and version stands in for its 3 GB; uv is the real one, kept from every package index.
"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from commands import Terminal

from labkit.errors import OpenWebUIError, OpenWebUIMissing
from labkit.open_webui import Installation, start
from labkit.open_webui.files import VERSION
from labkit.ports import free_port

_INFO = f"open_webui-{VERSION}.dist-info"
_FILES = {
    "open_webui.py": "def app():\n    print('the program runs')\n",
    f"{_INFO}/METADATA": f"Metadata-Version: 2.1\nName: open-webui\nVersion: {VERSION}\n",
    f"{_INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{_INFO}/entry_points.txt": "[console_scripts]\nopen-webui = open_webui:app\n",
    f"{_INFO}/RECORD": "",
}


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Gives a terminal at which nobody has installed Open WebUI."""
    return Terminal(capsys, monkeypatch)


@pytest.fixture(autouse=True)
def _without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("OPEN_WEBUI_ENV", str(tmp_path / "env"))


@pytest.fixture
def wheel(tmp_path: Path) -> None:
    """Puts the wheel where uv looks for it."""
    with zipfile.ZipFile(tmp_path / f"open_webui-{VERSION}-py3-none-any.whl", "w") as archive:
        for name, text in _FILES.items():
            archive.writestr(name, text)


@pytest.mark.usefixtures("wheel")
def test_uv_makes_an_environment_of_its_own() -> None:
    """The program is there and runs, and each command was announced."""
    installation, said = Installation.find(), list[str]()
    assert not installation.is_complete
    installation.make(said.append)
    assert installation.is_complete
    assert subprocess.run([installation.program], capture_output=True, text=True, check=True).stdout.startswith(
        "the pr"
    )
    assert "venv" in said[0]
    assert any(f"open-webui=={VERSION}" in line for line in said)


def test_a_failed_installation_says_what_uv_said() -> None:
    """Nothing looks installed afterwards, and the same command goes on from there."""
    with pytest.raises(OpenWebUIError, match=r"(?s)failed \(exit code 1\).*open-webui.*install` again"):
        Installation.find().make()
    assert not Installation.find().is_complete


def test_uv_itself_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenWebUIError, match="pip install uv"):
        Installation.find().make()


def test_starting_what_is_not_installed_says_how_to_get_it() -> None:
    """Both ways are named: the environment of its own, and Docker."""
    with pytest.raises(OpenWebUIMissing, match=r"labkit open-webui install.*labkit open-webui files"):
        start()


@pytest.mark.usefixtures("wheel")
def test_the_command_installs_once(terminal: Terminal) -> None:
    """The second time there is nothing to do."""
    first = terminal.type("open-webui", "install")
    assert (first.code, "labkit open-webui" in first.out) == (0, True), first
    second = terminal.type("open-webui", "install")
    assert second.code == 0
    assert "uv" not in second.err


def test_the_command_without_anything_installed_is_an_error_with_a_fix(terminal: Terminal) -> None:
    """No traceback, and exit code 1."""
    ended = terminal.type("open-webui", "--no-browser", PATH="")
    assert ended.code == 1
    assert "labkit open-webui install" in ended.err


def test_the_check_is_for_programs_too(terminal: Terminal) -> None:
    """Exit code 2, and each level in words."""
    ended = terminal.type("open-webui", "check", "--url", f"http://127.0.0.1:{free_port()}")
    assert ended.code == 2
    assert "1 [FAIL]" in ended.out
    assert "2 [FAIL]" in ended.out
    assert "labkit open-webui install" in ended.out


def test_a_wrong_setting_does_not_look_like_a_slow_model(terminal: Terminal) -> None:
    """Exit code 1 would say that people can chat."""
    ended = terminal.type("open-webui", "check", OPEN_WEBUI_URL="nonsense")
    assert ended.code == 2
    assert "OPEN_WEBUI_URL" in ended.err


def test_the_command_writes_the_files(terminal: Terminal, tmp_path: Path) -> None:
    """And says what to type next; a second time it refuses."""
    folder = tmp_path / "chat"
    first = terminal.type("open-webui", "files", str(folder))
    assert first.code == 0
    assert "docker compose up -d" in first.out
    assert {path.name for path in folder.iterdir()} == {".env", "compose.yaml"}
    second = terminal.type("open-webui", "files", str(folder))
    assert second.code == 1
    assert "exists already" in second.err
