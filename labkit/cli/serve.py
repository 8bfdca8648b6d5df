"""`labkit serve`: Foundry Local for other programs, until Ctrl-C.

It knows nothing of chat.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from labkit.ports import holder, is_free

if TYPE_CHECKING:
    from labkit.service import Service

_HELP = """Serve Foundry Local to other programs on this machine, until Ctrl-C.

[bold]Examples[/bold]

labkit serve
labkit serve --model course-small --model course-large
labkit serve --port 51300       beside another service

Notebooks and [bold]labkit ask[/bold] find the service on FOUNDRY_PORT (51211) by themselves. It listens on 127.0.0.1
only, since Foundry Local checks no API key.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("serve", help=_HELP)(_serve)


def _serve(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. Default: the setting FOUNDRY_PORT, 51211.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A model to load; repeat for more. Default: MODEL.")
    ] = None,
) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what runs at exit stops the service
    service, port = _start(port, model)
    while not is_free(port):
        time.sleep(0.5)
    typer.echo(f"Error: {service.uri} was shut down from outside. `labkit serve` starts it again.", err=True)
    raise typer.Exit(1)


def _start(port: int | None, models: list[str] | None) -> tuple[Service, int]:
    from labkit.errors import PortInUse
    from labkit.library import Library
    from labkit.runtime import shared_runtime
    from labkit.settings import Settings

    settings = Settings.load()
    port = port or settings.foundry_port
    if held_by := holder(port):  # asked before the models are read, which takes time
        raise PortInUse(port, held_by)
    service = shared_runtime(settings, port).serve()
    for name in models or [settings.model]:
        info = Library(settings).ready(name)
        typer.echo(f"Foundry Local serves {info.id} at {service.uri}/v1")
    typer.echo(_how_to_use(service, is_default=port == settings.foundry_port, port=port))
    return service, port


def _how_to_use(service: Service, is_default: bool, port: int) -> str:
    found = "by themselves" if is_default else f"with FOUNDRY_PORT={port}"
    return (
        f"\nNotebooks and `labkit ask` find it {found}. Other programs take\n"
        f"  base URL  {service.uri}/v1\n"
        "  API key   any text: it is not checked\n"
        f"Try it:     curl {service.uri}/v1/models\n"
        "Ctrl-C stops it."
    )
