"""Where the page lies. It knows nothing of servers."""

from __future__ import annotations

from pathlib import Path

from labkit.errors import DemoNotFound

_NAME = "webgpu-demo"
MODELS = Path(__file__).parents[1] / "models"


def find() -> Path:
    """Finds the page's folder: below the current folder or a folder above it, else beside labkit's own source.

    Raises:
        DemoNotFound: this is no copy of the course, and labkit was not installed from one.
    """
    for parent in (Path.cwd(), *Path.cwd().parents, Path(__file__).parents[2]):
        if (parent / _NAME / "index.html").is_file():
            return parent / _NAME
    raise DemoNotFound(
        f"There is no folder `{_NAME}` here. Go into your copy of the course (`cd`) and run the same line again."
    )
