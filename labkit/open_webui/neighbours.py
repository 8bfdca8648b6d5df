"""Looks for a Foundry Local on this machine that runs on another port than expected.

It asks only programs that could be one. It knows nothing of Open WebUI.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException
from itertools import islice

from labkit.client import Lab
from labkit.fetch import get_json, is_loopback
from labkit.open_webui.api import port_of

_NAMES = ("foundry", "inference", "python", "labkit")  # of programs that hold Foundry Local's runtime
_MOST = 16  # ports that are asked
_ANSWER = 0.5  # seconds for each of them


def foundry_elsewhere(lab: Lab) -> str | None:
    """Gives the address of a Foundry Local on another port of this machine, or None.

    Args:
        lab: where it was expected.
    """
    if not is_loopback(lab.endpoint):
        return None
    expected = port_of(lab.endpoint)
    others = (port for port in _candidates() if port != expected)
    addresses = (f"http://127.0.0.1:{port}" for port in islice(others, _MOST))
    return next(filter(_is_foundry, addresses), None)


def _is_foundry(uri: str) -> bool:
    try:
        status = get_json(f"{uri}/status", _ANSWER)
    except (OSError, HTTPException, ValueError):
        return False
    return isinstance(status, dict) and "modelCachePath" in status


def _candidates() -> Iterator[int]:
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS tells only the administrator
        return
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.pid
        if listens and any(name in _name(connection.pid) for name in _NAMES):
            yield connection.laddr.port


def _name(pid: int) -> str:
    import psutil

    try:
        return str(psutil.Process(pid).name()).lower()
    except psutil.Error:
        return ""
