"""The question-and-answer corpus: loads the YAML files and checks that they keep their own rules.

Knows what is written about each topic. Does not know models, tokens or how wordings are varied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "corpus"
TOPIC_FILES = (
    "foundry", "health", "models", "practice", "chat", "streaming", "chainlit", "routing", "cloud", "browser",
)  # fmt: skip
REFUSAL = (
    "I only know this course about Foundry Local and chat apps. "
    "For other questions, set `MODEL=phi-4-mini` and ask again."
)
FOLLOW_UPS = ("shorter", "example")
MAX_ANSWER_WORDS = 60
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads ten times faster, where PyYAML came with it
LEAST_WORDINGS = 40
LEAST_HELD_OUT = 8


class CorpusError(ValueError):
    """The corpus breaks one of its rules; the message names the file or topic and what to change."""


@dataclass(frozen=True)
class Wordings:
    """Questions that mean the same: some to train on, some held out for measuring."""

    questions: tuple[str, ...]
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topic:
    """One thing the course explains: three texts about it and the ways people ask for it."""

    id: str
    title: str
    basic: bool
    answer: str
    short: str
    example: str
    patterns: tuple[str, ...]
    asked: Wordings


@dataclass(frozen=True)
class SmallTalk:
    """A greeting, a thank-you or another social turn, with its fixed answer."""

    id: str
    title: str
    answer: str
    asked: Wordings


@dataclass(frozen=True)
class Independent:
    """The final test, written by somebody who saw neither the patterns nor the training wordings."""

    topics: dict[str, tuple[str, ...]]
    out_of_scope: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """Everything that was written for the models."""

    topics: tuple[Topic, ...]
    small_talk: tuple[SmallTalk, ...]
    follow_ups: dict[str, Wordings]
    out_of_scope: dict[str, Wordings]
    independent: Independent


def load(folder: Path = FOLDER) -> Corpus:
    """Read the corpus.

    Args:
        folder: where the YAML files lie; missing files count as empty.

    Returns:
        The corpus, not yet checked: see `problems`.

    Raises:
        CorpusError: an entry lacks a field.
    """
    return Corpus(
        topics=tuple(_topic(entry, name) for name in TOPIC_FILES for entry in _read(folder, name) or []),
        small_talk=tuple(_small_talk(entry) for entry in _read(folder, "small_talk") or []),
        follow_ups=_groups(_read(folder, "follow_ups")),
        out_of_scope=_groups(_read(folder, "out_of_scope")),
        independent=_independent(_read(folder, "independent")),
    )


def wordings(corpus: Corpus) -> Iterator[tuple[str, Wordings]]:
    """Yield every group of wordings with a name that tells where it stands."""
    yield from ((topic.id, topic.asked) for topic in corpus.topics)
    yield from ((talk.id, talk.asked) for talk in corpus.small_talk)
    yield from corpus.follow_ups.items()
    yield from corpus.out_of_scope.items()


def problems(corpus: Corpus) -> list[str]:
    """Return the broken rules in plain words; an empty list when the corpus is sound."""
    found = [text for topic in corpus.topics for text in _topic_problems(topic)]
    found += _repeated_ids(corpus)
    return found + _repeated_questions(corpus) + _unknown_tests(corpus)


def normal(question: str) -> str:
    """Return a question without case and punctuation, to compare wordings by."""
    return " ".join(re.findall(r"[a-z0-9]+", question.lower()))


def _read(folder: Path, name: str) -> Any:
    path = folder / f"{name}.yaml"
    if not path.exists():
        return None
    return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - a safe loader


def _asked(entry: dict[str, Any]) -> Wordings:
    return Wordings(_texts(entry.get("questions")), _texts(entry.get("held_out")))


def _texts(values: list[Any] | None) -> tuple[str, ...]:
    return tuple(str(value).strip() for value in values or [])


def _topic(entry: dict[str, Any], name: str) -> Topic:
    try:
        return Topic(
            id=entry["id"],
            title=entry["title"],
            basic=bool(entry["basic"]),
            answer=_line(entry["answer"]),
            short=_line(entry["short"]),
            example=_line(entry["example"]),
            patterns=_texts(entry["patterns"]),
            asked=_asked(entry),
        )
    except KeyError as error:
        raise CorpusError(f"{name}.yaml: {entry.get('id', 'an entry')} lacks the field {error}; add it.") from error


def _small_talk(entry: dict[str, Any]) -> SmallTalk:
    return SmallTalk(entry["id"], entry.get("title", entry["id"]), _line(entry["answer"]), _asked(entry))


def _line(text: str) -> str:
    return " ".join(str(text).split())


def _groups(entries: dict[str, Any] | None) -> dict[str, Wordings]:
    return {name: _asked(entry) for name, entry in (entries or {}).items()}


def _independent(entries: dict[str, Any] | None) -> Independent:
    entries = entries or {}
    topics = {name: _texts(asked) for name, asked in (entries.get("topics") or {}).items()}
    return Independent(topics, _texts(entries.get("out_of_scope")))


def _topic_problems(topic: Topic) -> Iterator[str]:
    for field, text in (("answer", topic.answer), ("short", topic.short), ("example", topic.example)):
        if not text.isascii():
            yield f"{topic.id}: {field} holds a character outside ASCII; replace it."
        if len(text.split()) > MAX_ANSWER_WORDS:
            yield f"{topic.id}: {field} has more than {MAX_ANSWER_WORDS} words; shorten it."
    asked, held_out = len(topic.asked.questions), len(topic.asked.held_out)
    if asked + held_out < LEAST_WORDINGS or held_out < LEAST_HELD_OUT:
        yield f"{topic.id}: fewer than {LEAST_WORDINGS} wordings or {LEAST_HELD_OUT} held out; write more."


def _repeated_ids(corpus: Corpus) -> list[str]:
    ids = [name for name, _ in wordings(corpus)]
    return [f"{name}: this id is used twice; rename one." for name in sorted({i for i in ids if ids.count(i) > 1})]


def _repeated_questions(corpus: Corpus) -> list[str]:
    first: dict[str, str] = {}
    found = []
    for name, asked in _all_questions(corpus):
        key = normal(asked)
        if key in first:
            found.append(f"{name}: {asked!r} is also asked in {first[key]}; drop one.")
        first.setdefault(key, name)
    return found


def _all_questions(corpus: Corpus) -> Iterator[tuple[str, str]]:
    for name, group in wordings(corpus):
        yield from ((name, asked) for asked in group.questions + group.held_out)
    for name, tests in corpus.independent.topics.items():
        yield from ((f"independent {name}", asked) for asked in tests)
    yield from (("independent out_of_scope", asked) for asked in corpus.independent.out_of_scope)


def _unknown_tests(corpus: Corpus) -> list[str]:
    known = {topic.id for topic in corpus.topics}
    unknown = sorted(set(corpus.independent.topics) - known)
    return [f"independent.yaml: {name} is no topic; correct the id." for name in unknown]
