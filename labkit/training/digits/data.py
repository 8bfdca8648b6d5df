"""Handwriting: scikit-learn's 1,797 UCI digits, split once, upscaled to 28 x 28, and varied while training.

Knows nothing of the network. All images are float32, from 0 (paper) to 1 (ink).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional

SIDE = 28  # pixels of an image's side
INK = 20  # pixels that the longer side of a digit takes
HELD_OUT = 0.25
_FINE = 56  # pixels while upscaling
_FULL = 16  # the darkest value in the source
_EDGE = 12.0  # steepness of the border between ink and paper
_MIDDLE = 0.42  # the grey that becomes the border; a lower one makes strokes wider


@dataclass(frozen=True)
class Split:
    """Images [n, 1, side, side] and their digits [n], for training and held out."""

    images: Tensor
    digits: Tensor
    held_images: Tensor
    held_digits: Tensor


def load(seed: int) -> Split:
    """Return the two parts, with the same share of each digit, as greys at twice the final size."""
    source = load_digits()
    greys = torch.tensor(source.images, dtype=torch.float32).div(_FULL)[:, None]
    digits = torch.tensor(source.target)
    ours, held = train_test_split(range(len(digits)), test_size=HELD_OUT, random_state=seed, stratify=digits)
    fine = torch.cat([_centred(grey) for grey in greys])
    return Split(fine[ours], digits[ours], fine[held], digits[held])


def plain(fine: Tensor) -> Tensor:
    """Return the images as the browser would draw them, without variation."""
    return _ink(functional.interpolate(fine, size=(SIDE, SIDE), mode="area"), torch.tensor(_MIDDLE))


def varied(fine: Tensor, chance: torch.Generator) -> Tensor:
    """Return the images turned, slanted, scaled, shifted, bent, and with thinner or thicker strokes."""
    count = len(fine)
    grid = functional.affine_grid(_moves(count, chance), [count, 1, SIDE, SIDE], align_corners=False)
    grid = grid + _bends(count, chance)
    middle = _between(0.22, 0.62, count, chance)[:, None, None, None]
    return _ink(functional.grid_sample(fine, grid, mode="bilinear", align_corners=False), middle)


def _centred(grey: Tensor) -> Tensor:
    """Scale a digit to the usual size, with its centre of ink in the middle, as people's drawings are."""
    padded = functional.pad(grey[None], (4, 4, 4, 4))
    big = functional.interpolate(padded, scale_factor=8, mode="bicubic", align_corners=False).clamp(0, 1)
    rows, columns = (torch.nonzero(big[0, 0].amax(axis) > _MIDDLE).flatten() for axis in (1, 0))
    length = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) + 1
    mass = (big[0, 0] > _MIDDLE).float()
    ys, xs = torch.meshgrid(*(torch.linspace(-1, 1, big.shape[-1]),) * 2, indexing="ij")
    y, x = ((mass * axis).sum() / mass.sum() for axis in (ys, xs))
    zoom = length / big.shape[-1] * SIDE / INK
    theta = torch.tensor([[[zoom, 0.0, float(x)], [0.0, zoom, float(y)]]])
    grid = functional.affine_grid(theta, [1, 1, _FINE, _FINE], align_corners=False)
    return functional.grid_sample(big, grid, mode="bilinear", align_corners=False)


def _ink(grey: Tensor, middle: Tensor) -> Tensor:
    return torch.sigmoid((grey - middle) * _EDGE).sub(0.02).clamp(0, 1)


def _moves(count: int, chance: torch.Generator) -> Tensor:
    turn = _between(-0.30, 0.30, count, chance)  # radians
    slant = _between(-0.25, 0.25, count, chance)
    wide, high = (_between(0.85, 1.25, count, chance) for _ in range(2))
    x, y = (_between(-0.14, 0.14, count, chance) for _ in range(2))
    cos, sin = turn.cos(), turn.sin()
    rows = (torch.stack([cos * wide, (slant - sin) * high, x], 1), torch.stack([sin * wide, cos * high, y], 1))
    return torch.stack(rows, 1)


def _bends(count: int, chance: torch.Generator) -> Tensor:
    """Return small smooth displacements: no hand draws the same curve twice."""
    coarse = torch.randn(count, 2, 4, 4, generator=chance) * 0.05
    smooth = functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=False)
    return smooth.permute(0, 2, 3, 1)


def _between(low: float, high: float, count: int, chance: torch.Generator) -> Tensor:
    return torch.rand(count, generator=chance) * (high - low) + low
