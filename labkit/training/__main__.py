"""The commands `python -m labkit.training train | export | evaluate | digits`."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown

from labkit.training import baseline, card, evaluate, export
from labkit.training import corpus as corpora
from labkit.training.curriculum import Curriculum
from labkit.training.digits import data as digits_data
from labkit.training.digits import export as digits_export
from labkit.training.digits import strokes
from labkit.training.digits import train as digits_train
from labkit.training.recipe import RECIPES, Recipe
from labkit.training.train import Trainer

app = typer.Typer(help="Make and measure the bundled models.", no_args_is_help=True)
console = Console()


class Alias(StrEnum):
    """The models that there are recipes for."""

    SMALL = "course-small"
    LARGE = "course-large"


Model = Annotated[Alias, typer.Argument(help="Which model.")]
Folder = Annotated[Path, typer.Option(help="Where checkpoints are kept.")]
RUNS = Path("training-runs")


@app.command("train")
def train_command(
    model: Model,
    minutes: Annotated[float | None, typer.Option(help="Stop after this time, not after the recipe's steps.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    runs: Folder = RUNS,
) -> None:
    """Train a model; continues where an interrupted run stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    trainer = Trainer(RECIPES[model], sound_corpus(), runs / model, minutes)
    if trainer.resume():
        console.print(f"Continuing at step {trainer.clock.step}.")
    trainer.run()


@app.command("export")
def export_command(model: Model, runs: Folder = RUNS, target: Path = export.MODELS) -> None:
    """Write a trained model's files to labkit/models."""
    export.export(RECIPES[model], runs / model, target / model)
    console.print(f"{target / model}: {size(target / model) / 1e6:.1f} MB")


@app.command("evaluate")
def evaluate_command(
    model: Model,
    quick: Annotated[bool, typer.Option("--quick", help="Every seventh question only.")] = False,
    runs: Folder = RUNS,
) -> None:
    """Measure a model through Foundry Local, beside a linear classifier; the full run writes the model card."""
    recipe, corpus = RECIPES[model], sound_corpus()
    curriculum = Curriculum(corpus, recipe.basics_only)
    test = evaluate.cases(corpus, curriculum, quick)
    result = evaluate.measure(test, evaluate.foundry(model))
    beside = evaluate.measure_baseline(test, curriculum, baseline.fit(curriculum))
    show(result, beside, curriculum)
    if not quick:
        text = card.text(recipe, curriculum, making(recipe, runs / model), result, beside)
        (export.MODELS / model / card.NAME).write_text(text, encoding="utf-8")


@app.command("digits")
def digits_command(threads: Annotated[int, typer.Option(help="CPU threads.")] = 2) -> None:
    """Train, measure and write the digit classifier of the browser."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    split = digits_data.load(digits_train.SEED)
    network = digits_train.train(split)
    held_out = digits_train.accuracy(network, digits_data.plain(split.held_images), split.held_digits)
    drawn = digits_train.accuracy(network, *strokes.drawings(strokes.DRAWN, digits_train.SEED + 1))
    digits_export.write(network, split, held_out, drawn)
    console.print(f"Held-out digits: {held_out:.1%}. Drawings: {drawn:.1%}. Written to {digits_export.FOLDER}")


def sound_corpus() -> corpora.Corpus:
    """Return the corpus, or end the command with its broken rules."""
    corpus = corpora.load()
    if broken := corpora.problems(corpus):
        console.print("\n".join(["The corpus breaks its rules:", *broken]), markup=False)
        raise typer.Exit(1)
    return corpus


def show(result: evaluate.Result, beside: evaluate.Result, curriculum: Curriculum) -> None:
    """Print the figures: in all, by topic, and the worst confusions."""
    for name, verdicts in sorted(result.topics.items(), key=lambda item: sum(item[1]) / len(item[1])):
        right, asked = sum(verdicts), len(verdicts)
        console.print(f"{right / asked:7.1%}  {right:3} of {asked:3}  {name}", highlight=False)
    for (wanted, answered), count in list(evaluate.confusions(result, curriculum).items())[:20]:
        console.print(f"{count:3} x {wanted} answered as {answered}", highlight=False)
    console.print(Markdown(card.table(result, beside)))
    console.print(f"Answers that did not end within {evaluate.MAX_TOKENS} tokens: {len(result.endless)}")


def making(recipe: Recipe, checkpoint: Path) -> card.Making:
    """Return how a training went, read from its checkpoint."""
    state = torch.load(checkpoint / "checkpoint.pt", weights_only=False)
    weights = {name: value for name, value in state["average"].items() if "topic_head" not in name}
    parameters = sum(value.numel() for value in weights.values())
    return card.Making(parameters, state["step"], state["seconds"] / 60, size(export.MODELS / recipe.alias))


def size(folder: Path) -> int:
    """Return the bytes of a model's files."""
    return sum((folder / name).stat().st_size for name in export.FILES)


if __name__ == "__main__":
    app()
