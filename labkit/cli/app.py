"""All commands of `labkit` together.

What a command needs is imported when it runs, so that `labkit ask` does not pay for the others.
"""

from __future__ import annotations

from typing import Annotated

import typer

from labkit.cli import ask, chat, course, gateway, health, machine, open_webui, serve, simulate, webgpu

_HELP = """Chat with Foundry Local on this machine, and learn how to build on it.

[bold]Start here[/bold]

labkit ask "Why do chat apps stream tokens?"   an answer, streamed
labkit chat                                    the chat application, in the browser
labkit start                                   the notebooks, in JupyterLab
labkit doctor                                  what is wrong here, and the fix

Nothing leaves this machine, and nothing is downloaded, unless you name a model that is not bundled or set BASE_URL.
"""

app = typer.Typer(
    help=_HELP,
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (ask, chat, open_webui, webgpu, course, serve, gateway, simulate, health, machine):
    module.add_to(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"labkit {version('labkit')}, foundry-local-sdk {version('foundry-local-sdk')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the versions and exit.")
    ] = False,
) -> None:
    pass
