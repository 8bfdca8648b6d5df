"""What is wrong with this machine, and the fix.

`check()` touches nothing outside this machine unless it is asked to. It knows nothing of chat.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import Literal

from labkit import catalog, kernel
from labkit.errors import LabkitError
from labkit.ports import holder
from labkit.service import Service
from labkit.settings import Settings

_PYTHONS = ((3, 11), (3, 15))  # the first that works, the first that does not
_SHORT_OF_MEMORY, _NO_MEMORY = 1.0, 0.3  # GB; answering with course-large takes about 0.3
_SHORT_OF_DISK, _NO_DISK = 6.0, 0.1  # GB; phi-4-mini takes about 5, the bundled models 0.03
PROGRAMS = {8080: "the chat application", 5173: "the WebGPU demo", 3000: "Open WebUI"}
_START_TIMEOUT, _NETWORK_TIMEOUT = 60.0, 3.0  # seconds
_START = """
import sys
from labkit import errors, runtime, settings
try:
    runtime.shared_runtime(settings.Settings.load())
except errors.LabkitError as error:
    sys.exit(str(error))
"""

Status = Literal["OK", "WARN", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        status: `OK`, `WARN` (may matter later) or `FAIL` (must be mended).
        name: what was looked at.
        detail: what was found.
        fix: what to do about it; empty when there is nothing to do.
    """

    status: Status
    name: str
    detail: str
    fix: str = ""

    @property
    def line(self) -> str:
        """Name and detail in one line."""
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True)
class Report:
    """All findings; shown as text in a terminal, as a table in a notebook.

    Attributes:
        findings: one for each check, in a fixed order.
    """

    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing must be mended."""
        return all(finding.status != "FAIL" for finding in self.findings)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for finding in self.findings:
            yield f"[{finding.status}]".ljust(7) + finding.line
            if finding.fix:
                yield " " * 7 + f"Fix: {finding.fix}"

    def _repr_html_(self) -> str:
        rows = "".join(map(_row, self.findings))
        head = "".join(f"<th scope='col'>{title}</th>" for title in ("Result", "Check", "Found", "Fix"))
        return f"<table><caption>labkit doctor</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(finding: Finding) -> str:
    symbol = {"OK": "✔", "WARN": "▲", "FAIL": "✘"}[finding.status]  # the word beside it says the same
    cells = (finding.name, finding.detail, finding.fix)
    return f"<tr><td>{symbol} {finding.status}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def check(network: bool = False) -> Report:
    """Looks at everything that the course needs.

    Args:
        network: also ask the public model catalog for an answer, for three seconds at most.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [_python, _settings, _packages, _leftovers, _models, _runtime]
    checks += [_memory, _disk, _ports, _kernel]
    if network:
        checks.append(_network)
    return Report(tuple(finding for look in checks for finding in look()))


def _python() -> Iterator[Finding]:
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if _PYTHONS[0] <= sys.version_info[:2] < _PYTHONS[1]:
        yield Finding("OK", "Python", found)
    else:
        yield Finding("FAIL", "Python", f"{found}; Foundry Local runs on 3.11 to 3.14", "uv sync --python 3.12")


def _settings() -> Iterator[Finding]:
    try:
        settings = Settings.load()
    except LabkitError as error:
        yield Finding("FAIL", "Settings", str(error))
        return
    where = f"BASE_URL={settings.base_url} answers" if settings.base_url else "Foundry Local answers on this machine"
    yield Finding("OK", "Settings", f"MODEL={settings.model}; {where}")


