"""`labkit open-webui`: Open WebUI in front of a local model: started, checked, installed, or written down for Docker.

It knows nothing of chat.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.client import Lab
    from labkit.launch import Program
    from labkit.open_webui import Report
    from labkit.settings import Settings

_HELP = """Run Open WebUI in front of a local model, until Ctrl-C.

[bold]Examples[/bold]

labkit open-webui                  Foundry Local, Open WebUI, and a check of both
labkit open-webui check            what is broken, and the fix; starts nothing
labkit open-webui install          Open WebUI's own Python environment, about 3 GB, once
labkit open-webui files            .env and compose.yaml for Docker

Open WebUI listens on 127.0.0.1 only, and nobody has to sign in. With --host others reach it, and everybody signs in.
"""

_CHECK = """Check in three levels whether people can chat, and name the fix.

[bold]Examples[/bold]

labkit open-webui check
labkit open-webui check --url http://127.0.0.1:3001

1 a loaded model is served, 2 Open WebUI is healthy, 3 a chat completes through it. The exit code is 0 for pass, 1 for
warn and 2 for fail. Where people sign in, set OPEN_WEBUI_API_KEY.
"""

_INSTALL = """Install Open WebUI in a Python environment of its own: about 3 GB, once.

[bold]Example[/bold]

labkit open-webui install

The folder is `open-webui/env` in LABKIT_HOME, or OPEN_WEBUI_ENV. To remove it, delete the folder.
"""

_FILES = """Write .env and compose.yaml, for Docker on Windows, macOS and Linux.

[bold]Example[/bold]

labkit open-webui files
cd open-webui && docker compose up -d

.env holds a secret. Files that exist are never overwritten.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    group = typer.Typer(help=_HELP, rich_markup_mode="rich", invoke_without_command=True)
    group.callback()(_run)
    group.command("check", help=_CHECK)(_check)
    group.command("install", help=_INSTALL)(_install)
    group.command("files", help=_FILES)(_files)
    app.add_typer(group, name="open-webui")


def _run(
    context: typer.Context,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. Default: the first free one from 3000 on.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where it listens; 0.0.0.0 for everywhere.")] = "127.0.0.1",
) -> None:
    if context.invoked_subcommand is not None:
        return
    from labkit import open_webui
    from labkit.launch.port import choose_port
    from labkit.open_webui.configuration import PORT
    from labkit.open_webui.files import docker_info
    from labkit.settings import Settings

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what runs at exit stops both programs
    if not open_webui.Installation.find().is_complete and docker_info() is not None:
        _files(Path("open-webui"))
        return
    open_webui.Installation.find().require()
    choose_port(PORT, port)  # a port that is taken is told before the model is read, which takes time
    lab = _model(Settings.load())
    typer.echo(f"{lab.model} answers at {lab.endpoint}. Open WebUI starts, which takes up to a few minutes ...")
    with open_webui.start(lab, host=host, port=port, show=False) as program:
        _announce(program, lab, host)
        if browser:
            program.open()
        program.wait()
    typer.echo(f"Error: Open WebUI has ended by itself. Its log is {program.plan.log}.", err=True)
    raise typer.Exit(1)


def _model(settings: Settings) -> Lab:
    """Gives the model, from a Foundry Local on its usual port, so that the check finds it there."""
    from labkit.client import connect
    from labkit.ports import is_free
    from labkit.runtime import shared_runtime

    if settings.base_url is None and is_free(settings.foundry_port):
        shared_runtime(settings, settings.foundry_port).serve()
    return connect()


def _announce(program: Program, lab: Lab, host: str) -> None:
    from labkit import open_webui
    from labkit.open_webui.configuration import ADMIN

    password = open_webui.configure(lab, host).admin_password
    if program.plan.note:
        typer.echo(program.plan.note)
    if password is None:
        _show(open_webui.check(lab, program.url))
    else:
        typer.echo(f"Everybody signs in. The administrator is {ADMIN}, with the password {password}")
    typer.echo(f"\nOpen WebUI is ready at {program.url}\nIts log is {program.plan.log}\nCtrl-C stops it.")


def _check(
    url: Annotated[str | None, typer.Option(help="Open WebUI. Default: OPEN_WEBUI_URL, or port 3000 here.")] = None,
) -> None:
    from labkit import open_webui
    from labkit.errors import LabkitError

    try:
        report = open_webui.check(url=url)
    except LabkitError as error:  # not exit code 1, which would say that people can chat
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    _show(report)
    raise typer.Exit(report.exit_code)


def _show(report: Report) -> None:
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.print(report)
    else:  # no line breaks in what is piped or pasted somewhere
        typer.echo(repr(report))


def _install() -> None:
    from labkit.open_webui import Installation

    installation = Installation.find()
    if not installation.is_complete:
        installation.make(lambda command: typer.echo(command, err=True))
    typer.echo(f"Open WebUI is installed in {installation.folder}\nStart it:  labkit open-webui")


def _files(
    folder: Annotated[Path, typer.Argument(help="Where to.")] = Path("open-webui"),
) -> None:
    from labkit import open_webui
    from labkit.health import find
    from labkit.model_info import alias_of
    from labkit.open_webui.files import write

    lab = find()
    env, compose = write(open_webui.configure(lab), folder)
    typer.echo(
        f"{env} and {compose} are ready.\n"
        f"Start the model:    labkit serve --model {alias_of(lab.model)}\n"
        f"Start Open WebUI:   cd {folder} && docker compose up -d\n"
        "Check both:         labkit open-webui check"
    )
