"""labkit: the library behind a course on production-grade chat with Microsoft Foundry Local."""

import sys as _sys

if _sys.version_info < (3, 11):  # noqa: UP036  # a clone runs without an installer that would refuse
    raise ImportError(
        "labkit needs Python 3.11 or newer, and this is Python %d.%d. " % _sys.version_info[:2]  # noqa: UP031  # parses everywhere
        + "Run your command through `uv run`, which brings a Python that fits."
    )

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit import doctor, errors, exercises
    from labkit.client import Lab, connect
    from labkit.settings import Settings

__all__ = ["Lab", "Settings", "connect", "doctor", "errors", "exercises"]

_HOME = {"Lab": "labkit.client", "connect": "labkit.client", "Settings": "labkit.settings"}


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `import labkit` costs milliseconds.
    if name not in __all__:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    return getattr(_import_module(_HOME[name]), name) if name in _HOME else _import_module(f"labkit.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