def _packages() -> Iterator[Finding]:
    try:
        needed = [line.partition(";")[0].strip() for line in requires("labkit") or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding("WARN", "Packages", "labkit itself is not installed, so nothing is known of versions", "uv sync")
        return
    pins = [line.partition("==")[::2] for line in needed]
    wrong = [f"{name} {_version(name)} (wanted {wanted})" for name, wanted in pins if _version(name) != wanted]
    if not wrong:
        yield Finding("OK", "Packages", f"all {len(pins)} at the versions of the course")
        return
    # Other versions mostly work. The SDK's old line does not, and the check of Foundry Local says so.
    yield Finding("WARN", "Packages", ", ".join(wrong), "uv sync")


def _version(name: str) -> str:
    try:
        return version(name.partition("[")[0])
    except PackageNotFoundError:
        return "missing"


def _leftovers() -> Iterator[Finding]:
    if find_spec("foundry_local"):
        yield Finding(
            "WARN",
            "Old SDK",
            "the module foundry_local (SDK 0.x) is installed; the course imports foundry_local_sdk",
            "uv sync --reinstall-package foundry-local-sdk",
        )
    if command := shutil.which("foundry"):
        yield Finding(
            "WARN",
            "Old CLI",
            f"there is a command `foundry` at {command}. labkit does not need it, and releases before 0.10 "
            "take other commands than the documentation says",
            "leave it, or remove it: `winget uninstall Microsoft.FoundryLocal`, `brew uninstall foundrylocal`",
        )


def _models() -> Iterator[Finding]:
    for model in catalog.bundled().values():
        if bad := list(catalog.damaged(model.folder, model)):
            names = ", ".join(bad)
            fix = "git checkout -- labkit/models (in a clone), uv sync --reinstall-package labkit (elsewhere)"
            yield Finding("FAIL", f"Model {model.alias}", f"missing or damaged: {names}", fix)
        else:
            yield Finding("OK", f"Model {model.alias}", f"{model.size / 1e6:.1f} MB, every SHA-256 right")


def _runtime() -> Iterator[Finding]:
    """Starts Foundry Local in a process of its own: a native crash there must not end a notebook's kernel."""
    name, sdk = "Foundry Local", _version("foundry-local-sdk")
    started = time.perf_counter()
    try:
        child = subprocess.run(  # noqa: S603  # our own interpreter, a constant program
            [sys.executable, "-c", _START], capture_output=True, text=True, timeout=_START_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        yield Finding("FAIL", name, f"SDK {sdk} did not start within {_START_TIMEOUT:.0f} s", "restart this machine")
        return
    if child.returncode == 0:
        yield Finding("OK", name, f"SDK {sdk} started and stopped in {time.perf_counter() - started:.1f} s")
        return
    last = (child.stderr.strip().splitlines() or [f"it crashed (exit code {child.returncode})"])[-1]
    yield Finding("FAIL", name, f"SDK {sdk} does not start: {last}", "uv sync --reinstall-package foundry-local-sdk")


def _memory() -> Iterator[Finding]:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    yield _amount("Memory", free, _SHORT_OF_MEMORY, _NO_MEMORY, "close other programs")


def _disk() -> Iterator[Finding]:
    try:
        home = Settings.load().home
    except LabkitError:
        return  # said already
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    yield _amount(f"Disk at {home}", free, _SHORT_OF_DISK, _NO_DISK, "free some space, or set LABKIT_HOME elsewhere")


def _amount(name: str, free: float, short: float, none: float, fix: str) -> Finding:
    found = f"{free:.1f} GB free"
    if free >= short:
        return Finding("OK", name, found)
    if free >= none:
        return Finding("WARN", name, f"{found}: enough for the bundled models, too little for phi-4-mini", fix)
    return Finding("FAIL", name, f"{found}: too little", fix)


def _ports() -> Iterator[Finding]:
    try:
        port = Settings.load().foundry_port
    except LabkitError:
        return  # said already
    service = Service(f"http://127.0.0.1:{port}")
    if service.is_running():
        loaded = ", ".join(service.loaded_ids()) or "no model"
        yield Finding("OK", f"Port {port}", f"Foundry Local serves here ({holder(port)}), in memory: {loaded}")
    else:
        yield _port(port, "`labkit serve`", f"stop that program, or set FOUNDRY_PORT={port + 1}")
    for port, program in PROGRAMS.items():
        yield _port(port, program, f"stop that program, or let {program} take another port")


def _port(port: int, program: str, fix: str) -> Finding:
    if held_by := holder(port):
        return Finding("WARN", f"Port {port}", f"{program} wants it, and {held_by} holds it", fix)
    return Finding("OK", f"Port {port}", f"free for {program}")


def _kernel() -> Iterator[Finding]:
    python = kernel.registered_python()
    if kernel.is_registered():
        yield Finding("OK", "Kernel", f'"{kernel.DISPLAY_NAME}" is registered in this environment')
    elif python is None:
        found = f'"{kernel.DISPLAY_NAME}" is not registered yet; VS Code needs no registration'
        yield Finding("WARN", "Kernel", found, "uv run labkit start registers it and opens JupyterLab")
    else:
        found = f'"{kernel.DISPLAY_NAME}" starts another Python, {python}'
        yield Finding("WARN", "Kernel", found, "uv run labkit start puts it right")


def _network() -> Iterator[Finding]:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    url = Settings.load().catalog_url
    try:
        urlopen(url, timeout=_NETWORK_TIMEOUT).close()  # noqa: S310  # the catalog's address, or what its owner set
    except HTTPError:
        pass  # it answers: the catalog takes POST, and refuses this GET
    except (OSError, ValueError) as error:
        found = f"the model catalog {url} does not answer ({error}); the bundled models need no network"
        yield Finding("WARN", "Network", found, "connect to the internet to download other models")
        return
    yield Finding("OK", "Network", "the public model catalog answers: other models can be downloaded")
