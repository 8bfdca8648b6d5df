"""`labkit doctor` and `labkit models`: what is on this machine, and what is wrong with it.

It knows nothing of chat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from labkit.doctor import Report
    from labkit.model_info import ModelInfo
    from labkit.settings import Settings

_DOCTOR = """Look for what is wrong on this machine, and name the fix.

[bold]Examples[/bold]

labkit doctor
labkit doctor --network    also asks whether models could be downloaded

OK is fine, WARN may matter later, FAIL must be mended: then the exit code is 1.
"""

_MODELS = """List the models that are bundled, downloaded, or in memory.

[bold]Example[/bold]

labkit models

Any of them, and every model of the public catalog, can be named in MODEL or with --model.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("doctor", help=_DOCTOR)(_doctor)
    app.command("models", help=_MODELS)(_models)


def _doctor(
    network: Annotated[bool, typer.Option("--network", help="Ask whether models could be downloaded, too.")] = False,
) -> None:
    from rich.console import Console

    from labkit import doctor

    report, console = doctor.check(network=network), Console()
    if console.is_terminal:
        console.print(_findings(report))
    else:  # no line breaks in what is piped or pasted somewhere
        typer.echo(repr(report))
    if not report.is_ok:
        raise typer.Exit(1)


def _findings(report: Report) -> Table:
    from rich.table import Table
    from rich.text import Text

    colours = {"OK": "green", "WARN": "yellow", "FAIL": "red"}
    grid = Table.grid(padding=(0, 1))
    for finding in report.findings:
        grid.add_row(Text(f"[{finding.status}]", colours[finding.status]), Text(finding.line, overflow="fold"))
        if finding.fix:
            grid.add_row("", Text(f"Fix: {finding.fix}", "bold", overflow="fold"))
    return grid


def _models() -> None:
    from rich.console import Console
    from rich.table import Table

    from labkit.catalog import find_bundled
    from labkit.library import Library
    from labkit.settings import Settings

    settings = Settings.load()
    loaded = _shared_models(settings)
    infos = {info.id: info for info in [*Library(settings).cached_models(), *loaded]}
    table = Table()
    for heading in ("Alias", "Id", "From", "In memory"):
        table.add_column(heading, overflow="fold")
    for info in sorted(infos.values(), key=lambda info: (find_bundled(info.id) is None, info.id)):
        origin = "bundled" if find_bundled(info.id) else "downloaded"
        where = f"yes, on port {settings.foundry_port}" if info in loaded else "no"
        table.add_row(info.alias, info.id, origin, where)
    Console().print(table)


def _shared_models(settings: Settings) -> list[ModelInfo]:
    from labkit.service import Service

    service = Service(f"http://127.0.0.1:{settings.foundry_port}")
    return service.loaded_models() if service.is_running() else []
