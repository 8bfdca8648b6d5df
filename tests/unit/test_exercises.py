"""Exercises: the three answers of every check, hints, solutions and kept progress."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from course_notebooks import all_exercises, answer, path_of, read, stub_cell, wrong_answers

from labkit import exercises
from labkit.client import Lab
from labkit.exercises.exercise import Exercise, exercise, learners_code
from labkit.exercises.record import ProgressFile
from labkit.exercises.recorder import Recorder
from labkit.exercises.verdict import NotAttempted, Right, Verdict, Wrong

EXERCISES = {f"{question.notebook}.{question.name}": question for question in all_exercises()}
WRONG = [
    pytest.param(key, code, id=f"{key}-{i}") for key, e in EXERCISES.items() for i, code in enumerate(wrong_answers(e))
]


@exercise(hints=("Think of 42.", "It is 42."), solution="\nnumber = 42\n")
def q9(number: object) -> Verdict:
    """Name the number."""
    with learners_code():
        came = number() if callable(number) else number
    return Right("Indeed.") if came == 42 else Wrong("42", repr(came))


@pytest.fixture(autouse=True)
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives each test a learner without progress, and with nothing running on the shared port."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    return tmp_path / "progress.json"


@pytest.mark.parametrize("key", EXERCISES)
def test_the_solution_that_learners_see_is_right(key: str, large: Lab) -> None:
    """Every solution passes its own check."""
    question = EXERCISES[key]
    verdict = question.check(answer(question, question.solution().code))
    assert isinstance(verdict, Right), verdict


@pytest.mark.parametrize(("key", "code"), WRONG)
def test_a_wrong_answer_is_told_what_was_expected_and_what_came(key: str, code: str, large: Lab) -> None:
    """Every check turns down what learners really write at first, and says why."""
    question = EXERCISES[key]
    verdict = question.check(answer(question, code))
    assert isinstance(verdict, Wrong), verdict
    assert verdict.expected
    assert verdict.came


@pytest.mark.parametrize("key", EXERCISES)
def test_an_untouched_stub_is_neither_wrong_nor_right(key: str) -> None:
    """The stub cells of the notebooks count as not attempted."""
    question = EXERCISES[key]
    stub = stub_cell(read(path_of(question)), question).source
    assert isinstance(question.check(answer(question, stub)), NotAttempted)


@pytest.mark.parametrize("key", EXERCISES)
def test_every_exercise_has_a_task_hints_and_wrong_answers(key: str) -> None:
    """No exercise leaves its learner, or its tests, without help."""
    question = EXERCISES[key]
    assert question.task.endswith(".")
    assert len(question.hints) >= 2
    assert wrong_answers(question)


def test_a_function_with_a_body_is_an_attempt_even_when_it_returns_nothing() -> None:
    """Whoever forgets `return` is told so, instead of hearing that nothing was tried."""

    def number() -> None:
        _ = 42

    assert isinstance(q9.check(number), Wrong)


def test_an_untouched_async_function_is_not_attempted() -> None:
    """An async stub is a stub as well."""

    async def number(first: int, second: str = "x") -> None:
        """Gives a number."""
        ...

    assert isinstance(q9.check(number), NotAttempted)


def test_an_exception_in_the_learners_code_is_a_wrong_answer_with_its_line() -> None:
    """The learner reads the error and where it happened, not a traceback through labkit."""
    question = Exercise(_calls, ("Divide.", "Do not divide by 0."), "divide = lambda x: x")

    def divide(x: int) -> float:
        return x / 0

    verdict = question.check(divide)
    assert isinstance(verdict, Wrong)
    assert "ZeroDivisionError: division by zero" in verdict.came
    assert "return x / 0" in verdict.came


def test_an_error_of_labkit_itself_is_not_blamed_on_the_learner() -> None:
    """An exception outside the learner's code leaves the check as it is."""
    question = Exercise(_broken, ("-", "-"), "x = 1")
    with pytest.raises(OSError, match="no such service"):
        question.check(1)


def test_hints_come_one_by_one_and_then_point_to_the_solution() -> None:
    """Each call goes one step further; the last hint stays the last."""
    question = Exercise(_calls, ("First.", "Second."), "x = 1")
    assert "Hint 1 of 2: First." in repr(question.hint())
    second = repr(question.hint())
    assert "Hint 2 of 2: Second." in second
    assert second == repr(question.hint())
    assert "_calls.solution()" in second


def test_a_solution_is_shown_as_code() -> None:
    """In a terminal it is the code itself, in a notebook a code block."""
    assert repr(q9.solution()) == "number = 42"
    assert "```python\nnumber = 42\n```" in q9.solution()._repr_markdown_()


