"""Export: the network as ONNX, digits to try, their digests, and the model card.

Does not know how the network was trained.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import onnx
import torch
from torch import Tensor

from labkit.training.digits.data import HELD_OUT, SIDE, Split, plain
from labkit.training.digits.network import DigitNetwork, WithProbabilities
from labkit.training.digits.train import BATCH, DRAWN, SEED, STEPS

FOLDER = Path(__file__).parents[2] / "models" / "digits"
FILES = ("model.onnx", "samples.json")
_OPSET = 20
_DARKEST = 255


def write(network: DigitNetwork, split: Split, held_out: float, drawn: float, folder: Path = FOLDER) -> None:
    """Write all files of the model.

    Args:
        network: the trained network.
        split: the data; ten of its held-out digits become samples.
        held_out: accuracy on held-out digits of the writers, 0 to 1.
        drawn: accuracy on drawings, 0 to 1.
        folder: where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_graph(network, folder / "model.onnx")
    (folder / "samples.json").write_text(json.dumps(_samples(split), indent=1) + "\n", encoding="utf-8")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    (folder / "manifest.json").write_text(json.dumps({"files": digests}, indent=2) + "\n", encoding="utf-8")
    size = (folder / "model.onnx").stat().st_size
    parameters = sum(weights.numel() for weights in network.parameters())
    (folder / "MODEL_CARD.md").write_text(_card(parameters, size, held_out, drawn), encoding="utf-8")


def _write_graph(network: DigitNetwork, path: Path) -> None:
    program = torch.onnx.export(
        WithProbabilities(network).eval(),
        (torch.zeros(1, 1, SIDE, SIDE),),
        dynamo=True,
        input_names=["image"],
        output_names=["logits", "probabilities"],
        opset_version=_OPSET,
        verbose=False,
    )
    program.save(path, external_data=False)
    graph = onnx.load(str(path))
    for node in graph.graph.node:  # the exporter writes down where on its machine each operation came from
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for part in (
        graph.graph,
        *graph.graph.value_info,
        *graph.graph.initializer,
        *graph.graph.input,
        *graph.graph.output,
    ):
        part.ClearField("metadata_props")
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))


def _samples(split: Split) -> list[dict[str, object]]:
    """Return one held-out digit of each kind, as grey values in base64: for those who cannot draw."""
    found: list[dict[str, object]] = []
    for digit in range(10):
        first = split.held_images[split.held_digits == digit][:1]
        found.append({"digit": digit, "pixels": _encoded(plain(first))})
    return found


def _encoded(image: Tensor) -> str:
    return base64.b64encode(image.mul(_DARKEST).round().to(torch.uint8).flatten().numpy().tobytes()).decode("ascii")


def _card(parameters: int, size: int, held_out: float, drawn: float) -> str:
    return f"""# digits

Recognises one handwritten digit in an image of {SIDE} x {SIDE} values from 0 (paper) to 1 (ink). A convolutional network
with {parameters:,} parameters, {size / 1000:.0f} kB in ONNX with 32-bit numbers, trained from random weights by this
project. Made for the browser: input `image` [1, 1, {SIDE}, {SIDE}], outputs `logits` [1, 10] and `probabilities` [1, 10],
their softmax.

## How it was made

- Data: the 1,797 digits of 8 x 8 values that scikit-learn ships (Alpaydin and Kaynak, "Optical Recognition of
  Handwritten Digits", UCI Machine Learning Repository, CC BY 4.0). {1 - HELD_OUT:.0%} are trained on. They are upscaled,
  sharpened into strokes, scaled and centred, and varied while training: turned, slanted, scaled, shifted, bent, with
  thin to thick strokes.
- {DRAWN} of each {BATCH + DRAWN} images are drawings: shapes that `labkit/training/digits/strokes.py` writes down, made unsteady.
- Training: {STEPS:,} steps, AdamW, label smoothing, seed {SEED}; about three minutes on one CPU core.
- Again: `python -m labkit.training digits`.

## How it was measured

| images | accuracy |
|---|---|
| held-out digits of the writers, {HELD_OUT:.0%}, not varied | {held_out:.1%} |
| mouse drawings of other shapes than those of the training, 40 unsteady hands each | {drawn:.1%} |

The shapes of both sets of drawings were written by the same author, and the training shapes after a first result on the
others. Real visitors draw more differently than that.

## What it cannot do

It knows ten digits and nothing else: a letter gets a digit, too, and sometimes a high probability. One digit at a time,
upright within about 20 degrees. It must not be used to read anything that matters.
"""  # noqa: E501  # the figures are shorter than their names
