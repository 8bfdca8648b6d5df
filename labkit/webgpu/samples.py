"""The digits that the page offers as samples, and the model that recognises them, for Python.

It knows nothing of browsers.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path

from labkit.webgpu.folder import MODELS

SIDE = 28  # pixels
_DARKEST = 255


@dataclass(frozen=True)
class Sample:
    """One handwritten digit, which the model was not trained on.

    Attributes:
        digit: what it is.
        pixels: 28 x 28 values from 0 (paper) to 1 (ink), row by row.
    """

    digit: int
    pixels: tuple[float, ...] = field(repr=False)


def samples() -> list[Sample]:
    """Gives the page's sample digits, from 0 to 9."""
    listed = json.loads((MODELS / "digits" / "samples.json").read_text("utf-8"))
    return [Sample(each["digit"], tuple(v / _DARKEST for v in base64.b64decode(each["pixels"]))) for each in listed]


def classifier_path() -> Path:
    """Gives the file of the digit model: input `image` [1, 1, 28, 28], outputs `logits` and `probabilities` [1, 10]."""
    return MODELS / "digits" / "model.onnx"