@pytest.mark.parametrize(("value", "word"), [(..., "not attempted"), (41, "wrong"), (42, "right")])
def test_a_verdict_says_its_state_in_words_beside_the_symbol(value: object, word: str) -> None:
    """Neither colour nor symbol carries the meaning alone, in text and in a notebook."""
    verdict = q9.check(value)
    assert repr(verdict).startswith(f"[{word.upper()}] q9")
    assert f"{word.capitalize()}</strong>" in verdict._repr_html_()


def test_what_a_learner_typed_cannot_break_the_page() -> None:
    """Markup in an answer is shown, not interpreted."""
    assert "<script>" not in q9.check("<script>alert(1)</script>")._repr_html_()


def test_progress_keeps_the_best_state_and_counts_tries(learner: Path) -> None:
    """A right answer stays right when the learner experiments on."""
    for value in (..., 41, 42, 43):
        q9.check(value)
    assert json.loads(learner.read_text("utf-8"))[q9.notebook]["q9"] == {"state": "right", "tries": 3}


def test_progress_shows_each_notebook_with_its_exercises() -> None:
    """The overview lists all exercises, with words for their state."""
    ProgressFile.of_learner().record("client_setup", "q2", "right")
    shown = exercises.progress()
    assert shown.states["01_client_setup"]["q2"] == "right"
    assert shown.right == 1
    assert shown.total == len(EXERCISES)
    assert "q2 right" in repr(shown)
    assert "q1 not attempted" in shown._repr_html_()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"client_setup": {"q1": {"state": "maybe"}}}', "\x00"])
def test_a_damaged_progress_file_is_set_aside_and_not_lost(learner: Path, content: str) -> None:
    """Progress starts anew, and the learner reads where the old file lies."""
    learner.write_text(content, "utf-8")
    verdict = q9.check(42)
    (aside,) = learner.parent.glob("progress.damaged-*.json")
    assert aside.read_text("utf-8") == content
    assert str(aside) in verdict.note
    assert json.loads(learner.read_text("utf-8"))[q9.notebook]["q9"]["state"] == "right"


def test_a_check_answers_even_when_progress_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be written costs the record, not the verdict."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "file"))
    verdict = q9.check(42)
    assert isinstance(verdict, Right)
    assert "LABKIT_HOME" in verdict.note


def test_notebooks_that_record_at_the_same_time_lose_nothing(learner: Path) -> None:
    """Eight writers with ten exercises each leave eighty entries."""
    file = ProgressFile(learner)

    def work(notebook: str) -> None:
        for i in range(10):
            file.record(notebook, f"q{i}", "right")

    threads = [threading.Thread(target=work, args=(f"n{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, file.read().values())) == 80
    assert [path.name for path in learner.parent.iterdir()] == ["progress.json"]


def test_a_lock_that_a_dead_kernel_left_behind_does_not_hold_for_ever(learner: Path) -> None:
    """The wait for the lock has a limit."""
    learner.with_suffix(".lock").touch()
    assert ProgressFile(learner).record("client_setup", "q1", "wrong") == ""
    assert not learner.with_suffix(".lock").exists()


def test_the_recorder_passes_everything_on_and_sees_both_sides(large: Lab) -> None:
    """Request and reply are kept as they went over the wire, streamed or not."""
    with Recorder(large.endpoint) as recorder:
        lab = Lab("foundry-local", recorder.endpoint, "key", large.model)
        messages = [{"role": "user", "content": "What is a token?"}]
        settings = {"model": lab.model, "messages": messages, "temperature": 0, "max_tokens": 60}
        with lab.client as client:
            whole = client.chat.completions.create(**settings).choices[0].message.content
            chunks = [c.choices[0].delta.content or "" for c in client.chat.completions.create(**settings, stream=True)]
    plain, streamed = recorder.chats
    assert plain.request == settings
    assert "".join(plain.pieces) == "".join(streamed.pieces) == whole
    assert streamed.pieces == [chunk for chunk in chunks if chunk]


def test_a_client_that_hangs_up_does_not_trouble_the_recorder(large: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    """Closing a stream early is the client's right; nothing is printed."""
    with Recorder(large.endpoint) as recorder:
        lab = Lab("foundry-local", recorder.endpoint, "key", large.model)
        messages = [{"role": "user", "content": "What is a token?"}]
        with lab.client as client:
            stream = client.chat.completions.create(model=lab.model, messages=messages, max_tokens=500, stream=True)
            next(stream)
            stream.close()
            client.models.list()
    assert capfd.readouterr().err == ""


def test_unknown_exercises_are_an_attribute_error() -> None:
    """A typing mistake is told like any other."""
    with pytest.raises(AttributeError, match="client_setip"):
        _ = exercises.client_setip


def _calls(divide: object) -> Verdict:
    """Call it."""
    with learners_code():
        divide(1)  # type: ignore[operator]
    return Right("It returned.")


def _broken(x: object) -> Verdict:
    """Cannot reach its service."""
    raise OSError("no such service")
