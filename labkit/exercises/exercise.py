"""One exercise: check the learner's answer, give hints, show the solution.

An exercise is made from a function that gets the learner's answer, runs it against real services and returns
`Right(...)` or `Wrong(...)`. This module knows nothing of any particular exercise, nor of where progress is kept.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from inspect import cleandoc, signature
from types import CodeType
from typing import Any

from labkit.errors import HomeNotWritable
from labkit.exercises.record import ProgressFile
from labkit.exercises.verdict import NotAttempted, Verdict, Wrong

Checker = Callable[[Any], Verdict]


class AnswerRaised(Exception):
    """The learner's code raised an exception; `__cause__` is that exception."""


@contextmanager
def learners_code() -> Iterator[None]:
    """Marks the lines of a check that run the learner's code, so that an exception there counts as a wrong answer.

    Raises:
        AnswerRaised: the learner's code raised.
    """
    try:
        yield
    except Exception as error:
        raise AnswerRaised from error


@dataclass(frozen=True)
class Hint:
    """One hint, and how many there are.

    Attributes:
        number: which hint this is, from 1.
        total: how many hints the exercise has.
        text: the hint; it may use Markdown.
        next: what to type for more help.
    """

    number: int
    total: int
    text: str
    next: str

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.total}: {self.text}\n(More help: {self.next})"

    def _repr_markdown_(self) -> str:
        return f"**Hint {self.number} of {self.total}.** {self.text}\n\n*More help: `{self.next}`*"


@dataclass(frozen=True)
class Solution:
    """One way to solve an exercise, as code.

    Attributes:
        code: Python code that can replace the stub cell as it is.
    """

    code: str

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"One way to do it. Copy it into the cell above, or better, type it:\n\n```python\n{self.code}\n```"


class Exercise:
    """An exercise of a notebook.

    Args:
        checker: gets the learner's answer and returns `Right(...)` or `Wrong(...)`. Its name names the exercise, its
            module the notebook, its parameter the learner's function or value; its docstring is the task in one
            sentence.
        hints: from a nudge to nearly the solution.
        solution: Python code for the stub cell; the tests fill in this same code.
    """

    def __init__(self, checker: Checker, hints: tuple[str, ...], solution: str) -> None:
        self.name = checker.__name__
        self.notebook = checker.__module__.rpartition(".")[2]
        self.answer_name = next(iter(signature(checker).parameters))
        self.task = cleandoc(checker.__doc__ or "")
        self.hints = hints
        self._checker = checker
        self._solution = Solution(solution.strip("\n"))
        self._hints_given = 0

    def check(self, answer: object) -> Verdict:
        """Runs the learner's answer and says whether it does what was asked for.

        Args:
            answer: the function or value that the stub cell defines.

        Returns:
            `NotAttempted`, `Wrong` (with what was expected and what came) or `Right`. The best one is kept.
        """
        verdict = replace(self._judge(answer), exercise=self.name)
        try:
            note = ProgressFile.of_learner().record(self.notebook, self.name, verdict.state)
        except HomeNotWritable as error:
            note = f"Your progress was not saved. {error}"
        return replace(verdict, note=note)

    def hint(self) -> Hint:
        """Gives the next hint; after the last one, the last one again."""
        self._hints_given = min(self._hints_given + 1, len(self.hints))
        left = self._hints_given < len(self.hints)
        text = self.hints[self._hints_given - 1]
        return Hint(self._hints_given, len(self.hints), text, f"{self.name}.{'hint' if left else 'solution'}()")

    def solution(self) -> Solution:
        """Shows one way to solve the exercise."""
        return self._solution

    def _judge(self, answer: object) -> Verdict:
        if is_untouched(answer):
            return NotAttempted(self.answer_name)
        try:
            return self._checker(answer)
        except AnswerRaised as raised:
            return Wrong("code that runs to its end", _explain(raised.__cause__, answer))

    def __repr__(self) -> str:
        return f"{self.notebook}.{self.name}: {self.task}"

    def _repr_html_(self) -> str:
        return f"<strong>{escape(self.name)}</strong> {escape(self.task)}"


def exercise(*, hints: tuple[str, ...], solution: str) -> Callable[[Checker], Exercise]:
    """Makes an exercise of the function below it.

    Args:
        hints: from a nudge to nearly the solution.
        solution: Python code for the stub cell.
    """
    return lambda checker: Exercise(checker, hints, solution)


def is_untouched(answer: object) -> bool:
    """Says whether an answer is still the stub: `...`, None, or a function without a body of its own.

    Args:
        answer: the function or value that the stub cell defines.
    """
    return answer is None or answer is ... or _is_stub(answer)


def _is_stub(answer: object) -> bool:
    code = getattr(answer, "__code__", None)
    if not isinstance(code, CodeType) or code.co_code not in _STUBS:
        return False
    # `return "ok"` compiles to the same instructions, with another constant.
    return all(constant in (None, answer.__doc__) for constant in code.co_consts)


# A body that holds nothing but a docstring and `...` compiles to the same instructions, whatever the arguments are.
def _bare() -> None: ...
def _with_docstring() -> None:
    """Stands for any docstring."""


async def _bare_async() -> None: ...
async def _async_with_docstring() -> None:
    """Stands for any docstring."""


_STUBS = {f.__code__.co_code for f in (_bare, _with_docstring, _bare_async, _async_with_docstring)}


def _explain(error: BaseException | None, answer: object) -> str:
    said = "".join(traceback.format_exception_only(error)).strip()
    code = getattr(answer, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__) if error else []
    own = [frame for frame in frames if isinstance(code, CodeType) and frame.filename == code.co_filename]
    return f"{said}\n(line {own[-1].lineno} of your cell) {own[-1].line or ''}".rstrip() if own else said
