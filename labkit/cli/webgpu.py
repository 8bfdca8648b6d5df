"""`labkit webgpu`: the page that runs models in the browser, until Ctrl-C.

It knows nothing of what the page does.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

_HELP = """Run the course's models in your browser, until Ctrl-C.

[bold]Examples[/bold]

labkit webgpu
labkit webgpu --port 5200 --no-browser

It takes port 5173, or the next free one. The first time, npm installs onnxruntime-web into webgpu-demo; without npm
the page loads it from a public network, once, and verifies it.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("webgpu", help=_HELP)(_webgpu)


def _webgpu(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. Default: 5173, or the next free one.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    from labkit import launch

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what runs at exit stops the server
    with launch.webgpu(port=port, show=False, say=typer.echo) as program:
        if program.plan.note:
            typer.echo(program.plan.note)
        typer.echo(f"The page is at {program.url}\nCtrl-C stops it.")
        if browser:
            program.open()
        if code := program.wait():
            typer.echo(f"Error: the server ended with exit code {code}. Its log is in {program.plan.log}.", err=True)
            raise typer.Exit(1)
