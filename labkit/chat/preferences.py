"""What a user can set: model, temperature, longest answer, system prompt, privacy.

Values come from the browser, so each is checked. It knows nothing of Chainlit's windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SYSTEM = "You are a helpful AI assistant."
MOST_TOKENS, HOTTEST = 4096, 2.0
_LONGEST_SYSTEM = 2_000  # characters


@dataclass(frozen=True)
class Preferences:
    """What one user has set.

    Attributes:
        model: the model of the profile Local; None for MODEL.
        temperature: 0 answers the same each time, 2 gives the most variety.
        max_tokens: how long an answer may be.
        system: the system prompt.
        private: whether nothing may leave this machine.
    """

    model: str | None = None
    temperature: float = 0.0
    max_tokens: int = 256
    system: str = SYSTEM
    private: bool = False

    @classmethod
    def parse(cls, values: Mapping[str, Any] | None) -> Preferences:
        """Reads what the browser sent; what is missing or makes no sense becomes the default.

        Args:
            values: by the name of the attribute.
        """
        given = values or {}
        model, system = given.get("model"), given.get("system")
        return cls(
            model=model if isinstance(model, str) and model else None,
            temperature=_number(given.get("temperature"), cls.temperature, 0.0, HOTTEST),
            max_tokens=int(_number(given.get("max_tokens"), cls.max_tokens, 1, MOST_TOKENS)),
            system=system[:_LONGEST_SYSTEM] if isinstance(system, str) else cls.system,
            private=given.get("private") is True,
        )


def _number(value: object, default: float, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return float(min(max(value, least), most))
