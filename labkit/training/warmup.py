"""Warm-up: a bag of words learns the topics in a minute, before the network starts.

Layer 0 is wired to do what a bag of words does: its attention looks at all tokens alike and passes their embeddings on;
the other layers begin silent. So the embeddings can be trained alone (as in fastText, arXiv 1607.01759), thirty times
faster than the network, and the network starts from what they know. Does not know conversations.
"""

from __future__ import annotations

import random

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from labkit.training.curriculum import Curriculum
from labkit.training.model import ChatModel
from labkit.training.tokenizer import END, ROLES, number, torn, user_text

STEPS = 6000
BATCH = 128
RATE = 1e-2
SPREAD = 0.1
SMOOTHING = 0.05
ATTENTION = 0.1


def warm_up(model: ChatModel, tokenizer: Tokenizer, curriculum: Curriculum, rng: random.Random) -> None:
    """Wire layer 0 as a bag of words and train the embedding and the topic head.

    Args:
        model: the network; beside the embedding and the head its weights are set, not trained.
        tokenizer: cuts the questions.
        curriculum: asks the questions.
        rng: the source of chance.
    """
    wire(model)
    trained = [model.model.embed_tokens.weight, *model.topic_head.parameters()]
    nn.init.normal_(trained[0], std=SPREAD)
    optimizer = torch.optim.Adam(trained, lr=RATE)
    cutter = torn(tokenizer)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        _loss(model, cutter, curriculum, rng).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def wire(model: ChatModel) -> None:
    """Let layer 0 pass on the mean of all embeddings, and silence everything else; needs as many key heads as heads."""
    first, *others = model.model.layers
    turned, _ = torch.linalg.qr(torch.randn(model.shape.hidden, model.shape.hidden))
    first.self_attn.q_proj.weight.mul_(ATTENTION)
    first.self_attn.v_proj.weight.copy_(turned)
    first.self_attn.o_proj.weight.copy_(turned.T)
    for layer in model.model.layers:
        nn.init.zeros_(layer.mlp.down_proj.weight)
    for layer in others:
        nn.init.zeros_(layer.self_attn.o_proj.weight)


def bag(model: ChatModel, prompts: list[list[int]]) -> Tensor:
    """Return what the wired network finds at the end of each prompt: its last embedding plus the mean of all."""
    embed, width = model.model.embed_tokens, (model.shape.hidden,)
    rows = torch.tensor([row for row, ids in enumerate(prompts) for _ in ids])
    vectors = functional.rms_norm(embed(torch.tensor([token for ids in prompts for token in ids])), width)
    total = torch.zeros(len(prompts), *width).index_add(0, rows, vectors)
    mean = total / torch.tensor([[len(ids)] for ids in prompts])
    return functional.rms_norm(embed(torch.tensor([ids[-1] for ids in prompts])) + mean, width)


def _loss(model: ChatModel, cutter: Tokenizer, curriculum: Curriculum, rng: random.Random) -> Tensor:
    user, end, assistant = (number(cutter, text) for text in (ROLES["user"], END, ROLES["assistant"]))
    asked = [curriculum.question(rng) for _ in range(BATCH)]
    encoded = cutter.encode_batch([user_text(question) for question, _ in asked], add_special_tokens=False)
    prompts = [[user, *each.ids, end, assistant] for each in encoded]
    kinds = torch.tensor([curriculum.number(name) for _, name in asked])
    return functional.cross_entropy(model.topic_head(bag(model, prompts)), kinds, label_smoothing=SMOOTHING)
