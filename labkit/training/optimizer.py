"""The optimizers: Muon for the hidden matrices, AdamW for embeddings, norms and biases.

Muon is written here in float32, batched over matrices of one shape: PyTorch's own works in bfloat16, which many CPUs
only emulate. Source: Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon/ ; the scale by the root of the larger side: arXiv 2502.16982.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
STEPS = 5
MOMENTUM = 0.95
MATRIX = 2


class Muon(Optimizer):
    """Momentum whose update is made orthogonal by a Newton-Schulz iteration.

    Args:
        matrices: the two-dimensional parameters.
        lr: step size, in units of a matrix' root mean square.
        weight_decay: share of each weight that is taken away, times the step size.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update to every matrix."""
        for group in self.param_groups:
            for matrices in _by_shape(group["params"]):
                updates = orthogonal(torch.stack([self._momentum(matrix) for matrix in matrices]))
                for matrix, update in zip(matrices, updates, strict=True):
                    _apply(matrix, update, group["lr"], group["weight_decay"])

    def _momentum(self, matrix: Tensor) -> Tensor:
        gradient = matrix.grad
        if gradient is None:
            return torch.zeros_like(matrix)
        state = self.state[matrix]
        buffer = state.setdefault("momentum", torch.zeros_like(matrix))
        buffer.lerp_(gradient, 1 - MOMENTUM)
        nesterov: Tensor = torch.lerp(gradient, buffer, MOMENTUM)
        return nesterov


def orthogonal(batch: Tensor) -> Tensor:
    """Return the nearest semi-orthogonal matrices, roughly, of a batch [count, rows, columns]."""
    a, b, c = NEWTON_SCHULZ
    tall = batch.shape[1] > batch.shape[2]
    x = (batch.transpose(1, 2) if tall else batch).bfloat16()  # half the time, and the iteration corrects itself
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.transpose(1, 2)
        x = a * x + torch.baddbmm(b * square, square, square, alpha=c) @ x
    return (x.transpose(1, 2) if tall else x).to(batch.dtype)


def build(model: nn.Module, muon_rate: float, adam_rate: float, weight_decay: float) -> list[Optimizer]:
    """Return the two optimizers that together hold all parameters of a model."""
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_hidden = parameter.ndim == MATRIX and "layers." in name
        (hidden if is_hidden else others).append(parameter)
    adam = AdamW(others, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
    return [Muon(hidden, muon_rate, weight_decay), adam]


def _by_shape(matrices: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    groups: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for matrix in matrices:
        groups[matrix.shape].append(matrix)
    return groups.values()


def _apply(matrix: Tensor, update: Tensor, rate: float, decay: float) -> None:
    matrix.mul_(1 - rate * decay)
    matrix.add_(update, alpha=-rate * 0.2 * max(matrix.shape) ** 0.5)
