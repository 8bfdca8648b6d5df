"""Drawings: how lines from a mouse become an image of 28 x 28, and some digits drawn like that.

`webgpu-demo/drawing.js` does the same, so that what is measured here holds there. Knows nothing of the network.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from labkit.training.digits.data import INK, SIDE

Line = Sequence[tuple[float, float]]
WIDTH = 2.4  # pixels of a stroke


def image(lines: Sequence[Line]) -> Tensor:
    """Return the image [1, side, side] of lines in any unit: scaled to the usual size, its ink in the middle."""
    points = torch.tensor([point for line in lines for point in line], dtype=torch.float32)
    low, high = points.amin(0), points.amax(0)
    scale = (INK - WIDTH) / max(float((high - low).max()), 1e-6)
    scaled = [[(x * scale, y * scale) for x, y in line] for line in lines]
    middle = _middle(scaled)
    return _render([[(x - middle[0] + SIDE / 2, y - middle[1] + SIDE / 2) for x, y in line] for line in scaled])[None]


def _middle(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the centre of ink: the mean of the lines' points, weighted by length."""
    mass = x = y = 0.0
    for line in lines:
        for a, b in zip(line, line[1:] or line, strict=False):
            length = math.dist(a, b) + 1e-6
            mass, x, y = mass + length, x + length * (a[0] + b[0]) / 2, y + length * (a[1] + b[1]) / 2
    return x / mass, y / mass


def _render(lines: Sequence[Line]) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    nearest = torch.full((SIDE, SIDE), torch.inf)
    for line in lines:
        for (ax, ay), (bx, by) in zip(line, line[1:] or line, strict=False):
            dx, dy = bx - ax, by - ay
            along = ((columns - ax) * dx + (rows - ay) * dy) / max(dx * dx + dy * dy, 1e-9)
            along = along.clamp(0, 1)
            nearest = torch.minimum(nearest, torch.hypot(columns - ax - along * dx, rows - ay - along * dy))
    return (WIDTH / 2 + 0.5 - nearest).clamp(0, 1)


def arc(x: float, y: float, wide: float, high: float, *turn: float) -> list[tuple[float, float]]:
    """Return a part of an ellipse, from one angle to another, in degrees clockwise from the right."""
    start, end = turn
    steps = [math.radians(start + (end - start) * step / 16) for step in range(17)]
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in steps]


DRAWN: dict[int, list[list[Line]]] = {
    0: [[arc(5, 5, 3.5, 5, -90, 270)], [arc(5, 5, 4.6, 5, -60, 300)]],
    1: [[[(5, 0), (5, 10)]], [[(3, 3), (5, 0), (5, 10)]], [[(3, 3), (5, 0), (5, 10)], [(3, 10), (7, 10)]]],
    2: [
        [[*arc(5, 3, 3, 3, -170, 30), (2, 10), (8.5, 10)]],
        [[*arc(5, 2.6, 3, 2.6, -150, 60), (2, 9.5), (3, 8.5), (5, 9.8), (8, 9.5)]],
    ],
    3: [
        [[*arc(4.5, 2.5, 3, 2.5, -150, 90), *arc(4.5, 7.5, 3.4, 2.5, -90, 150)]],
        [[(2, 0), (7.5, 0), (4.2, 4), *arc(4.5, 7, 3.2, 3, -80, 150)]],
    ],
    4: [
        [[(6, 0), (1.5, 6.8), (8.5, 6.8)], [(6, 0), (6, 10)]],
        [[(2.5, 0), (2, 5.5), (8, 5.5)], [(7, 1), (6.8, 10)]],
        [[(2, 0), (2, 5), (7, 5)], [(7, 0), (7, 10)]],
    ],
    5: [
        [[(7.5, 0), (2.5, 0), (2.2, 4.2), *arc(4.5, 6.8, 3.2, 3.2, -110, 150)]],
        [[(2.5, 0), (2.2, 4.5), *arc(4.5, 7, 3, 3, -120, 140)], [(2.5, 0), (7.5, 0)]],
    ],
    6: [
        [[(6.5, 0), (3.4, 3.5), *arc(5, 7.2, 2.8, 2.8, 190, -190)]],
        [[*arc(6.5, 5, 4.5, 5, -85, -180), *arc(5, 7.3, 3, 2.7, 180, -200)]],
    ],
    7: [[[(2, 0), (8, 0), (4, 10)]], [[(2, 0), (8, 0), (4, 10)], [(3.5, 5), (7.5, 5)]]],
    8: [
        [[*arc(5, 2.5, 2.5, 2.5, 90, -270), *arc(5, 7.4, 3.1, 2.6, -90, 270)]],
        [[(7.6, 1.5), *arc(5, 2.4, 2.5, 2.4, -30, -230), (7.4, 6.2), *arc(5, 7.6, 2.7, 2.4, -20, 220), (7.5, 1.6)]],
    ],
    9: [
        [[*arc(4.8, 3, 2.9, 3, 0, -360), (7.7, 3), (7.2, 10)]],
        [[*arc(4.8, 3, 3, 3, -10, -350), (7.7, 3), (7.4, 6), *arc(5, 7.2, 2.5, 2.7, 0, 120)]],
    ],
}  # fmt: skip
"""Digits as people draw them with a mouse, in tenths of their height: the test set, which is never trained on."""

