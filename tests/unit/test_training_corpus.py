"""What the bundled models learn from: it keeps its rules, and measuring stays apart from training."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import pytest

from labkit.training import augment, corpus, grammar
from labkit.training.corpus import Corpus
from labkit.training.curriculum import REFUSED, Curriculum


@lru_cache(maxsize=1)
def whole() -> Corpus:
    """Read once; it holds some fifty thousand questions."""
    return corpus.load()


def test_the_corpus_keeps_its_own_rules() -> None:
    """No topic lacks wordings, no answer is too long, and no question stands twice, tests included."""
    assert corpus.problems(whole()) == []


def test_every_topic_has_at_least_forty_wordings_and_eight_that_are_held_out() -> None:
    """More than 70 topics, each with the variety that decides the models' quality."""
    topics = whole().topics
    assert len(topics) >= 70
    assert min(len(topic.asked.questions) for topic in topics) >= 40
    assert min(len(topic.asked.held_out) for topic in topics) >= 8


def test_refusals_are_learnt_from_at_least_six_hundred_questions() -> None:
    """And tested by sixty that somebody else wrote."""
    assert sum(len(group.questions) for group in whole().out_of_scope.values()) >= 600
    assert len(whole().independent.out_of_scope) == 60


def test_a_question_that_measures_is_never_trained_on() -> None:
    """Neither a held-out one nor one of the independent test, whatever its case and punctuation."""
    curriculum = Curriculum(whole(), basics_only=False)
    trained = {corpus.normal(asked) for subject in curriculum.subjects for asked in subject.questions}
    measured = [asked for subject in curriculum.subjects for asked in subject.held_out]
    measured += [asked for tests in whole().independent.topics.values() for asked in tests]
    assert not trained & {corpus.normal(asked) for asked in measured}


def test_a_repeated_question_is_reported(tmp_path: Path) -> None:
    """A wording in two groups would teach two answers."""
    (tmp_path / "out_of_scope.yaml").write_text("a: {questions: [Is it raining!]}\nb: {questions: [is it raining]}\n")
    assert corpus.problems(corpus.load(tmp_path)) == ["b: 'is it raining' is also asked in a; drop one."]


def test_a_topic_without_an_answer_is_named(tmp_path: Path) -> None:
    """The message says which entry lacks which field."""
    (tmp_path / "chat.yaml").write_text("- {id: token, title: Token, basic: true}\n")
    with pytest.raises(corpus.CorpusError, match=r"chat\.yaml: token lacks the field 'answer'"):
        corpus.load(tmp_path)


def test_the_small_model_refuses_what_is_not_basic() -> None:
    """It answers about half of the topics and names the way to a larger model for the others."""
    small = Curriculum(whole(), basics_only=True)
    kinds = [small.kind(subject) for subject in small.subjects]
    assert kinds.count("topics") > 30
    assert kinds.count("other topics") > 30
    assert {small.owed(subject, None) for subject in small.subjects if small.kind(subject) == "other topics"} == {
        corpus.REFUSAL
    }


def test_a_follow_up_is_owed_the_text_of_the_topic_before() -> None:
    """Asked for a shorter answer, the model must say the short text of what it explained last."""
    curriculum = Curriculum(whole(), basics_only=False)
    topic = curriculum.subject("streaming")
    assert curriculum.owed(curriculum.subject("shorter"), topic) == topic.replies["shorter"]
    assert curriculum.owed(curriculum.subject("shorter"), None) == curriculum.subject(REFUSED).reply


def test_a_pattern_yields_each_of_its_sentences() -> None:
    """Slots nest, and an empty alternative leaves no gap."""
    sentences = {grammar.sample("(what is|explain) (the |)token(s|)", random.Random(seed)) for seed in range(200)}
    assert len(sentences) == 8
    assert "explain token" in sentences


def test_the_longest_known_phrase_is_exchanged_and_keeps_its_punctuation() -> None:
    """«takes ages?» becomes another phrase of its group, not «takes» alone."""
    others = augment.thesaurus()["takes ages"]
    found = {augment.swap_synonyms("it takes ages?", random.Random(seed)) for seed in range(400)}
    assert {f"it {other}?" for other in others} <= found


def test_no_synonym_confuses_what_the_course_tells_apart() -> None:
    """A key must not become a token, nor the cloud Azure, though people mix them up."""
    table = augment.thesaurus()
    assert "token" not in table.get("key", ())
    assert "azure" not in table.get("cloud", ())
    assert not {"retry", "fallback"} & {*table.get("fallback", ()), *table.get("retry", ())}


def test_variation_repeats_itself_from_the_same_seed() -> None:
    """So a training can be made again."""
    question = "Why does my chat app wait so long before the first token?"
    first, second = ([augment.vary(question, rng) for _ in range(50)] for rng in (random.Random(7), random.Random(7)))
    assert first == second
    assert len(set(first)) > 30
