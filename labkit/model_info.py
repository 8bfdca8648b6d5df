"""What is known of a model, and which model a name means.

It knows nothing of where models come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

# Foundry Local makes an id of the alias and of the variant that fits the hardware: phi-4-mini becomes
# Phi-4-mini-instruct-generic-cpu:5. Its web service tells ids only.
_VARIANT = re.compile(r"(-(instruct|chat|generic|cuda|trtrtx|webgpu|openvino|qnn|vitis|vitisai|cpu|gpu|npu))+$")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model.

    Attributes:
        alias: the short name, such as `course-large`.
        id: the exact name that the chat API wants, such as `course-large:1`.
        cached: whether its files lie on this machine.
        loaded: whether it is in memory, ready to answer.
        context_length: tokens that prompt and answer may have together, where known.
    """

    alias: str
    id: str
    cached: bool
    loaded: bool
    context_length: int | None = None


def alias_of(model_id: str) -> str:
    """Gives the alias that belongs to an id; an alias stays what it is.

    Args:
        model_id: such as `Phi-4-mini-instruct-generic-cpu:5`.
    """
    return _VARIANT.sub("", _unversioned(model_id))


def pick(name: str, ids: Sequence[str]) -> str | None:
    """Finds the id that a name means, or gives None.

    Args:
        name: an id, an id without its version, or an alias, in any case.
        ids: the ids to choose from; of several that fit, the first one wins.
    """
    wanted = name.strip().lower()
    for form in (str.lower, _unversioned, alias_of):
        for model_id in ids:
            if form(model_id) == wanted:
                return model_id
    return None


def nearest(name: str, known: Iterable[str], likeness: float = 0.5) -> list[str]:
    """Gives the known names that look like a name, best first, at most three.

    Args:
        name: what somebody typed.
        known: aliases or ids.
        likeness: how much of the two names must agree, 0 to 1.
    """
    forms = {form.lower(): form for form in known}
    return [forms[form] for form in get_close_matches(name.strip().lower(), forms, cutoff=likeness)]


def _unversioned(model_id: str) -> str:
    return model_id.strip().lower().split(":", maxsplit=1)[0]
