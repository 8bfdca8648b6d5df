"""The secrets of Open WebUI on this machine: made once, kept in a file that only its owner may read.

It knows nothing of what they are for.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from labkit.errors import HomeNotWritable

_BYTES = 24


def secret(name: str, folder: Path) -> str:
    """Gives a secret; it is made up the first time.

    Args:
        name: what it is called.
        folder: where `secrets.json` lies.

    Raises:
        HomeNotWritable: the folder cannot be written.
    """
    path = folder / "secrets.json"
    known = _read(path)
    if name not in known:
        known[name] = secrets.token_urlsafe(_BYTES)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, json.dumps(known, indent=2))
        except OSError as error:
            raise HomeNotWritable(folder, error) from error
    return known[name]


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # the first time, or damaged: new secrets only mean to sign in again
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
