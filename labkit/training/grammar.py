"""Slot grammar: turns a pattern such as "(what is|explain) streaming(?|)" into sentences.

Knows only brackets and bars. Does not know topics.
"""

from __future__ import annotations

import random
import re

_SLOT = re.compile(r"\(([^()]*)\)")


def sample(pattern: str, rng: random.Random) -> str:
    """Return one sentence of a pattern.

    Args:
        pattern: text with slots `(a|b|)`; slots may nest.
        rng: the source of chance.

    Returns:
        The sentence, spaces tidied.
    """
    while _SLOT.search(pattern):
        pattern = _SLOT.sub(lambda slot: rng.choice(slot.group(1).split("|")), pattern)
    return " ".join(pattern.split())
