"""Open WebUI's own Python environment: found, and made with uv.

It is apart from the course's environment, because it is large and pins other versions. It knows nothing of how Open
WebUI is set up and started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import OpenWebUIError, OpenWebUIMissing
from labkit.open_webui.files import VERSION
from labkit.settings import Settings

_PYTHONS = ((3, 11), (3, 13))  # the first that Open WebUI takes, the first that it does not
_PYTHON = "3.12"  # what uv looks for, or fetches, where this Python does not fit
_NEEDED = 5.0  # GB: 3 for the environment, the rest while it is made
_TAIL = 12  # lines of a failed command that are shown


@dataclass(frozen=True)
class Installation:
    """Open WebUI's environment.

    Attributes:
        folder: the environment.
    """

    folder: Path

    @classmethod
    def find(cls) -> Installation:
        """Gives the environment that the settings name, whether it exists or not.

        Raises:
            SettingsError: a setting holds a value that cannot be used.
        """
        settings = Settings.load()
        return cls(settings.open_webui_env or settings.home / "open-webui" / "env")

    @property
    def is_complete(self) -> bool:
        """Whether Open WebUI can be started from it."""
        return self.program.is_file()

    @property
    def program(self) -> Path:
        """The command `open-webui` in it."""
        return self.folder / ("Scripts/open-webui.exe" if os.name == "nt" else "bin/open-webui")

    @property
    def python(self) -> Path:
        """The Python in it."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def require(self) -> Installation:
        """Gives the same when it is complete.

        Raises:
            OpenWebUIMissing: it is not.
        """
        if not self.is_complete:
            raise OpenWebUIMissing(self.folder)
        return self

    def make(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Makes the environment and installs Open WebUI in it; what is there already is kept.

        Args:
            say: called with each command, and with each line that it prints.

        Raises:
            OpenWebUIError: uv is missing, the disk is too full, or a command fails.
        """
        uv = _find_uv()
        _require_room(self.folder)
        if not self.python.is_file():
            _run([*uv, "venv", "--python", _choose_python(), str(self.folder)], say)
        install = [*uv, "pip", "install", "--python", str(self.python), f"open-webui=={VERSION}"]
        if sys.platform != "linux":  # elsewhere the package index itself has the build for the processor
            _run(install, say)
            return
        try:
            _run([*install, "--torch-backend", "cpu"], say)
        except OpenWebUIError:  # a mirror of the package index may be all that this machine reaches
            say("PyTorch's build for the processor cannot be had; its usual build, which is larger, will do.")
            _run(install, say)


def _find_uv() -> list[str]:
    if command := shutil.which("uv"):
        return [command]
    raise OpenWebUIError("The command uv is missing. Install it with `pip install uv`, and run the same line again.")


def _choose_python() -> str:
    first, beyond = _PYTHONS
    return sys.executable if first <= sys.version_info[:2] < beyond else _PYTHON


def _require_room(folder: Path) -> None:
    there = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(there).free / 1e9
    if free < _NEEDED:
        raise OpenWebUIError(
            f"Open WebUI needs about {_NEEDED:.0f} GB, and {there} has {free:.1f} GB free. "
            "Free some space, or set OPEN_WEBUI_ENV to a folder on another disk."
        )


def _run(command: Sequence[str], say: Callable[[str], None]) -> None:
    say(" ".join(command))
    last: deque[str] = deque(maxlen=_TAIL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as running:  # noqa: S603  # uv
        for line in running.stderr or ():  # as it comes: downloading takes minutes
            say(line.rstrip())
            last.append(line.rstrip())
    if running.returncode:
        said = "".join(f"\n  {line}" for line in last)
        raise OpenWebUIError(
            f"`{' '.join(command)}` failed (exit code {running.returncode}):{said}\n"
            "Connect to the package index and run `labkit open-webui install` again; what was fetched is kept."
        )
