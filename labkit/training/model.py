"""The network: a decoder of the Qwen2 family, with parameter names that transformers understands.

Plain PyTorch, because it trains faster on a CPU than the general implementation. Knows tensors only.
Source: Qwen2 Technical Report (arXiv 2407.10671); rotary positions: arXiv 2104.09864; SwiGLU: arXiv 2002.05202.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT = 1024
ROPE_BASE = 10000.0
NORM_EPSILON = 1e-6


@dataclass(frozen=True)
class Shape:
    """The sizes of the network, in numbers of units."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    inner: int

    @property
    def head(self) -> int:
        """The width of one attention head."""
        return self.hidden // self.heads


class Attention(nn.Module):
    """Causal self-attention with rotary positions and shared key/value heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj = nn.Linear(shape.hidden, shape.hidden)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head)
        self.o_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Mix each position with the ones before it; `x` is [batch, length, hidden]."""
        shape, group = self.shape, self.shape.heads // self.shape.kv_heads
        q = rotate(split(self.q_proj(x), shape.heads), cos, sin)
        k = rotate(split(self.k_proj(x), shape.kv_heads), cos, sin).repeat_interleave(group, dim=1)
        v = split(self.v_proj(x), shape.kv_heads).repeat_interleave(group, dim=1)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(x.shape))
        return out


class FeedForward(nn.Module):
    """The gated feed-forward network (SwiGLU)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position by itself."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One decoder layer: attention, then feed-forward, each on a normalised residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = nn.RMSNorm(shape.hidden, eps=NORM_EPSILON)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, eps=NORM_EPSILON)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Add what this layer finds to `x`."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Decoder(nn.Module):
    """The stack of layers between the token embedding and the final norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=NORM_EPSILON)


class ChatModel(nn.Module):
    """The language model; the input embedding is free to hold what words mean, the output has its own.

    Args:
        shape: the sizes of the network.
        classes: number of kinds of questions that the helper head tells apart; used in training only.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        self.lm_head = nn.Linear(shape.hidden, shape.vocabulary, bias=False)
        self.topic_head = nn.Linear(shape.hidden, classes)
        cos, sin = angles(shape.head)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(_initialise)
        for layer in self.model.layers:
            for projection in (layer.self_attn.o_proj, layer.mlp.down_proj):  # type: ignore[union-attr]
                nn.init.normal_(projection.weight, std=0.02 / (2 * shape.layers) ** 0.5)  # type: ignore[union-attr, arg-type]

    def forward(self, ids: Tensor) -> Tensor:
        """Return the final hidden states [batch, length, hidden] of token ids [batch, length]."""
        length = ids.shape[1]
        x: Tensor = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        out: Tensor = self.model.norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores of the next token for hidden states."""
        scores: Tensor = self.lm_head(hidden)
        return scores


def split(x: Tensor, heads: int) -> Tensor:
    """Return [batch, heads, length, width] from [batch, length, heads * width]."""
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def angles(width: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the rotary angles, each [context, width]."""
    frequency = ROPE_BASE ** (-torch.arange(0, width, 2).float() / width)
    angle = torch.outer(torch.arange(CONTEXT).float(), frequency)
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of units by the angle of their position."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
