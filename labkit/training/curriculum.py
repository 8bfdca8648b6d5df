"""What a model learns: which questions it hears, which text it owes to each, and how often.

Knows topics, small talk, follow-ups and refusals as classes. Does not know tokens.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.training import augment, grammar
from labkit.training.corpus import FOLLOW_UPS, REFUSAL, Corpus, Topic

REFUSED = "out-of-scope"
PATTERN_SHARE = 0.3
REFUSED_WEIGHT = 16.0
OTHER_TOPIC_WEIGHT = 0.25
SMALL_TALK_WEIGHT = 1.2
FOLLOW_UP_SHARE = 0.4
LOST_FOLLOW_UP_SHARE = 0.01


@dataclass(frozen=True)
class Subject:
    """One class of questions.

    Attributes:
        name: the topic's id, the small talk's id, "out-of-scope", or the name of a follow-up.
        replies: the text owed to each way of asking: "plain", and "shorter" and "example" where they can follow.
        questions: wordings to train on.
        held_out: wordings to measure by.
        patterns: slot-grammar patterns.
        weight: how often it is asked, relative to a topic.
    """

    name: str
    replies: dict[str, str]
    questions: tuple[str, ...]
    held_out: tuple[str, ...]
    patterns: tuple[str, ...] = ()
    weight: float = 1.0

    @property
    def reply(self) -> str:
        """The text owed to the plain question."""
        return self.replies["plain"]

    @property
    def can_follow(self) -> bool:
        """Whether one can ask for a shorter answer or an example afterwards."""
        return len(self.replies) > 1

    def ask(self, rng: random.Random) -> str:
        """Return a question in one of countless wordings."""
        if self.patterns and rng.random() < PATTERN_SHARE:
            return augment.vary(grammar.sample(rng.choice(self.patterns), rng), rng)
        return augment.vary(rng.choice(self.questions), rng)


@dataclass(frozen=True)
class Turn:
    """A question, its class, and the reply that is owed."""

    question: str
    subject: str
    reply: str


class Curriculum:
    """All subjects of one model.

    Args:
        corpus: what was written.
        basics_only: whether the model learns the basic topics only, in one sentence each.
    """

    def __init__(self, corpus: Corpus, basics_only: bool) -> None:
        self.basics_only = basics_only
        self.subjects = _topics(corpus, basics_only) + _small_talk(corpus) + [_refused(corpus)]
        self.follow_ups = [_follow_up(corpus, name) for name in FOLLOW_UPS if name in corpus.follow_ups]
        self._talks = {talk.id for talk in corpus.small_talk}
        self.names = [subject.name for subject in self.subjects + self.follow_ups]
        self._weights = [subject.weight for subject in self.subjects]
        self._by_name = {subject.name: subject for subject in self.subjects + self.follow_ups}

    def subject(self, name: str) -> Subject:
        """Return a subject by its name."""
        return self._by_name[name]

    def number(self, name: str) -> int:
        """Return a subject's number for the helper head."""
        return self.names.index(name)

    def conversation(self, turns: int, rng: random.Random) -> list[Turn]:
        """Return independent turns, among them follow-ups on the turn before."""
        talk: list[Turn] = []
        about: Subject | None = None
        while len(talk) < turns:
            subject = self._next(about, bool(talk), rng)
            talk.append(Turn(subject.ask(rng), subject.name, self.owed(subject, about)))
            if subject not in self.follow_ups:
                about = subject if self.kind(subject) == "topics" else None
        return talk

    def question(self, rng: random.Random) -> tuple[str, str]:
        """Return a single question and the name of its subject."""
        subject = self._next(None, False, rng)
        return subject.ask(rng), subject.name

    def _next(self, about: Subject | None, begun: bool, rng: random.Random) -> Subject:
        chance = FOLLOW_UP_SHARE if about else LOST_FOLLOW_UP_SHARE * (not begun)
        if self.follow_ups and rng.random() < chance:
            return rng.choice(self.follow_ups)
        return rng.choices(self.subjects, self._weights)[0]

    def kind(self, subject: Subject) -> str:
        """Return what a subject is: "topics", "other topics" (refused by this model), "small talk" or "refusals"."""
        if subject.name == REFUSED:
            return "refusals"
        if subject.name in self._talks:
            return "small talk"
        return "other topics" if subject.reply == REFUSAL else "topics"

    def owed(self, subject: Subject, about: Subject | None) -> str:
        """Return the reply to a subject, given the topic that was answered before."""
        if subject not in self.follow_ups or about is None:
            return subject.reply
        return about.replies.get(subject.name, REFUSAL)


def _topics(corpus: Corpus, basics_only: bool) -> list[Subject]:
    return [_basic(topic) if basics_only else _full(topic) for topic in corpus.topics]


def _full(topic: Topic) -> Subject:
    replies = {"plain": topic.answer, "shorter": topic.short, "example": topic.example}
    return _subject(topic, replies, 1.0)


def _basic(topic: Topic) -> Subject:
    reply, weight = (topic.short, 1.0) if topic.basic else (REFUSAL, OTHER_TOPIC_WEIGHT)
    return _subject(topic, {"plain": reply}, weight)


def _subject(topic: Topic, replies: dict[str, str], weight: float) -> Subject:
    return Subject(topic.id, replies, topic.asked.questions, topic.asked.held_out, topic.patterns, weight)


def _small_talk(corpus: Corpus) -> list[Subject]:
    return [
        Subject(talk.id, {"plain": talk.answer}, talk.asked.questions, talk.asked.held_out, (), SMALL_TALK_WEIGHT)
        for talk in corpus.small_talk
    ]


def _refused(corpus: Corpus) -> Subject:
    groups = corpus.out_of_scope.values()
    questions = tuple(asked for group in groups for asked in group.questions)
    held_out = tuple(asked for group in groups for asked in group.held_out)
    return Subject(REFUSED, {"plain": REFUSAL}, questions, held_out, (), REFUSED_WEIGHT)


def _follow_up(corpus: Corpus, name: str) -> Subject:
    asked = corpus.follow_ups[name]
    return Subject(name, {"plain": REFUSAL}, asked.questions, asked.held_out)
