"""Warm-up of the embeddings: a bag of words learns the topics in half a minute, before the network starts.

Questions pass through the embedding alone: their token vectors are added up and classified (as in fastText, arXiv
1607.01759). Words that ask for the same topic then lie close together, which saves the network a slow beginning.
Does not know conversations.
"""

from __future__ import annotations

import random

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from labkit.training.curriculum import Curriculum
from labkit.training.model import ChatModel
from labkit.training.tokenizer import user_text

STEPS = 3000
BATCH = 128
RATE = 1e-2
SPREAD = 0.04
SMOOTHING = 0.05


def warm_up(model: ChatModel, tokenizer: Tokenizer, curriculum: Curriculum, rng: random.Random) -> None:
    """Train a model's embedding and topic head as a bag of words, then bring the embedding to the usual scale.

    Args:
        model: the network; its layers stay as they are.
        tokenizer: cuts the questions.
        curriculum: asks the questions.
        rng: the source of chance.
    """
    trained = [model.model.embed_tokens.weight, *model.topic_head.parameters()]
    optimizer = torch.optim.Adam(trained, lr=RATE)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        _loss(model, tokenizer, curriculum, rng).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        weight = model.model.embed_tokens.weight
        weight.mul_(SPREAD / weight.std())


def bag(model: ChatModel, questions: list[list[int]]) -> Tensor:
    """Return the normalised sum of the token vectors of each question."""
    rows = torch.tensor([row for row, ids in enumerate(questions) for _ in ids])
    tokens = torch.tensor([token for ids in questions for token in ids])
    vectors = model.model.embed_tokens(tokens)
    total = torch.zeros(len(questions), vectors.shape[1]).index_add(0, rows, vectors)
    return functional.rms_norm(total, (vectors.shape[1],))


def _loss(model: ChatModel, tokenizer: Tokenizer, curriculum: Curriculum, rng: random.Random) -> Tensor:
    asked = [curriculum.question(rng) for _ in range(BATCH)]
    encoded = tokenizer.encode_batch([user_text(question) for question, _ in asked], add_special_tokens=False)
    kinds = torch.tensor([curriculum.number(name) for _, name in asked])
    guesses = model.topic_head(bag(model, [each.ids for each in encoded]))
    return functional.cross_entropy(guesses, kinds, label_smoothing=SMOOTHING)
