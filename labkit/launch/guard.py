"""Runs a command, and ends it with everything that it started as soon as whoever started the guard is gone.

    python -m labkit.launch.guard PROGRAM ARGUMENT...

The starter holds the other end of the guard's standard input. However the starter ends, even when it is killed, the
operating system closes that end, and the guard notices. It knows nothing of what the command does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

NOT_FOUND = 127  # the exit code of shells for a command that cannot be started


def main(command: list[str]) -> int:
    """Runs the command to its end.

    Args:
        command: the program and its arguments.

    Returns:
        The exit code of the command.
    """
    try:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603  # the starter's own command
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror or error}\n")
        return NOT_FOUND
    signal.signal(signal.SIGTERM, lambda *_: _end(program.pid))
    threading.Thread(target=_outlive_nobody, args=(program.pid,), daemon=True).start()
    code = program.wait()
    if os.name == "posix":  # what the command left running in the background is still in its group
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)
    return code


def _outlive_nobody(pid: int) -> None:
    # Read without Python's buffer, whose lock would be held for ever. The read returns when the starter is gone.
    while os.read(sys.stdin.fileno(), 1):
        pass
    _end(pid)


def _end(pid: int) -> None:
    from labkit.launch.process_tree import PATIENCE, end, tree

    end(tree(pid), PATIENCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
