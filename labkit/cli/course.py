"""`labkit start`, `labkit run` and `labkit progress`: the notebooks, opened, checked and counted.

It knows nothing of Foundry Local.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from labkit.notebooks import Run

_START = """Open the notebooks in JupyterLab, with the kernel "Foundry Local".

[bold]Examples[/bold]

labkit start                            opens your browser
labkit start --no-browser --port 8890   prints the address; for a remote machine, say

The kernel is registered inside this Python environment, and nowhere else. Ctrl-C stops JupyterLab and its kernels.
"""

_RUN = """Run notebooks from top to bottom, without a browser, and say which ones work.

[bold]Examples[/bold]

labkit run                              every notebook of the course
labkit run 01 02                        the ones whose names begin so
labkit run notebooks/02_streaming.ipynb

Your files stay as they are: outputs are not written back. The exit code is 1 when a notebook fails.
"""

_PROGRESS = """Show which exercises you have solved.

[bold]Example[/bold]

labkit progress

Exercises are checked in the notebooks, with [bold]q1.check()[/bold]; the results stay on this machine.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("start", help=_START)(_start)
    app.command("run", help=_RUN)(_run)
    app.command("progress", help=_PROGRESS)(_progress)


def _start(
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port. Default: the first free one from 8888 on.")
    ] = None,
) -> None:
    from labkit import jupyter, notebooks

    def ready(url: str) -> None:
        typer.echo(f"JupyterLab is ready at {url}\nCtrl-C stops it.")

    jupyter.start(notebooks.folder(), port, browser, ready)


def _run(
    notebooks: Annotated[
        list[str] | None, typer.Argument(help="Files, or the beginnings of names. Default: every notebook.")
    ] = None,
) -> None:
    from labkit.notebooks import find, folder

    paths = [find(name) for name in notebooks] if notebooks else sorted(folder().glob("*.ipynb"))
    runs = _run_all(paths)
    _report(runs)
    if any(run.failure for run in runs):
        raise typer.Exit(1)


def _run_all(paths: list[Path]) -> list[Run]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from labkit.notebooks import count_cells, execute

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = [(path, progress.add_task(path.stem, total=count_cells(path), start=False)) for path in paths]
        runs = []
        for path, task in tasks:
            progress.start_task(task)
            runs.append(execute(path, lambda task=task: progress.advance(task)))  # type: ignore[misc]  # bound early
            progress.stop_task(task)
        return runs


def _report(runs: list[Run]) -> None:
    from rich.console import Console

    console = Console()
    for run in runs:
        if run.failure:
            where = f", cell {run.failure.cell}" if run.failure.cell else ""
            typer.echo(f"\n{run.path.stem}{where}: {run.failure.error}\n", err=True)
            typer.echo(run.failure.traceback or run.failure.source, err=True)
    console.print(_table(runs))


def _table(runs: list[Run]) -> Table:
    from rich.table import Table

    table = Table()
    for heading, side in (("Notebook", "left"), ("Cells", "right"), ("Time", "right"), ("Result", "left")):
        table.add_column(heading, justify=side, overflow="fold")  # type: ignore[arg-type]  # they are literals
    for run in runs:
        table.add_row(run.path.stem, str(run.cells), f"{run.seconds:.1f} s", _result(run))
    return table


def _result(run: Run) -> str:
    if run.failure is None:
        return "[green]OK[/green]"
    return "[red]FAILED[/red]" + (f" in cell {run.failure.cell}" if run.failure.cell else "")


def _progress() -> None:
    from labkit.exercises import progress

    typer.echo(repr(progress()))
