"""Exams, replays and the decision matrix: on the real models, and on questions that the package brings along."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from labkit import simulator
from labkit.client import Lab
from labkit.routing import Backend, Exam, Mark, Marks, Matrix, Price, Question, replay, simulated, tradeoff
from labkit.routing.exam import wilson
from labkit.simulator import VirtualClock
from labkit.training import corpus

QUESTION = Question("Why?", "streaming", ("Because it is so.", "Because."))


def marks(outcomes: str, cost: float = 0.0) -> Marks:
    """Gives marks: r for right, f for refused, w for wrong."""
    words = {"r": "right", "f": "refused", "w": "wrong"}
    return Marks(
        tuple(
            Mark(Question(f"question {n}", "t", ()), "", words[letter], 10.0, 20.0, cost)  # type: ignore[arg-type]
            for n, letter in enumerate(outcomes)
        )
    )


def test_questions_were_never_trained_on_and_cover_every_topic() -> None:
    """An exam with questions from the training data would measure memory."""
    exam = Exam.sample(per_topic=2)
    topics = corpus.load().topics
    trained = {corpus.normal(wording) for topic in topics for wording in topic.asked.questions}
    assert {question.topic for question in exam} == {topic.title for topic in topics}
    assert len({question.text for question in exam}) == len(exam) == 2 * len(topics)
    assert not trained & {corpus.normal(question.text) for question in exam}


def test_a_seed_fixes_the_questions() -> None:
    """The same seed gives the same exam, another one another exam."""
    texts = [[question.text for question in Exam.sample(seed=seed)] for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("number", [0, -1, 9])
def test_more_questions_than_there_are_is_refused(number: int) -> None:
    """The error names the range."""
    with pytest.raises(ValueError, match="from 1 to 8"):
        Exam.sample(per_topic=number)


def test_an_answer_is_right_refused_or_wrong() -> None:
    """The long and the short answer count, and a refusal is not the same as a wrong answer."""
    assert QUESTION.mark("Because it is so.\n") == "right"
    assert QUESTION.mark("Because.") == "right"
    assert QUESTION.mark(corpus.REFUSAL) == "refused"
    assert QUESTION.mark("Because it is") == QUESTION.mark("") == "wrong"


def test_the_real_model_is_marked(small: Lab) -> None:
    """course-small knows basic topics and refuses others, and both are seen; it costs nothing."""
    exam = Exam(Exam.sample().questions[::3])
    taken = exam.take(Backend.of(small, "local"))
    assert len(taken) == len(exam)
    assert taken.counts["right"] > 0
    assert taken.counts["refused"] > 0
    assert taken.cost == 0
    assert 0 < taken.first_token_ms <= taken.ms


def test_a_simulated_cloud_is_marked_in_virtual_time() -> None:
    """Its times and costs are those of the simulation, whatever the machine does."""
    exam = Exam((QUESTION,) * 3)
    with VirtualClock() as clock, simulator.run("cloud", text="Because it is so.", clock=clock) as cloud:
        taken = exam.take(simulated(cloud), clock)
        requests = cloud.requests
    assert taken.counts == {"right": 3, "refused": 0, "wrong": 0}
    assert taken.cost == pytest.approx(1000 * sum(request.cost for request in requests) / 3)
    assert taken.first_token_ms > 200


@pytest.mark.parametrize(
    ("right", "asked", "expected"), [(0, 10, (0.0, 0.278)), (5, 10, (0.237, 0.763)), (81, 81, (0.955, 1.0))]
)
def test_the_interval_is_wilsons(right: int, asked: int, expected: tuple[float, float]) -> None:
    """Values computed with the formula of Wilson (1927)."""
    assert wilson(right, asked) == pytest.approx(expected, abs=0.001)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_replay_takes_each_answer_from_the_backend_that_the_rule_names() -> None:
    """Cost, quality and shares follow from the marks; nothing is sent."""
    exams = {"local": marks("rrff"), "cloud": marks("rwrr", cost=0.001)}
    point = replay("cascade", lambda text: "cloud" if exams["local"][text].outcome == "refused" else "local", exams)
    assert point.quality == 1
    assert point.cost == pytest.approx(0.5)
    assert point.shares == {"local": 0.5, "cloud": 0.5}
    assert "100% right for $0.500 per 1,000 questions (50% to local, 50% to cloud)" in str(point)


@pytest.mark.parametrize("came", ["moon", None, 1])
def test_a_rule_that_names_nobody_is_told_so(came: object) -> None:
    """The error says what may be returned."""
    with pytest.raises(ValueError, match="'local' or 'cloud'"):
        replay("mine", lambda text: came, {"local": marks("r"), "cloud": marks("r")})  # type: ignore[arg-type,return-value]


def test_a_higher_threshold_never_costs_more() -> None:
    """The curve of one rule runs from all cloud to all local."""
    exams = {"local": marks("rf" * 5), "cloud": marks("rr" * 5, cost=0.001)}
    points = [replay(f"n {n}", lambda text, n=n: "local" if int(text[9:]) < n else "cloud", exams) for n in range(11)]  # type: ignore[misc]
    assert all(one.cost > other.cost for one, other in pairwise(points))
    assert (points[0].quality, points[10].quality) == (1.0, 0.5)


def test_the_figure_says_its_numbers_in_words() -> None:
    """Each point stands in the alternative text."""
    exams = {"local": marks("rf"), "cloud": marks("rr", cost=0.001)}
    ends = [replay("coin", lambda text, side=side: side, exams) for side in exams]  # type: ignore[misc]
    figure = tradeoff(ends, ends[1])
    assert "coin: 50% right for $0.000. coin: 100% right for $1.000." in figure.alt
    assert figure.svg.startswith(b"<?xml")


def test_the_matrix_calls_simulated_numbers_simulated() -> None:
    """Each column says where its numbers come from; rows are the same for all backends."""
    backends = [
        Backend("local", "foundry-local", "small", True, 1024),
        Backend("cloud", "simulated-cloud", "large", False, price=Price(1, 1)),
    ]
    exams = {"local": marks("rf"), "cloud": marks("rr", cost=0.001)}
    matrix = Matrix(backends, exams, {"local": True, "cloud": False})
    assert matrix.head == ("", "local (measured)", "cloud (simulated)")
    rows = {name: values for name, *values in matrix.rows()}
    assert rows["works offline"] == ["yes", "no"]
    assert rows["cost of 1,000 questions"] == ["$0.000", "$1.000"]
    assert rows["context"] == ["1,024 tokens", "unknown"]
    assert all(cell in matrix._repr_html_() for row in matrix.rows() for cell in row)
    assert "cloud (simulated)" in repr(matrix)


def test_no_marks_give_no_number() -> None:
    """An empty exam has no quality, and does not crash."""
    assert math.isnan(Marks(()).quality)
    assert math.isnan(Marks(()).cost)
