"""The digit classifier: three convolutions and a linear layer, with the probabilities made inside the graph.

Does not know where its images come from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.training.digits.data import SIDE


class DigitNetwork(nn.Module):
    """Classifies images [n, 1, 28, 28]; gives logits [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_block(1, 16), *_block(16, 32), *_block(32, 48), nn.Flatten(), nn.Linear(48 * (SIDE // 8) ** 2, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class WithProbabilities(nn.Module):
    """What is exported: the logits, and the softmax of them, which is what may be called a confidence."""

    def __init__(self, network: DigitNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(images)
        return logits, torch.softmax(logits, dim=1)


def _block(inside: int, outside: int) -> list[nn.Module]:
    # The exporter folds the normalisation into the convolution, so that it costs nothing later.
    return [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(), nn.MaxPool2d(2)]
