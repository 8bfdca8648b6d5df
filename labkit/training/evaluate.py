"""Measurement: asks a bundled model through Foundry Local itself and compares with the owed replies.

Greedy, exact match of the whole text. Knows the test questions and the service. Does not know the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from sklearn.pipeline import Pipeline

from labkit.training import baseline
from labkit.training.corpus import FOLLOW_UPS, REFUSAL, Corpus
from labkit.training.curriculum import REFUSED, Curriculum, Subject

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

MAX_TOKENS = 120
QUICK_EVERY = 7
Message = dict[str, str]


@dataclass(frozen=True)
class Reply:
    """What came back: the text, and whether the model ended by itself."""

    text: str
    ended: bool


Ask = Callable[[Sequence[Message]], Reply]


@dataclass(frozen=True)
class Case:
    """One test: a conversation that ends with a question, and the reply that is owed."""

    kind: str
    subject: str
    messages: tuple[Message, ...]
    owed: str

    @property
    def question(self) -> str:
        """The last question."""
        return self.messages[-1]["content"]


@dataclass
class Result:
    """The outcome of all cases of one model.

    Attributes:
        right: by kind, one verdict a case.
        topics: by topic, one verdict a held-out or independent question.
        endless: questions whose answer did not end within 120 tokens.
        wrong: cases with another reply, and that reply.
    """

    right: dict[str, list[bool]] = field(default_factory=dict)
    topics: dict[str, list[bool]] = field(default_factory=dict)
    endless: list[str] = field(default_factory=list)
    wrong: list[tuple[Case, str]] = field(default_factory=list)

    def share(self, kind: str) -> float:
        """Return the share of exact replies of a kind, 0 to 1."""
        verdicts = self.right[kind]
        return sum(verdicts) / len(verdicts)

    def add(self, case: Case, reply: Reply) -> None:
        """Count one reply."""
        right = reply.text.strip() == case.owed
        self.right.setdefault(case.kind, []).append(right)
        if case.kind in ("held-out", "independent"):
            self.topics.setdefault(case.subject, []).append(right)
        if not right:
            self.wrong.append((case, reply.text))
        if not reply.ended:
            self.endless.append(case.question)


def foundry(alias: str) -> Ask:
    """Return a function that asks a bundled model through Foundry Local's web service, greedy."""
    import labkit

    lab = labkit.connect(alias)

    def ask(messages: Sequence[Message]) -> Reply:
        done = lab.client.chat.completions.create(
            model=lab.model,
            messages=cast("list[ChatCompletionMessageParam]", list(messages)),
            max_tokens=MAX_TOKENS,
            temperature=0,
        )
        choice = done.choices[0]
        return Reply(choice.message.content or "", choice.finish_reason == "stop")

    return ask


def measure(test: Sequence[Case], ask: Ask) -> Result:
    """Ask every question of a test and count the exact replies."""
    result = Result()
    for case in test:
        result.add(case, ask(case.messages))
    return result


def measure_baseline(test: Sequence[Case], curriculum: Curriculum, classifier: Pipeline) -> Result:
    """Ask the linear classifier the questions of a test that need no history."""
    single = [case for case in test if len(case.messages) == 1]
    result = Result()
    texts = baseline.predict(classifier, curriculum, [case.question for case in single])
    for case, text in zip(single, texts, strict=True):
        result.add(case, Reply(text, ended=True))
    return result


def cases(corpus: Corpus, curriculum: Curriculum, quick: bool = False) -> list[Case]:
    """Return the whole test of a model, or every seventh case of it."""
    every = [*_held_out(curriculum), *_independent(corpus, curriculum), *_follow_ups(curriculum)]
    return every[::QUICK_EVERY] if quick else every


def _held_out(curriculum: Curriculum) -> Iterator[Case]:
    names = {"topics": "held-out", "refusals": "refusals", "other topics": "other topics", "small talk": "small talk"}
    for subject in curriculum.subjects:
        kind = names[curriculum.kind(subject)]
        yield from (_single(kind, subject, asked) for asked in subject.held_out)


def _independent(corpus: Corpus, curriculum: Curriculum) -> Iterator[Case]:
    for name, questions in corpus.independent.topics.items():
        subject = curriculum.subject(name)
        known = curriculum.kind(subject) == "topics"
        kind = "independent" if known else "other topics, independent"
        yield from (_single(kind, subject, asked) for asked in questions)
    refused = curriculum.subject(REFUSED)
    yield from (_single("refusals, independent", refused, asked) for asked in corpus.independent.out_of_scope)


def _follow_ups(curriculum: Curriculum) -> Iterator[Case]:
    if curriculum.basics_only:
        return
    topics = [subject for subject in curriculum.subjects if subject.can_follow]
    for place, topic in enumerate(topics):
        before = topic.held_out[place % len(topic.held_out)]
        history = ({"role": "user", "content": before}, {"role": "assistant", "content": topic.reply})
        for name in FOLLOW_UPS:
            wordings = curriculum.subject(name).held_out
            last = {"role": "user", "content": wordings[place % len(wordings)]}
            yield Case("follow-ups", topic.name, (*history, last), topic.replies[name])


def _single(kind: str, subject: Subject, asked: str) -> Case:
    return Case(kind, subject.name, ({"role": "user", "content": asked},), subject.reply)


def confusions(result: Result, curriculum: Curriculum) -> dict[tuple[str, str], int]:
    """Return how often one subject's question got another subject's reply, most frequent first."""
    owner = {subject.reply: subject.name for subject in curriculum.subjects if subject.reply != REFUSAL}
    owner[REFUSAL] = REFUSED
    counts: dict[tuple[str, str], int] = {}
    for case, text in result.wrong:
        pair = (case.subject, owner.get(text.strip(), "something else"))
        counts[pair] = counts.get(pair, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
