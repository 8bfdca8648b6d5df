"""Model cards: what a model is, how it was made and measured, and what it cannot do.

Writes text only; the figures come from `evaluate`.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.training.curriculum import Curriculum
from labkit.training.evaluate import MAX_TOKENS, Result
from labkit.training.recipe import Recipe

NAME = "MODEL_CARD.md"
SCOPE = {
    True: "It knows the basic topics only and answers in one sentence. It cannot follow up on an answer.",
    False: "Asked for a shorter answer or an example, it should follow up on its last answer; see the table.",
}


@dataclass(frozen=True)
class Making:
    """How a training went.

    Attributes:
        parameters: number of trained weights in the exported network.
        steps: optimizer steps.
        minutes: minutes spent.
        size: bytes of all exported files.
    """

    parameters: int
    steps: int
    minutes: float
    size: int


def text(recipe: Recipe, curriculum: Curriculum, making: Making, result: Result, baseline: Result) -> str:
    """Return the model card in Markdown."""
    parts = [_head(recipe, making), _made(recipe, curriculum, making), table(result, baseline), _limits(recipe, result)]
    return "\n".join(parts)


def table(result: Result, baseline: Result) -> str:
    """Return the measured shares as a Markdown table, beside the baseline's."""
    lines = ["| questions | asked | exact replies | linear n-gram classifier |", "|---|---|---|---|"]
    for kind in result.right:
        beside = f"{baseline.share(kind):.1%}" if kind in baseline.right else "cannot"
        lines.append(f"| {kind} | {len(result.right[kind])} | {result.share(kind):.1%} | {beside} |")
    return "\n".join(lines) + "\n"


def _head(recipe: Recipe, making: Making) -> str:
    return f"""# {recipe.alias}

{recipe.purpose} A decoder language model of the Qwen2 family with {making.parameters / 1e6:.1f} million
parameters, trained from random weights by this project. Int8, {making.size / 1e6:.1f} MB, made for the CPU: the same
files run in Foundry Local and in a browser.
"""


def _made(recipe: Recipe, curriculum: Curriculum, making: Making) -> str:
    shape = recipe.shape
    asked = sum(len(subject.questions) for subject in curriculum.subjects + curriculum.follow_ups)
    return f"""## How it was made

- Network: hidden {shape.hidden}, {shape.layers} layers, {shape.heads} heads ({shape.kv_heads} for keys and values),
  feed-forward {shape.inner}, {shape.vocabulary:,} byte-level BPE tokens, context 1,024 tokens. The chat template is
  ChatML without line breaks between turns; it writes the user's turns in lower case, so that capitals do not matter.
- Data: `labkit/training/corpus`, {asked:,} questions written for this course, each varied while training (stems,
  synonyms, fillers, typing mistakes, dropped words), and a slot grammar. No text from anywhere else.
- Training: first the embeddings alone, as a bag of words; then {making.steps:,} steps of {recipe.batch} conversations,
  {making.minutes:.0f} minutes on one shared CPU core, seed {recipe.seed}. Muon for the hidden matrices, AdamW for the
  rest; loss on the replies and {recipe.topic_loss} times a topic loss; the weights are a running average.
- Again: `python -m labkit.training train {recipe.alias}`, then `export` and `evaluate`.

## How it was measured

Through Foundry Local, greedy; a reply counts if the whole text is exact. The held-out wordings were never trained
on; the independent ones were written by somebody who saw neither the training wordings nor the grammar.
"""


def _limits(recipe: Recipe, result: Result) -> str:
    endless = len(result.endless)
    return f"""Answers that did not end by themselves within {MAX_TOKENS} tokens: {endless}.

## What it cannot do

It recites what was written for the course and knows nothing else: no reasoning, no code, no translation, no arithmetic.
{SCOPE[recipe.basics_only]} A question outside the course should get a refusal that names `MODEL=phi-4-mini`, and
sometimes gets an answer to another question instead, in the same confident voice. English only. It ignores system
prompts. It is a teaching aid for building chat applications; do not rely on it for anything else.
"""
