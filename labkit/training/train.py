"""Training: teaches a recipe's model its curriculum, reports progress and resumes after an interruption.

Knows the schedule and the loss. Does not know Foundry Local or ONNX.
"""

from __future__ import annotations

import copy
import logging
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from labkit.training import optimizer, scoring, tokenizer
from labkit.training.batch import Framer, Group, groups, pad_id
from labkit.training.corpus import Corpus
from labkit.training.curriculum import Curriculum
from labkit.training.model import ChatModel
from labkit.training.recipe import Recipe
from labkit.training.warmup import warm_up

log = logging.getLogger(__name__)
WARM_UP = 0.04
REPORT_SECONDS = 180.0
SCORED_TOKENS = 8
CHECKPOINT = "checkpoint.pt"
LAST_RATE = 0.02
GRADIENT_LIMIT = 1.0


@dataclass
class Clock:
    """How far a training is: by steps, or by minutes where a limit is given.

    Attributes:
        steps: steps of the whole training.
        minutes: time limit in minutes, or None.
        step: steps made.
        seconds: seconds spent, earlier runs included.
    """

    steps: int
    minutes: float | None = None
    step: int = 0
    seconds: float = 0.0

    @property
    def progress(self) -> float:
        """Share of the training that is done, 0 to 1."""
        done = self.step / self.steps if self.minutes is None else self.seconds / 60 / self.minutes
        return min(1.0, done)

    @property
    def seconds_left(self) -> float:
        """Estimate of the seconds to go."""
        return self.seconds / self.progress - self.seconds if self.progress else math.inf


class Trainer:
    """Trains one model.

    Args:
        recipe: what to make.
        corpus: what to teach.
        folder: where tokenizer and checkpoint are kept.
        minutes: end after this time instead of after the recipe's steps.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus, folder: Path, minutes: float | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.rng = random.Random(recipe.seed)  # noqa: S311 - chance for training, not for secrets
        self.curriculum = Curriculum(corpus, recipe.basics_only)
        self.tokenizer = self._tokenizer(corpus)
        self.framer = Framer(self.tokenizer, self.curriculum)
        self.model = ChatModel(recipe.shape, len(self.curriculum.names))
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizers = optimizer.build(self.model, recipe.muon_rate, recipe.adam_rate, recipe.weight_decay)
        self.clock = Clock(recipe.steps, minutes)

    def _tokenizer(self, corpus: Corpus) -> Tokenizer:
        # A resumed run keeps its tokenizer: the same tokens must mean the same, whatever became of the corpus.
        if (self.folder / CHECKPOINT).exists():
            return tokenizer.load(self.folder)
        return tokenizer.train(corpus, self.recipe.shape.vocabulary)

    def run(self) -> ChatModel:
        """Train to the end and return the averaged model; saves it in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(self.folder / "tokenizer.json"))
        began = time.monotonic() - self.clock.seconds
        if self.clock.step == 0:
            self._warm_up()
        loss = reported = 0.0
        while self.clock.progress < 1:
            loss = self._step()
            self.clock.step += 1
            self.clock.seconds = time.monotonic() - began
            if self.clock.seconds - reported > REPORT_SECONDS:
                reported = self.clock.seconds
                self._report(loss)
        self._report(loss, first=None)
        return self.average

    def resume(self) -> bool:
        """Continue from the checkpoint in the folder; return whether there was one."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        state = torch.load(path, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for each, saved in zip(self.optimizers, state["optimizers"], strict=True):
            each.load_state_dict(saved)
        self.rng.setstate(state["rng"])
        self.clock.step, self.clock.seconds = state["step"], state["seconds"]
        return True

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        part = self.folder / "checkpoint.part"
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizers": [each.state_dict() for each in self.optimizers],
                "rng": self.rng.getstate(),
                "step": self.clock.step,
                "seconds": self.clock.seconds,
                "classes": self.curriculum.names,
            },
            part,
        )
        part.replace(self.folder / CHECKPOINT)

    def _warm_up(self) -> None:
        warm_up(self.model, self.tokenizer, self.curriculum, self.rng)
        self.average.load_state_dict(self.model.state_dict())

    def _step(self) -> float:
        samples = [self.framer.draw(self.rng) for _ in range(self.recipe.batch)]
        learnt = sum(len(sample.learn) for sample in samples)
        asked = sum(len(sample.marks) for sample in samples)
        total = 0.0
        for group in groups(samples, pad_id(self.tokenizer)):
            loss = self._loss(group, learnt, asked)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        self._update()
        return total

    def _loss(self, group: Group, learnt: int, asked: int) -> Tensor:
        hidden = self.model(group.ids)
        scores = self.model.logits(hidden[group.rows, group.before])
        tokens = functional.cross_entropy(scores, group.targets, reduction="sum") / learnt
        guesses = self.model.topic_head(hidden[group.mark_rows, group.mark_positions])
        topics = functional.cross_entropy(guesses, group.classes, reduction="sum") / asked
        return tokens + self.recipe.topic_loss * topics

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_LIMIT)
        rate = schedule(self.clock.progress)
        for each, top in zip(self.optimizers, (self.recipe.muon_rate, self.recipe.adam_rate), strict=True):
            for group in each.param_groups:
                group["lr"] = top * rate
            each.step()
            each.zero_grad(set_to_none=True)
        self._average()

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.recipe.average, (self.clock.step + 1) / (self.clock.step + 10))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)

    def _report(self, loss: float, first: int | None = SCORED_TOKENS) -> None:
        self.save()
        found = scoring.report(self.average, self.framer, self.curriculum, first)
        shares = ", ".join(f"{kind} {value:.1%}" for kind, value in found.items())
        left = self.clock.seconds_left / 60
        log.info(
            "%s: step %d, loss %.3f, %.1f min left; held-out %s", self.recipe.alias, self.clock.step, loss, left, shares
        )


def schedule(progress: float) -> float:
    """Return the learning rate's share of its top: a linear warm-up, then a cosine."""
    if progress < WARM_UP:
        return progress / WARM_UP + 1e-3
    along = (progress - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * along))
