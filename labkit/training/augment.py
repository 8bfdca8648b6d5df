"""Variation of wordings: says the same question as another person would type it.

Knows how text is changed. Does not know what a question is about.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from pathlib import Path

from labkit.training.lexicon import CLOSERS, NEIGHBOURS, OPENERS, STEMS

SHARE = 0.85
WORD_DROP = 0.12
LONG = 9
MISTYPED = 4
SYNONYM_SHARE = 0.2
LONGEST_PHRASE = 5
THESAURUS = Path(__file__).parent / "corpus" / "thesaurus.txt"
_WORD = re.compile(r"[A-Za-z']+")


def vary(question: str, rng: random.Random) -> str:
    """Return the question in a changed wording, or as it is in 15% of the cases.

    Args:
        question: what somebody asked.
        rng: the source of chance.
    """
    if rng.random() > SHARE:
        return question
    for chance, change in _CHANGES:
        if rng.random() < chance:
            question = change(question, rng)
    return question


def swap_stem(question: str, rng: random.Random) -> str:
    """Begin the question with another stem of the same kind, if its stem is known."""
    low = question.lower()
    for stem, group in _stems():
        if low.startswith(stem + " "):
            return f"{rng.choice(group)} {question[len(stem) + 1 :]}"
    return question


def swap_synonyms(question: str, rng: random.Random) -> str:
    """Exchange some words and phrases for their synonyms, the longest known phrase first."""
    words, said, at = question.split(), [], 0
    while at < len(words):
        length, text = _synonym(words, at, rng)
        said.append(text)
        at += length
    return " ".join(said)


def drop_words(question: str, rng: random.Random) -> str:
    """Leave out each word with a chance of 12%, but never all of a short question."""
    words = question.split()
    kept = [word for word in words if rng.random() > WORD_DROP]
    return " ".join(kept) if len(kept) >= min(2, len(words)) else question


def swap_words(question: str, rng: random.Random) -> str:
    """Exchange two neighbouring words."""
    words = question.split()
    if len(words) > 1:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def cut(question: str, rng: random.Random) -> str:
    """Keep a part of a long question only, as people do who type keywords."""
    words = question.split()
    if len(words) < LONG:
        return question
    keep = rng.randint(LONG - 3, len(words))
    start = rng.randrange(len(words) - keep + 1)
    return " ".join(words[start : start + keep])


def open_with(question: str, rng: random.Random) -> str:
    """Put a filler before the question."""
    return f"{rng.choice(OPENERS)} {question}"


def close_with(question: str, rng: random.Random) -> str:
    """Put a filler behind the question."""
    body = question.rstrip("?!. ")
    return f"{body} {rng.choice(CLOSERS)}{question[len(body) :].strip()}"


def mistype(question: str, rng: random.Random) -> str:
    """Make one typing mistake in a word of more than three letters."""
    places = [match for match in _WORD.finditer(question) if len(match.group()) >= MISTYPED]
    if not places:
        return question
    match = rng.choice(places)
    return question[: match.start()] + _slip(match.group(), rng) + question[match.end() :]


def change_marks(question: str, rng: random.Random) -> str:
    """End the question with other punctuation, or with none."""
    return question.rstrip("?!. ") + rng.choice(("", "", "?", "?", ".", "!", "??", " ?", "..."))


def change_case(question: str, rng: random.Random) -> str:
    """Write the question in lower case, with a capital, or shouting."""
    return rng.choice((str.lower, str.lower, str.capitalize, str.upper))(question)


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    missing = word[:at] + word[at + 1 :]
    doubled = word[:at] + word[at] + word[at:]
    neighbour = word[:at] + rng.choice(NEIGHBOURS.get(word[at].lower(), word[at])) + word[at + 1 :]
    return rng.choice((swapped, missing, doubled, neighbour))


@lru_cache(maxsize=1)
def _stems() -> list[tuple[str, tuple[str, ...]]]:
    pairs = [(stem, group) for group in STEMS for stem in group]
    return sorted(pairs, key=lambda pair: -len(pair[0]))


def _synonym(words: list[str], at: int, rng: random.Random) -> tuple[int, str]:
    for length in range(min(LONGEST_PHRASE, len(words) - at), 0, -1):
        plain = " ".join(words[at : at + length])
        phrase = plain.rstrip("?!.,:;")
        choices = thesaurus().get(phrase.lower())
        if choices and rng.random() < SYNONYM_SHARE:
            return length, rng.choice(choices) + plain[len(phrase) :]
    return 1, words[at]


@lru_cache(maxsize=1)
def thesaurus() -> dict[str, tuple[str, ...]]:
    """Return what each word or phrase may be exchanged for; a line of the file is a group that begins with it."""
    lines = THESAURUS.read_text(encoding="utf-8").splitlines()
    groups = [tuple(member.strip() for member in line.split("|")) for line in lines]
    return {members[0]: members[1:] for members in groups}


_CHANGES = (
    (0.10, cut),
    (0.40, swap_stem),
    (0.70, swap_synonyms),
    (0.60, drop_words),
    (0.08, swap_words),
    (0.20, open_with),
    (0.12, close_with),
    (0.25, mistype),
    (0.40, change_marks),
    (0.30, change_case),
)
