"""`labkit ask`: one question, the answer as it is made, and what it took.

It must start fast: a learner's first impression is the time from the command to the first word.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labkit.client import Lab
    from labkit.streaming import Stats

_HELP = """Answer one question, word by word.

[bold]Examples[/bold]

labkit ask "Why do chat apps stream tokens?"
labkit ask --model course-small "What is an alias?"
labkit ask --model phi-4-mini "Write a haiku"   (downloads that model first)
labkit ask --profile mobile "What is a token?"   (through a simulated cloud)
echo "What is port 51211 for?" | labkit ask

The answer goes to standard output; model, source and speed go to standard error.
"""


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("ask", help=_HELP)(_ask)


def _ask(
    question: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION", help="The question. Left out, it is read from a pipe.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Alias or id. Default: the setting MODEL.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Put a simulated cloud in front: cloud, local, mobile or overloaded.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 256,
    temperature: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="0 gives the same answer each time, more gives variety.")
    ] = 0.0,
) -> None:
    asked = _read(question)
    with _lab(model, profile) as lab:
        for note in lab.notes:
            _aside(note)
        _answer(lab, asked, max_tokens, temperature)


def _read(question: list[str] | None) -> str:
    asked = " ".join(question or ())
    if not asked and not sys.stdin.isatty():
        asked = sys.stdin.read()
    if not asked.strip():
        raise typer.BadParameter(
            'type a question in quotes, for example: labkit ask "What is a token?"', param_hint="question"
        )
    return asked.strip()


@contextmanager
def _lab(model: str | None, profile: str | None) -> Iterator[Lab]:
    from labkit.client import connect

    if profile is None:
        yield connect(model)
        return
    from labkit import simulator
    from labkit.settings import Settings

    with simulator.run(profile, model=model or Settings.load().model) as cloud:
        yield cloud.lab


def _answer(lab: Lab, question: str, max_tokens: int, temperature: float) -> None:
    from labkit.streaming import stream

    reply = stream(lab, question, max_tokens=max_tokens, temperature=temperature)
    try:
        for piece in reply:
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        reply.close()
        if reply.text:  # also after Ctrl-C, so that the next thing printed starts on a line of its own
            sys.stdout.write("\n")
            sys.stdout.flush()
    _aside(" | ".join([lab.model, lab.source, *_figures(reply.stats)]))
    if reply.finish_reason == "length":
        _aside(f"The answer was cut at {max_tokens} tokens. --max-tokens {max_tokens * 2} lets it go on.")


def _figures(stats: Stats) -> Iterator[str]:
    from math import isfinite

    if isfinite(stats.time_to_first_token):
        yield f"first token after {stats.time_to_first_token * 1000:,.0f} ms"
    if isfinite(stats.tokens_per_second):
        yield f"{stats.tokens_per_second:,.0f} tokens/s"


def _aside(text: str) -> None:
    typer.secho(text, dim=True, err=True)
