"""Foundry Local's side of the comparison: the same model, greedy, and timed.

It knows nothing of browsers.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from labkit.client import Lab, connect
from labkit.streaming import complete, stream
from labkit.webgpu.figures import Runtime

MODEL = "course-small"
LIMIT = 20  # tokens, as in the page's measure.js


@cache
def _lab() -> tuple[Lab, float]:
    """Gives the model, and how many seconds it took until the first token could be asked for."""
    before = time.perf_counter()
    lab = connect(MODEL)
    seconds = time.perf_counter() - before
    complete(lab, "Hello", temperature=0, max_tokens=1)  # the first answer pays for more than itself
    return lab, seconds


def answer(question: str, limit: int) -> dict[str, Any]:
    """Gives Foundry Local's greedy answer, and its figures.

    Args:
        question: what to ask.
        limit: tokens of the answer at most.

    Raises:
        LabkitError: Foundry Local does not start, or does not answer.
    """
    lab, seconds = _lab()
    answer = stream(lab, question, temperature=0, max_tokens=limit)
    for _ in answer:
        pass
    stats = answer.stats
    return {
        "text": answer.text,
        "load_seconds": seconds,
        "first_token": stats.time_to_first_token,
        # Over the whole time, as the page does it: pieces that arrive in bursts would make another rate too high.
        "tokens_per_second": stats.tokens / stats.total,
    }


def local_figures(question: str, limit: int = LIMIT) -> Runtime:
    """Measures Foundry Local in this process, like the page measures itself.

    Args:
        question: what to ask.
        limit: tokens of the answer at most.
    """
    found = answer(question, limit)
    return Runtime(
        "Foundry Local", found["load_seconds"], found["first_token"], found["tokens_per_second"], found["text"]
    )
