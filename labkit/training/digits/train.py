"""Training: teaches the digit network, and measures it on writers' digits and on drawings.

Does not know ONNX.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from labkit.training.digits import data, strokes
from labkit.training.digits.network import DigitNetwork

log = logging.getLogger(__name__)
SEED = 51211
STEPS = 3000
BATCH = 64  # images of the writers
DRAWN = 16  # images of drawings
_RATE = 3e-3
_REPORT = 500  # steps
_SMOOTHING = 0.05  # so that the probabilities stay honest about strange drawings


def train(split: data.Split, steps: int = STEPS) -> DigitNetwork:
    """Return a trained network; the same seed gives the same one on the same machine."""
    torch.manual_seed(SEED)
    chance = torch.Generator().manual_seed(SEED)
    network = DigitNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    lossy = nn.CrossEntropyLoss(label_smoothing=_SMOOTHING)
    drawn_images, drawn_digits = strokes.drawings(strokes.TAUGHT, SEED, hands=100)
    for step in range(1, steps + 1):
        chosen = torch.randint(len(split.digits), (BATCH,), generator=chance)
        mixed = torch.randint(len(drawn_digits), (DRAWN,), generator=chance)
        images = torch.cat([data.varied(split.images[chosen], chance), drawn_images[mixed]])
        loss = lossy(network(images), torch.cat([split.digits[chosen], drawn_digits[mixed]]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % _REPORT == 0:
            log.info("step %d of %d, loss %.3f", step, steps, float(loss.detach()))
    return network.eval()


@torch.inference_mode()
def accuracy(network: DigitNetwork, images: Tensor, digits: Tensor) -> float:
    """Return the share of images that are recognised, 0 to 1."""
    return float((network(images).argmax(1) == digits).float().mean())
