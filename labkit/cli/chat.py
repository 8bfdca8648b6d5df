"""`labkit chat`: the chat application in the browser, until Ctrl-C.

It knows nothing of chat.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.launch import Program

_HELP = """Chat in the browser, until Ctrl-C.

[bold]Examples[/bold]

labkit chat
labkit chat --port 3000 --no-browser --logs
labkit chat --add-user anna   (asks for a password; CHAT_LOGIN=on then demands it)
labkit chat --host 0.0.0.0   (for other machines; refused until somebody has an account)

It takes port 8080, or the next free one. What is answered by whom is chosen on the page: by the model on this machine,
by the cloud, or by a router between them.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("chat", help=_HELP)(_chat)


def _chat(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. Default: 8080, or the next free one.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    logs: Annotated[bool, typer.Option("--logs", help="Print what the application logs.")] = False,
    add_user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Add an account, or change its password, and end.")
    ] = None,
) -> None:
    if add_user is not None:
        _add(add_user)
        return
    from labkit import launch

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what runs at exit stops the application
    with launch.chat(port=port, host=host, show=False) as program:
        _announce(program)
        if browser:
            program.open()
        if logs:
            threading.Thread(target=_print_logs, args=(program,), daemon=True).start()
        if code := program.wait():
            typer.echo(
                f"Error: {program.name} ended with exit code {code}. Its log is in {program.plan.log}.", err=True
            )
            raise typer.Exit(1)


def _announce(program: Program) -> None:
    if program.plan.note:
        typer.echo(program.plan.note)
    typer.echo(f"{program.name} runs at {program.url}\nIts log is in {program.plan.log}\nCtrl-C stops it.")


def _print_logs(program: Program) -> None:
    for line in program.follow():
        typer.echo(line)


def _add(name: str) -> None:
    from labkit.chat.accounts import Accounts
    from labkit.settings import Settings

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    Accounts(Settings.load().home / "chat").add(name, password)
    typer.echo(f"{name} has an account. Demand logins with CHAT_LOGIN=on: `CHAT_LOGIN=on labkit chat`.")
