"""Starts Open WebUI from its own environment, set up for a model, and waits until its page can be used.

It knows nothing of what the page shows.
"""

from __future__ import annotations

from pathlib import Path

from labkit.client import Lab, connect
from labkit.errors import HomeNotWritable
from labkit.fetch import is_loopback
from labkit.launch.port import choose_port
from labkit.launch.program import Plan, Program
from labkit.open_webui.configuration import PORT, Configuration
from labkit.open_webui.installation import Installation
from labkit.open_webui.secrets import secret
from labkit.open_webui.simulated import Simulated
from labkit.progress import in_notebook
from labkit.settings import Settings

LOOPBACK = "127.0.0.1"
_PATIENCE = 600.0  # seconds: the first start makes its data base, and a cold disk reads 3 GB
_FOLDERS = {False: "data", True: "data-shared"}


def start(
    lab: Lab | None = None, *, host: str = LOOPBACK, port: int | None = None, show: bool | None = None
) -> Program:
    """Starts Open WebUI, and waits until its page can be used.

    `program.stop()` ends it; so does the end of this process or the restart of the kernel.

    Args:
        lab: the model that answers; what `connect()` gives when left out.
        host: the address that it listens on. Where others reach it, people have to sign in.
        port: its port; 3000 or the next free one when left out.
        show: whether to show the page in the notebook; as the notebook allows when left out.

    Raises:
        OpenWebUIMissing: it is not installed here.
        PortInUse: another program holds the port that was asked for.
        LaunchFailed: it does not start; the message shows what it said.
        HomeNotWritable: its data or its log cannot be written.
    """
    installation = Installation.find().require()
    program = Program(plan(installation, lab or connect(), host, port)).wait_until_ready(_PATIENCE)
    if in_notebook() if show is None else show:
        from IPython.display import display

        display(program)  # type: ignore[no-untyped-call]  # IPython ships no types for it
    return program


def run(lab: Lab) -> Program | Simulated:
    """Starts Open WebUI where it is installed, and a simulated one elsewhere; both have `.url` and `.stop()`.

    Args:
        lab: the model that answers.

    Raises:
        LaunchFailed: the real one does not start; the message shows what it said.
        HomeNotWritable: its data or its log cannot be written.
    """
    if Installation.find().is_complete:
        return start(lab, show=False)
    return Simulated(configure(lab).environment(home()))


def configure(lab: Lab, host: str = LOOPBACK) -> Configuration:
    """Gives the set-up for a model, with the secrets of this machine.

    Args:
        lab: the model that answers.
        host: the address that Open WebUI listens on. Where others reach it, people have to sign in.

    Raises:
        HomeNotWritable: the secrets cannot be written.
    """
    folder = home()
    password = None if is_loopback(f"http://{_address(host)}") else secret("admin-password", folder)
    return Configuration(lab, secret("sessions", folder), password)


def plan(installation: Installation, lab: Lab, host: str, wanted: int | None) -> Plan:
    """Decides how it is started.

    Args:
        installation: from where.
        lab: the model that answers.
        host: the address that it listens on.
        wanted: the port that was asked for, if one was.
    """
    port, note = choose_port(PORT, wanted)
    configuration = configure(lab, host)
    # An account without login has a password that everybody knows. It must not exist where others can sign in.
    data = home() / _FOLDERS[configuration.admin_password is not None]
    _make(data)
    url = f"http://{_reachable(host)}:{port}"
    return Plan(
        name="Open WebUI",
        command=[str(installation.program), "serve", "--host", host, "--port", str(port)],
        url=url,
        ready=f"{url}/ready",
        log=Settings.load().home / "logs" / f"open-webui-{port}.log",
        env=configuration.environment(data),
        note=note,
    )


def _make(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # conversations are nobody else's business
    except OSError as error:
        raise HomeNotWritable(data, error) from error


def _address(host: str) -> str:
    """Writes an address as URLs want it."""
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """Gives the address under which this machine reaches what listens there."""
    everywhere = {"0.0.0.0": LOOPBACK, "::": "[::1]", "localhost": LOOPBACK}  # noqa: S104  # nothing listens here
    return everywhere.get(host, _address(host))


def home() -> Path:
    """Gives the folder of Open WebUI's data and secrets."""
    return Settings.load().home / "open-webui"
