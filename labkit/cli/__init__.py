"""The `labkit` command.

This module only turns what was typed into a call, and failures into a message and an exit code: 0 fine, 1 failed,
2 typed wrongly, 130 stopped with Ctrl-C. It knows nothing of what the commands do.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command that was typed."""
    for stream in (sys.stdout, sys.stderr):  # a terminal in an old code page must not end an answer
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    try:
        from labkit.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from labkit.errors import LabkitError

        if not isinstance(error, LabkitError):
            raise
        sys.exit(f"Error: {error}")
