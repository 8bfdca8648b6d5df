"""The course's notebooks: where they lie, and how one is run from top to bottom without a browser.

It knows nothing of what the notebooks teach. Nothing is written back: outputs live and end in memory.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import kernel
from labkit.errors import NotebookNotFound

if TYPE_CHECKING:
    from nbclient import NotebookClient

CELL_TIMEOUT = 300  # seconds, the same as nbmake's
_FORMAT = 4  # of notebook files, since 2015
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not run to its end.

    Attributes:
        cell: the number of the failing code cell, from 1; 0 when no cell ran.
        source: the cell's code.
        error: the error in one line.
        traceback: the cell and the error as Jupyter prints them, without colours.
    """

    cell: int
    source: str
    error: str
    traceback: str = ""


@dataclass(frozen=True)
class Run:
    """What came of running a notebook.

    Attributes:
        path: the notebook.
        cells: how many code cells were started.
        seconds: how long that took.
        failure: why it stopped early, or None.
    """

    path: Path
    cells: int
    seconds: float
    failure: Failure | None = None


def folder() -> Path:
    """Finds the folder of the course's notebooks: below the current folder, else beside labkit's own source.

    Raises:
        NotebookNotFound: this is neither a copy of the course nor was labkit installed from one.
    """
    for parent in (Path.cwd(), Path(__file__).parents[1]):
        if any((parent / "notebooks").glob("*.ipynb")):
            return parent / "notebooks"
    raise NotebookNotFound(
        "There is no folder `notebooks` here. Go into your copy of the course (`cd`) and run the same line again."
    )


def find(name: str) -> Path:
    """Finds a notebook.

    Args:
        name: a path, or the beginning of a name in the course's folder, such as `02`.

    Raises:
        NotebookNotFound: there is none, or the beginning fits several.
    """
    if Path(name).is_file():
        return Path(name).resolve()
    known = sorted(folder().glob("*.ipynb"))
    fits = [path for path in known if path.stem == name] or [path for path in known if path.name.startswith(name)]
    if len(fits) == 1:
        return fits[0]
    nearest = [path.stem for path in fits] or get_close_matches(name, [p.stem for p in known], cutoff=0.3)
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    raise NotebookNotFound(f"No notebook is called {name!r}. {hint}`labkit run` without a name runs them all.")


def count_cells(path: Path) -> int:
    """Counts the code cells of a notebook; 0 when it cannot be read.

    Args:
        path: the notebook.
    """
    try:
        return sum(1 for cell in _read(path).cells if _is_code(cell))
    except (OSError, ValueError):
        return 0


def execute(path: Path, on_cell: Callable[[], None] = lambda: None, timeout: int = CELL_TIMEOUT) -> Run:
    """Runs a notebook from top to bottom in a fresh "Foundry Local" kernel, in the notebook's own folder.

    Args:
        path: the notebook.
        on_cell: called after each code cell.
        timeout: the limit for one cell, in seconds.

    Returns:
        What came of it. A notebook that fails is a result, not an exception.

    Raises:
        KernelNotWritable: the kernel cannot be registered.
        KeyboardInterrupt: Ctrl-C came; the kernel is stopped.
    """
    kernel.register()
    begun: list[str] = []  # the code of each cell that was started
    started = time.perf_counter()
    try:
        client = _client(path, timeout, begun, on_cell)
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0][:200]
        return Run(path, 0, 0.0, Failure(0, "", f"{path.name} is no notebook that can be read: {why}"))
    failure = _execute(client, begun)
    return Run(path, len(begun), time.perf_counter() - started, failure)


def _client(path: Path, timeout: int, begun: list[str], on_cell: Callable[[], None]) -> NotebookClient:
    from nbclient import NotebookClient

    return NotebookClient(
        _read(path),
        timeout=timeout,
        kernel_name=kernel.NAME,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=lambda cell, **_: begun.append(cell.source),
        on_cell_executed=lambda **_: on_cell(),
    )


def _execute(client: NotebookClient, begun: list[str]) -> Failure | None:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    interrupted = _stop_on_ctrl_c(client)
    try:
        # The kernel's own log would land between the lines of the progress bar; errors of cells come by another way.
        asyncio.run(client.async_execute(stderr=subprocess.DEVNULL))
    except CellExecutionError as error:
        return _at_cell(begun, f"{error.ename}: {error.evalue}", _ANSI.sub("", error.traceback))
    except CellTimeoutError:
        return _at_cell(begun, f"The cell did not end within {client.timeout} seconds.")
    except (DeadKernelError, asyncio.CancelledError):
        if interrupted.is_set():
            raise KeyboardInterrupt from None
        return _at_cell(begun, "The kernel died. `labkit doctor` checks memory and files.")
    return None


def _stop_on_ctrl_c(client: NotebookClient) -> threading.Event:
    """Lets Ctrl-C end the run at once: nbclient by itself takes it for a kernel that has died."""
    interrupted = threading.Event()

    def install(**_: Any) -> None:  # runs inside the task that executes the cells
        task = asyncio.current_task()

        def stop() -> None:
            interrupted.set()
            client.shutdown_kernel = "immediate"
            if task is not None:
                task.cancel()

        with suppress(NotImplementedError):  # on Windows event loops take no signals
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)

    client.on_notebook_start = install
    return interrupted


def _at_cell(begun: list[str], error: str, traceback: str = "") -> Failure:
    return Failure(len(begun), begun[-1] if begun else "", error, traceback)


def _is_code(cell: Any) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())


def _read(path: Path) -> Any:
    import nbformat

    text = path.read_text("utf-8")
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("nbformat") != _FORMAT:
        raise ValueError(f"it is JSON, but no notebook of format {_FORMAT}")
    return nbformat.reads(text, as_version=_FORMAT)  # type: ignore[no-untyped-call]  # nbformat ships no types for it
