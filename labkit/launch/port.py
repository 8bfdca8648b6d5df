"""The port of a program that a learner opens: the one that was asked for, or the next free one.

It knows nothing of programs.
"""

from __future__ import annotations

from labkit.errors import PortInUse, SettingsError
from labkit.ports import free_port, holder
from labkit.settings import Settings

_TRIES = 20  # ports beside the usual one


def choose_port(usual: int, wanted: int | None = None) -> tuple[int, str]:
    """Chooses a port, never Foundry Local's own.

    Args:
        usual: the port that people expect, which is tried first.
        wanted: the port that was asked for, which is taken or refused.

    Returns:
        The port, and in words why it is not the usual one; empty where it is, or where it was asked for.

    Raises:
        PortInUse: another program holds the port that was asked for.
        SettingsError: the port that was asked for is Foundry Local's.
    """
    foundry = Settings.load().foundry_port
    if wanted is not None:
        return _require(wanted, foundry), ""
    port = free_port(port for port in range(usual, usual + _TRIES) if port != foundry)
    if port == usual:
        return port, ""
    held_by = "Foundry Local (FOUNDRY_PORT)" if usual == foundry else holder(usual)
    return port, f"Port {usual} is held by {held_by or 'another program'}, so this is port {port}."


def _require(port: int, foundry: int) -> int:
    if port == foundry:
        raise SettingsError(
            f"Port {port} is reserved for Foundry Local (FOUNDRY_PORT). Choose another one, such as --port {port + 1}."
        )
    if held_by := holder(port):
        raise PortInUse(port, held_by)
    return port
