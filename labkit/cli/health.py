"""`labkit health`: can the model answer, and if not, what is broken.

It starts and loads nothing: a check must see things as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.health import Report

_HELP = """Check whether a model can answer, rung by rung, and name the fix.

[bold]Examples[/bold]

labkit health
labkit health --model course-small
labkit health --url http://127.0.0.1:8000/v1 --model llama3
labkit health --watch             again and again, until Ctrl-C
labkit health --json              health+json, for programs

The exit code is 0 for pass, 1 for warn (degraded) and 2 for fail. A check costs one token at most.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("health", help=_HELP)(_health)


def _health(
    as_json: Annotated[bool, typer.Option("--json", help="Print health+json; with --watch, one line a check.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Check again and again, until Ctrl-C.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Alias or id. Default: the setting MODEL.")] = None,
    url: Annotated[
        str | None, typer.Option(help="The server. Default: BASE_URL, or Foundry Local on FOUNDRY_PORT.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two checks with --watch.")] = 15.0,
) -> None:
    from labkit.errors import LabkitError
    from labkit.health import Ladder, Monitor, find

    try:
        monitor = Monitor(Ladder(find(model, url)), every=every)
    except LabkitError as error:  # not exit code 1, which would say that the model can answer
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    reports = monitor.watch()
    report = _follow(reports, as_json) if watch else next(reports)
    if not watch:
        _show(report, as_json)
    raise typer.Exit(report.exit_code)


def _show(report: Report, as_json: bool) -> None:
    from rich.console import Console

    console = Console()
    if as_json:
        typer.echo(report.to_json())
    elif console.is_terminal:
        console.print(report)
    else:  # no line breaks in what is piped or pasted somewhere
        typer.echo(repr(report))


def _follow(reports: Iterator[Report], as_json: bool) -> Report:
    """Shows each report until Ctrl-C, and gives the last one."""
    from rich.console import Console
    from rich.live import Live

    report, console = next(reports), Console()
    with suppress(KeyboardInterrupt):
        if as_json or not console.is_terminal:
            while True:
                typer.echo(report.to_json(indent=None) if as_json else repr(report))
                report = next(reports)
        with Live(report, console=console) as live:
            for report in reports:
                live.update(report)
    return report
