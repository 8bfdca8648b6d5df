"""The Jupyter kernel "Foundry Local": this Python environment, under a name that learners recognise.

It is registered inside the environment itself (`sys.prefix`), so that nothing outside it changes and that it goes
away with it. This module knows nothing of notebooks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from labkit.errors import KernelNotWritable

NAME = "foundry-local"
DISPLAY_NAME = "Foundry Local"


def register() -> Path:
    """Registers the kernel in this environment, or puts it right when the environment has moved.

    Returns:
        The folder of the kernel's description, in the format of jupyter_client's kernelspec.

    Raises:
        KernelNotWritable: the environment cannot be written.
    """
    if is_registered():
        return _folder()
    from ipykernel.kernelspec import install

    try:
        install(user=False, kernel_name=NAME, display_name=DISPLAY_NAME, prefix=sys.prefix)
    except OSError as error:
        raise KernelNotWritable(_folder(), error) from error
    return _folder()


def is_registered() -> bool:
    """Says whether the kernel is registered and starts this Python."""
    return registered_python() == sys.executable


def registered_python() -> str | None:
    """Gives the Python that the registered kernel starts, or None when no kernel is registered."""
    try:
        spec = json.loads((_folder() / "kernel.json").read_text("utf-8"))
        return str(spec["argv"][0])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _folder() -> Path:
    return Path(sys.prefix) / "share" / "jupyter" / "kernels" / NAME
