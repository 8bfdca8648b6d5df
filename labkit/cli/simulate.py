"""`labkit simulate`: a cloud to practise on, for other programs, until Ctrl-C.

It knows nothing of what can go wrong in it.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.simulator import Cloud

_HELP = """Run a cloud that is slow, limited and broken on purpose, until Ctrl-C.

[bold]Examples[/bold]

labkit simulate
labkit simulate --profile overloaded --fault cut:0.2   (a fifth of the answers break off)
labkit simulate --fault 429@1 --fault stall@3   (the first and the third request fail)

It speaks OpenAI's API on 127.0.0.1, and answers with a bundled model. When it stops, it says what the clients did
wrong. Faults: 429, 500, 503, unauthorised, refuse, slow, stall, cut, malformed, error, truncated, content_type.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("simulate", help=_HELP)(_simulate)


def _simulate(
    profile: Annotated[str, typer.Option(help="How it behaves: cloud, local, mobile or overloaded.")] = "cloud",
    fault: Annotated[
        list[str] | None, typer.Option(help="What goes wrong: NAME, NAME:SHARE or NAME@REQUEST. Repeat for more.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same latencies and faults.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.", show_default=False)] = 0,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Who answers. Default: the setting MODEL.")] = None,
) -> None:
    from labkit import simulator
    from labkit.settings import Settings

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what runs at exit stops Foundry Local
    chosen = model or Settings.load().model
    cloud = simulator.serve(profile, ready=_announce, faults=fault, seed=seed, port=port, model=chosen)
    typer.echo(f"\n{cloud.verdict()!r}")
    raise KeyboardInterrupt  # that is how it was stopped


def _announce(cloud: Cloud) -> None:
    typer.echo(
        f"The simulated cloud ({cloud.profile.name}) answers at {cloud.endpoint}\n"
        f"Try it:  BASE_URL={cloud.endpoint} MODEL={cloud.lab.model} labkit ask hello\n"
        "Ctrl-C stops it and prints the verdict on its clients."
    )
