"""TCP ports on this machine: who holds one, and which are free.

It knows nothing of the programs that labkit starts on them.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

from labkit.errors import PortInUse

LOOPBACK = "127.0.0.1"


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
            probe.bind((LOOPBACK, port))
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
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """Opens a socket for a server.

    Args:
        port: the TCP port; 0 lets the system choose.
        host: the address of this machine to listen on.

    Raises:
        PortInUse: another program holds the port.
        OSError: the address cannot be used for another reason.
        OverflowError: the port is no port.
    """
    # The protocol is named because asyncio turns Nagle's algorithm off only for sockets that say TCP; with it on, a
    # small write waits up to 40 ms for the acknowledgement of the one before.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # on Windows the option would let two servers share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortInUse(port, holder(port) or "another program") from None
        raise
    return listener


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
