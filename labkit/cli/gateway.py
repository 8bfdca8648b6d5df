"""`labkit gateway`: Foundry Local for others, behind keys and limits, and the keys themselves.

It knows nothing of how a request is judged.
"""

from __future__ import annotations

import signal
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.gateway import Gate

_HELP = """Share Foundry Local safely: with keys, limits, three routes and an access log, until Ctrl-C.

[bold]Examples[/bold]

labkit gateway keys create ann                  prints Ann's key, once
labkit gateway                                  on this machine only
labkit gateway --origin http://127.0.0.1:5173   a page from there may call
labkit gateway --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem

It passes /v1/models, /v1/chat/completions and /v1/responses, and answers /livez, /readyz and, with a key, /metrics. The
access log goes to standard output, without a word of what was asked. What stands behind is what [bold]labkit ask[/bold]
would use: BASE_URL, a running [bold]labkit serve[/bold], or a Foundry Local of its own.
"""

_KEYS = """Create, list and revoke keys. Only their hashes are kept, under LABKIT_HOME.

[bold]Examples[/bold]

labkit gateway keys create ann
labkit gateway keys list
labkit gateway keys revoke ann
"""

_PORT = 8443


def add_to(app: typer.Typer) -> None:
    """Adds the command and its subcommands to the application."""
    gateway = typer.Typer(help=_HELP, invoke_without_command=True, rich_markup_mode="rich")
    gateway.callback()(_gateway)
    keys = typer.Typer(help=_KEYS, no_args_is_help=True, rich_markup_mode="rich")
    keys.command("create", help="Make a key for somebody, and print it this once.")(_create)
    keys.command("list", help="List whose keys there are, and which are revoked.")(_list)
    keys.command("revoke", help="Take somebody's key back; the next request with it is refused.")(_revoke)
    gateway.add_typer(keys, name="keys")
    app.add_typer(gateway, name="gateway")


def _gateway(  # noqa: PLR0917  # Typer calls it by names
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on; wider than this machine only with TLS.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = _PORT,
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model to load. Default: MODEL.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="A browser origin that may call; repeat for more.", show_default=False)
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file with the certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with its private key.")] = None,
    behind_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of a proxy that does TLS; repeat for more.", show_default=False),
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="Requests a minute, for each key.")] = 60,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens a minute, for each key.")] = 60_000,
    concurrent: Annotated[int, typer.Option(min=1, help="Requests at the same time, for each key.")] = 4,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 1_024,
) -> None:
    if context.invoked_subcommand:
        return
    from labkit.client import connect
    from labkit.gateway import KeyRing, Rules, serve
    from labkit.gateway.gate import Door

    rules = Rules(requests, tokens, concurrent, max_tokens=max_tokens, origins=tuple(origin or ()))
    door = Door(host or "127.0.0.1", port, tls_cert, tls_key, tuple(map(_proxy, behind_proxy or ())))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what runs at exit stops Foundry Local
    serve(connect(model), ready=_announce, rules=rules, keys=KeyRing.of_home(), door=door)


def _proxy(address: str) -> str:
    try:
        return str(ip_network(address))
    except ValueError:
        raise typer.BadParameter(f"{address!r} is no IP address or network", param_hint="--behind-proxy") from None


def _announce(gate: Gate) -> None:
    valid = sum(key.revoked is None for key in gate.keys.known())
    typer.echo(
        f"The gateway answers at {gate.endpoint}, for {valid} key{'s' * (valid != 1)}.\n"
        + ("" if valid else "Make one, in another terminal:  labkit gateway keys create ann\n")
        + f"Try it:  BASE_URL={gate.endpoint} API_KEY=lk-... labkit ask hello\n"
        "Ctrl-C stops it.",
        err=True,
    )


def _create(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    from labkit.gateway import KeyRing

    typer.echo(KeyRing.of_home().create(name))
    typer.echo("Write it down: it is shown this once.", err=True)


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from labkit.gateway import KeyRing

    table = Table()
    for heading in ("Name", "Created, UTC", "State"):
        table.add_column(heading, overflow="fold")
    for key in KeyRing.of_home().known():
        state = f"revoked {key.revoked:%Y-%m-%d %H:%M}" if key.revoked else "valid"
        table.add_row(key.name, f"{key.created:%Y-%m-%d %H:%M}", state)
    Console().print(table)


def _revoke(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    from labkit.gateway import KeyRing

    KeyRing.of_home().revoke(name)
    typer.echo(f"{name}'s key is not accepted any more.")
