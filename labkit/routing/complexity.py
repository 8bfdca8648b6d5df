"""How demanding a prompt looks: a score from 0 to 1, made of parts that anybody can read and weigh.

It is a rule of thumb on the surface of the text, deterministic and fast. It understands nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

LONG = 200  # words; a prompt of this length has the full share of `length`
MANY = 3  # of anything countable: questions, steps, cues; this many have the full share
_READ = 20_000  # characters that are looked at; a longer prompt has its full share of `length` anyway

_REASONING = re.compile(
    r"\b(?:why|explain|compare|contrast|prove|derive|evaluate|analy[sz]e|argue|justify|discuss|reason|design|plan|"
    r"trade-?offs?|pros and cons|step by step|in detail|implications?|consequences?|critique|optimi[sz]e)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"```|\b(?:def|class|import|return|function|const|select|regex|algorithm|refactor|debug)\b|[{};]\s*\n"
)
_STEPS = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+\S|\b(?:first|then|next|finally|afterwards|also)\b", re.M | re.I)
_MATHS = re.compile(r"[=<>±÷√∑∫^]|\d\s*[-+*/]\s*\d|\b(?:integral|derivative|matrix|probability|equation)\b", re.I)
_LONG_WORD = re.compile(r"\b\w{10,}\b")

WEIGHTS: Mapping[str, float] = {
    "length": 0.35,
    "reasoning": 0.25,
    "steps": 0.12,
    "code": 0.10,
    "maths": 0.06,
    "questions": 0.06,
    "vocabulary": 0.06,
}

_PARTS: dict[str, Callable[[str], float]] = {
    "length": lambda text: len(text.split()) / LONG,
    "reasoning": lambda text: _count(_REASONING, text) / MANY,
    "steps": lambda text: _count(_STEPS, text) / MANY,
    "code": lambda text: _count(_CODE, text) / MANY,
    "maths": lambda text: _count(_MATHS, text) / MANY,
    "questions": lambda text: (text.count("?") - 1) / (MANY - 1),  # one question is no sign of anything
    "vocabulary": lambda text: 2 * _count(_LONG_WORD, text) / max(10, len(text.split())),  # half is a lot
}


@dataclass(frozen=True)
class Complexity:
    """A prompt's complexity, part by part.

    Attributes:
        parts: how strong each sign is, from 0 to 1.
        weights: what each sign counts; together 1.
    """

    parts: Mapping[str, float]
    weights: Mapping[str, float]

    @cached_property
    def score(self) -> float:
        """The complexity, from 0 (plain) to 1 (demanding)."""
        return sum(self.weights[name] * part for name, part in self.parts.items())

    def __str__(self) -> str:
        shares = {name: self.weights[name] * part for name, part in self.parts.items()}
        strongest = sorted((n for n in shares if shares[n] > 0), key=lambda n: -shares[n])
        return f"{self.score:.2f}" + (f" ({', '.join(f'{n} {shares[n]:.2f}' for n in strongest)})" if strongest else "")


def complexity(text: str, weights: Mapping[str, float] = WEIGHTS) -> Complexity:
    """Measures how demanding a prompt looks.

    Args:
        text: the prompt.
        weights: what each sign counts; signs left out count nothing.

    Returns:
        The score and its parts. The same text always gives the same score.
    """
    start = text[:_READ]
    parts = {name: min(1.0, max(0.0, _PARTS[name](start))) for name in weights}
    return Complexity(parts, weights)


def _count(pattern: re.Pattern[str], text: str) -> int:
    """Counts matches, and stops where more would change nothing."""
    return sum(1 for _ in pattern.finditer(text))
