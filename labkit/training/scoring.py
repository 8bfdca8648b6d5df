"""Quick scores without generating text: a reply is exact if every one of its tokens is the most likely one.

That equals greedy decoding, in one pass of the network. Does not know Foundry Local; `evaluate` measures through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from labkit.training.batch import Framer, Group, Sample, groups
from labkit.training.curriculum import Curriculum, Turn
from labkit.training.model import ChatModel


def held_out(curriculum: Curriculum) -> dict[str, list[Turn]]:
    """Return the held-out questions, each as a turn, by kind: topics, small-talk, refusals, other topics."""
    kinds: dict[str, list[Turn]] = {}
    for subject in curriculum.subjects:
        kind = curriculum.kind(subject)
        kinds.setdefault(kind, []).extend(Turn(asked, subject.name, subject.reply) for asked in subject.held_out)
    return kinds


def exact(model: ChatModel, framer: Framer, turns: Sequence[Turn], first: int | None = None) -> list[bool]:
    """Return for each turn whether the model would recite the owed reply.

    Args:
        model: the network.
        framer: frames the turns.
        turns: questions without history.
        first: look at this many tokens of the reply only; all if None.
    """
    samples = [framer.exact([], turn) for turn in turns]
    for sample in samples:
        _shorten(sample, first)
    order = sorted(range(len(samples)), key=lambda at: len(samples[at].ids))
    right = [False] * len(samples)
    done = 0
    for group in groups([samples[at] for at in order], pad=0, tokens=4096):
        verdicts = recited(model, group)
        for place, verdict in zip(order[done:], verdicts, strict=False):
            right[place] = verdict
        done += len(verdicts)
    return right


@torch.no_grad()
def recited(model: ChatModel, group: Group) -> list[bool]:
    """Return for each sample of a group whether all its tokens to learn are the most likely ones."""
    hidden = model(group.ids)[group.rows, group.before]
    wrong = model.logits(hidden).argmax(-1) != group.targets
    missed = torch.zeros(len(group.ids)).index_add(0, group.rows, wrong.float())
    return [count == 0 for count in missed.tolist()]


def share(verdicts: Iterable[bool]) -> float:
    """Return the share of right ones, 0 to 1; 0 if there are none."""
    listed = list(verdicts)
    return sum(listed) / len(listed) if listed else 0.0


def report(model: ChatModel, framer: Framer, curriculum: Curriculum, first: int | None) -> dict[str, float]:
    """Return the share of exact replies on held-out questions, by kind."""
    return {kind: share(exact(model, framer, turns, first)) for kind, turns in held_out(curriculum).items()}


def _shorten(sample: Sample, first: int | None) -> None:
    if first is not None:
        sample.learn = sample.learn[:first]
        del sample.ids[sample.learn[-1] + 1 :]
