"""`labkit.launch.webgpu()`: the page that runs models in the browser, on a free port, ready to use.

It knows nothing of what the page does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from labkit.launch.port import choose_port
from labkit.launch.program import Plan, Program
from labkit.progress import in_notebook
from labkit.settings import Settings

PORT = 5173  # where the course says that the page is
_PATIENCE = 60.0  # seconds


def webgpu(
    *,
    port: int | None = None,
    show: bool | None = None,
    say: Callable[[str], None] = print,
    patience: float = _PATIENCE,
) -> Program:
    """Serves the page, and waits until it can be opened. The first time, npm installs onnxruntime-web.

    In a notebook it shows a link and the page in a frame. `program.stop()` ends it; so does the end or the restart of
    the kernel.

    Args:
        port: its port on 127.0.0.1; 5173 or the next free one when left out.
        show: whether to show the page in the notebook; as the notebook allows when left out.
        say: told what happens before it takes long.
        patience: seconds until the start has failed.

    Raises:
        DemoNotFound: the page's folder is not here.
        PortInUse: another program holds the port that was asked for.
        LaunchFailed: the server does not start; the message shows what it said.
        HomeNotWritable: its log cannot be written.
    """
    program = Program(plan(port, say)).wait_until_ready(patience)
    if in_notebook() if show is None else show:
        from IPython.display import display

        display(program)  # type: ignore[no-untyped-call]  # IPython ships no types for it
    return program


def plan(wanted: int | None, say: Callable[[str], None]) -> Plan:
    """Decides how the page is served.

    Args:
        wanted: the port that was asked for, if one was.
        say: told what happens before it takes long.
    """
    from labkit.webgpu import folder, libraries

    page = folder.find()
    port, moved = choose_port(PORT, wanted)
    notes = [moved, libraries.install(page, say)]
    return Plan(
        name="The WebGPU demo",
        command=[sys.executable, "-m", "labkit.webgpu.server", str(page), str(port)],
        url=f"http://127.0.0.1:{port}",
        log=Settings.load().home / "logs" / f"webgpu-{port}.log",
        note=" ".join(filter(None, notes)),
    )
