"""How demanding a prompt looks: a score from 0 to 1, made of parts that anybody can read and weigh.

It is a rule of thumb on the surface of the text, deterministic and fast. It understands nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

LONG = 200  # words; a prompt of this length has the full share of `length`
MANY = 3  # of anything countable: questions, steps, cues; this many have the full share
_END = 2_000  # characters at either end that are looked at: the task stands before or after a long text, not in it

_REASONING = frozenset(
    {"why", "explain", "compare", "contrast", "prove", "derive", "evaluate", "analyse", "analyze", "argue", "justify"}
    | {"discuss", "reason", "design", "plan", "tradeoff", "tradeoffs", "trade-off", "trade-offs", "implications"}
    | {"consequences", "critique", "optimise", "optimize"}
)
_PHRASES = ("step by step", "in detail", "pros and cons")
_CODE = frozenset(
    {"def", "class", "import", "return", "function", "const", "select", "regex", "algorithm", "refactor", "debug"}
)
_STEPS = frozenset(["first", "then", "next", "finally", "afterwards", "also"])
_MATHS = frozenset(["integral", "derivative", "matrix", "probability", "equation"])
_SYMBOLS = "=<>±÷√∑∫^"
_WORD = re.compile(r"[\w-]+")
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_CODE_LINE = re.compile(r"[{};]$", re.MULTILINE)
_LONG_WORD = 10  # letters

WEIGHTS: Mapping[str, float] = {
    "length": 0.35,
    "reasoning": 0.25,
    "steps": 0.12,
    "code": 0.10,
    "maths": 0.06,
    "questions": 0.06,
    "vocabulary": 0.06,
}


class _Sample(NamedTuple):
    text: str
    words: list[str]
    length: int


_PARTS: dict[str, Callable[[_Sample], float]] = {
    "length": lambda it: it.length / LONG,
    "reasoning": lambda it: (_among(it, _REASONING) + sum(it.text.count(phrase) for phrase in _PHRASES)) / MANY,
    "steps": lambda it: (_among(it, _STEPS) + len(_LIST_ITEM.findall(it.text))) / MANY,
    "code": lambda it: (_among(it, _CODE) + it.text.count("```") + len(_CODE_LINE.findall(it.text))) / MANY,
    "maths": lambda it: (_among(it, _MATHS) + sum(it.text.count(symbol) for symbol in _SYMBOLS)) / MANY,
    "questions": lambda it: (it.text.count("?") - 1) / (MANY - 1),  # one question is no sign of anything
    "vocabulary": lambda it: 2 * sum(len(word) >= _LONG_WORD for word in it.words) / max(10, len(it.words)),
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

    def __repr__(self) -> str:
        return f"Complexity {self}"


def complexity(text: str, weights: Mapping[str, float] = WEIGHTS) -> Complexity:
    """Measures how demanding a prompt looks.

    Args:
        text: the prompt.
        weights: what each sign counts; signs left out count nothing.

    Returns:
        The score and its parts. The same text always gives the same score.
    """
    sample = _sample(text)
    return Complexity({name: min(1.0, max(0.0, _PARTS[name](sample))) for name in weights}, weights)


def _sample(text: str) -> _Sample:
    ends = (text if len(text) <= 2 * _END else f"{text[:_END]}\n{text[-_END:]}").lower()
    return _Sample(ends, _WORD.findall(ends), len(text.split()))


def _among(sample: _Sample, cues: frozenset[str]) -> int:
    return sum(map(cues.__contains__, sample.words))
