"""Why a model is not in the list that Open WebUI shows: its connections, looked at one by one.

Only an administrator may look; for others the list itself has to do.
"""

from __future__ import annotations

from labkit.client import Lab
from labkit.errors import OpenWebUIRefused
from labkit.open_webui import trouble
from labkit.open_webui.api import Connection, OpenWebUI
from labkit.open_webui.trouble import Trouble

_UNREACHABLE = ("connection error", "cannot connect", "timeout")


def why_not_listed(ui: OpenWebUI, lab: Lab) -> Trouble | None:
    """Looks why a model is not in the list, or gives None when it is.

    Args:
        ui: where to look.
        lab: the model, as this machine reaches it.

    Raises:
        EndpointUnreachable: Open WebUI does not answer.
        OpenWebUIRefused: the key is not accepted.
    """
    listed = ui.models()
    if lab.model in listed:
        return None
    try:
        connections = ui.connections()
    except OpenWebUIRefused:  # not an administrator
        return trouble.not_visible(lab)
    if not connections or not connections[0].is_enabled:
        return trouble.openai_off()
    found = [_look(ui, number, connection, lab) for number, connection in enumerate(connections)]
    # The most telling one: a server that lists other models says more than one that nobody was to reach.
    return next((known for known in found if known.name in ("not-visible", "stale")), found[0])


def _look(ui: OpenWebUI, number: int, connection: Connection, lab: Lab) -> Trouble:
    try:
        offered = ui.offered_by(number)
    except OpenWebUIRefused as error:
        if any(sign in error.detail.lower() for sign in _UNREACHABLE):
            return trouble.unreachable(connection.url, lab)
        return trouble.refused(connection.url, lab, error.detail)
    return trouble.stale(lab) if lab.model in offered else trouble.not_offered(lab, offered)
