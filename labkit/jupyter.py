"""JupyterLab on the course's notebooks, inside this process: when the process ends, nothing is left.

It knows nothing of what is in the notebooks.
"""

from __future__ import annotations

import gc
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from labkit import kernel
from labkit.errors import PortInUse
from labkit.ports import free_port, holder

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_PREFERRED = range(8888, 8898)  # where Jupyter users look for it


def start(folder: Path, port: int | None, browser: bool, on_ready: Callable[[str], None]) -> None:
    """Runs JupyterLab until Ctrl-C.

    Args:
        folder: what it shows.
        port: its port on 127.0.0.1; a free one when None.
        browser: whether to open the browser.
        on_ready: called with the address, key included, once somebody listens there.

    Raises:
        PortInUse: another program holds the port that was asked for.
        KernelNotWritable: the "Foundry Local" kernel cannot be registered.
        KeyboardInterrupt: Ctrl-C has stopped it.
    """
    if port is not None and (held_by := holder(port)):
        raise PortInUse(port, held_by)
    kernel.register()
    port = port or free_port(_PREFERRED)
    token = secrets.token_urlsafe(24)
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=_arguments(folder, port, token, browser))
    interrupted = _stop_on_ctrl_c(server)
    server.io_loop.add_callback(on_ready, f"http://127.0.0.1:{port}/lab?token={token}")
    server.start()
    gc.freeze()  # else Python looks for garbage in all of JupyterLab before it ends, which takes half a second
    if interrupted.is_set():
        raise KeyboardInterrupt


def _stop_on_ctrl_c(server: ServerApp) -> threading.Event:
    """Lets Ctrl-C stop JupyterLab at once: by itself it asks first in a terminal, and leaves files behind elsewhere."""
    interrupted = threading.Event()

    def stop(*_: object) -> None:
        interrupted.set()
        server.stop(from_signal=True)

    signal.signal(signal.SIGINT, stop)
    return interrupted


def _arguments(folder: Path, port: int, token: str, browser: bool) -> list[str]:
    return [
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.open_browser={browser}",
        f"--IdentityProvider.token={token}",
        f"--MultiKernelManager.default_kernel_name={kernel.NAME}",
        "--KernelManager.shutdown_wait_time=1",  # seconds until a kernel that does not end by itself is killed
        "--LanguageServerManager.autodetect=False",  # its search for language servers keeps Ctrl-C waiting
        "--ServerApp.allow_root=True",  # containers run as root; it listens on 127.0.0.1 and asks for the token
        "--Application.log_level=ERROR",
        # JupyterLab would ask its makers for news and updates. Here nothing touches the network by itself.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
