"""The baseline: a linear classifier on word and character n-grams, to judge the language models by.

It only picks a class; it cannot write, follow up or stream. Does not know the language models.
"""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.svm import LinearSVC

from labkit.training.curriculum import Curriculum


def fit(curriculum: Curriculum) -> Pipeline:
    """Train the classifier on the same wordings that the language model hears, unvaried."""
    pairs = [(asked, subject.name) for subject in curriculum.subjects for asked in subject.questions]
    questions, names = zip(*pairs, strict=True)
    pipeline: Pipeline = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[a-z0-9_.]+"),  # noqa: S106 - no secret
            TfidfVectorizer(ngram_range=(3, 5), sublinear_tf=True, min_df=2, analyzer="char_wb"),
        ),
        LinearSVC(C=0.4),
    )
    return pipeline.fit(questions, names)


def predict(classifier: Pipeline, curriculum: Curriculum, questions: Sequence[str]) -> list[str]:
    """Return the reply that the classifier would pick for each question."""
    names = classifier.predict(list(questions)) if questions else []
    return [curriculum.subject(str(name)).reply for name in names]