TAUGHT: dict[int, list[list[Line]]] = {
    0: [[arc(5, 5, 4, 5, -120, 250)]],
    1: [[[(4, 2.5), (5.5, 0), (5.5, 10)], [(2.5, 10), (8, 10)]], [[(5.5, 0), (4.5, 10)]]],
    2: [[[(2.5, 2), *arc(5, 2.4, 2.6, 2.4, -160, 20), (4, 7), (2, 9.7), (8, 10)]]],
    3: [[[*arc(4.5, 2.2, 2.6, 2.2, -160, 70), (4, 4.6), *arc(4.6, 7.3, 3, 2.7, -70, 170)]]],
    4: [[[(2.5, 0.5), (2, 6), (8, 6)], [(6.5, 0.5), (6.2, 10)]], [[(5.5, 0), (2, 7), (8, 7)], [(5.8, 3), (5.8, 10)]]],
    5: [[[(3, 0), (2.6, 4), *arc(4.5, 7, 3, 2.8, -100, 165)], [(3, 0.3), (8, 0.2)]]],
    6: [[[(7, 0.5), (4, 2.5), *arc(5, 7, 2.6, 3, 200, -170)]]],
    7: [[[(1.5, 0.5), (8.5, 0), (4.5, 5), (3.5, 10)]], [[(2, 0), (7.5, 0.3), (5, 10)]]],
    8: [[[*arc(5, 2.6, 2.3, 2.6, 60, -250), *arc(5, 7.6, 2.8, 2.4, -100, 260)]]],
    9: [[[*arc(5, 2.8, 2.6, 2.8, -20, -370), (7.4, 5), (6, 10)]], [[*arc(5, 2.5, 2.6, 2.5, 0, 360), (7.6, 9.5)]]],
}  # fmt: skip
"""Other shapes of the same digits, for training: the writers of the source draw no foot under a 1, and no open 4."""


def unsteady(lines: Sequence[Line], chance: random.Random) -> list[Line]:
    """Return the same drawing by another hand: turned, slanted, stretched and trembling."""
    turn, slant = chance.uniform(-0.2, 0.2), chance.uniform(-0.2, 0.2)
    wide = chance.uniform(0.8, 1.25)
    cos, sin = math.cos(turn), math.sin(turn)

    def move(x: float, y: float) -> tuple[float, float]:
        x, y = (x - 5) * wide + slant * (y - 5) + chance.gauss(0, 0.18), y - 5 + chance.gauss(0, 0.18)
        return cos * x - sin * y, sin * x + cos * y

    return [[move(x, y) for x, y in line] for line in lines]


def drawings(shapes: dict[int, list[list[Line]]], seed: int, hands: int = 40) -> tuple[Tensor, Tensor]:
    """Return images [n, 1, side, side] of shapes by many hands, and their digits [n]."""
    chance = random.Random(seed)  # noqa: S311 - chance for pictures, not for secrets
    cases = [(image(unsteady(way, chance)), d) for d, ways in shapes.items() for way in ways for _ in range(hands)]
    return torch.stack([case[0] for case in cases]), torch.tensor([case[1] for case in cases])
