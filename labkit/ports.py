"""TCP ports on this machine: who holds one, and which are free.

It knows nothing of the programs that labkit starts on them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

_LOOPBACK = "127.0.0.1"


def holder(port: int) -> str | None:
    """Names the program that listens on a port, or gives None when the port is free.

    Args:
        port: the TCP port, 1 to 65535.

    Returns:
        Words such as `python (process 4711)`, or `another program` when the system does not tell whose it is.
    """
    if is_free(port):
        return None
    return _listener(port) or "another program"


def is_free(port: int) -> bool:
    """Says whether a server could listen on the port of the loopback interface now."""
    with socket.socket() as probe:
        if os.name == "posix":  # on Windows the option would let two servers share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(preferred: Iterable[int] = ()) -> int:
    """Finds a free port.

    Args:
        preferred: ports to try first, in order. When all are taken, the system picks one.
    """
    for port in preferred:
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _listener(port: int) -> str | None:
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS tells only the administrator
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return _describe(connection.pid)
    return None


def _describe(pid: int) -> str | None:
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.NoSuchProcess:
        return None
