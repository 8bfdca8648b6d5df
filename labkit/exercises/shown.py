"""A learner's value in words, cut where it becomes long to read.

It judges nothing.
"""

from __future__ import annotations

_SHOWN = 200  # characters of a value
_PARTS = 3  # a list of so many is shown part by part


def show(value: object) -> str:
    """Shows a value; each part of a short list is cut by itself.

    Args:
        value: what came from the learner's code.
    """
    if value is None:
        return "None (does your function end with `return ...`?)"
    if isinstance(value, tuple | list) and 0 < len(value) <= _PARTS:
        parts = ", ".join(_cut(part, _SHOWN // len(value)) for part in value)
        return f"({parts})" if isinstance(value, tuple) else f"[{parts}]"
    return _cut(value, _SHOWN)


def _cut(value: object, length: int) -> str:
    text = f"{type(value).__name__}: {value}" if isinstance(value, Exception) else repr(value)
    return text if len(text) <= length else f"{text[:length]}..."
