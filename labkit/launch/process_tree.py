"""A process and everything that it started, ended together: Windows, macOS and Linux.

It knows nothing of what the processes do.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

PATIENCE = 5.0  # seconds for a program to end by itself


def tree(pid: int) -> list[psutil.Process]:
    """Lists a process and all its descendants; nothing when it has ended.

    Args:
        pid: the number of the process.
    """
    import psutil

    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def end(processes: list[psutil.Process], patience: float) -> None:
    """Asks the first process to end, and kills what is left of all of them after a while.

    Args:
        processes: what `tree()` gave. A number that meanwhile belongs to a new process is left alone.
        patience: seconds until the rest is killed.
    """
    import psutil

    if processes:
        with suppress(psutil.NoSuchProcess):
            processes[0].terminate()  # SIGTERM; Windows knows only the hard way
    kill(psutil.wait_procs(processes, timeout=patience)[1])


def kill(processes: list[psutil.Process]) -> None:
    """Kills processes, and waits until they are gone.

    Args:
        processes: what `tree()` gave.
    """
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=1.0)
