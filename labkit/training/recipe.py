"""The two recipes: how large each model is, what it learns, and for how long it trains.

Knows numbers. Does not know how they are used.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.training.model import Shape


@dataclass(frozen=True)
class Recipe:
    """What makes one bundled model.

    Attributes:
        alias: its name in Foundry Local.
        purpose: one sentence for the model card.
        shape: the sizes of the network.
        basics_only: learns the basic topics with one-sentence answers; refuses the others.
        steps: optimizer steps of the full training.
        batch: conversations a step.
    """

    alias: str
    purpose: str
    shape: Shape
    basics_only: bool
    steps: int
    batch: int = 128
    seed: int = 51211
    muon_rate: float = 0.004
    adam_rate: float = 1.5e-3
    weight_decay: float = 0.05
    topic_loss: float = 0.5
    average: float = 0.995


RECIPES = {
    "course-small": Recipe(
        alias="course-small",
        purpose="Answers the basics of the course in one sentence, fast.",
        shape=Shape(vocabulary=4000, hidden=192, layers=2, heads=6, kv_heads=6, inner=512),
        basics_only=True,
        steps=5000,
    ),
    "course-large": Recipe(
        alias="course-large",
        purpose="Answers every topic of the course in two or three sentences.",
        shape=Shape(vocabulary=6000, hidden=256, layers=3, heads=8, kv_heads=8, inner=768),
        basics_only=False,
        steps=4000,
    ),
}
