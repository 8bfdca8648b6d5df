"""The exercises of notebook 03, routing.

Every check runs the learner's code against two simulated servers in virtual time, one that plays the model on this
machine and one that plays the cloud, and reads in their logs who was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labkit.errors import LabkitError, NoBackend
from labkit.exercises.exercise import AnswerRaised, exercise, learners_code
from labkit.exercises.pair import CLOUD, LOCAL, in_words, pair
from labkit.exercises.shown import show
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.routing import Backend, Mark, Marks, Point, Policy, Price, Question, Request, Router
from labkit.training.corpus import REFUSAL

_SHORT, _LONG = "Why do chat apps stream tokens?", "word " * 120
_BACKENDS = (
    Backend("local", "foundry-local", "small", True),
    Backend("cloud", "azure", "large", False, price=Price(2.5, 10.0)),
)


@exercise(
    hints=(
        "Count words as before: `len(prompt.split()) < threshold` means that the local model comes first.",
        "`complete(local.lab, prompt).text` is the local model's answer.",
        "Ask the first one inside `try:`; in `except LabkitError:` ask the other one. Let that second error through.",
    ),
    solution='''
def hybrid(local, cloud, prompt, threshold=100):
    """Gives the text of an answer: short prompts go to local first, long ones to cloud, and each stands in."""
    short = len(prompt.split()) < threshold
    first, second = (local, cloud) if short else (cloud, local)
    try:
        return complete(first.lab, prompt).text
    except LabkitError:
        return complete(second.lab, prompt).text
''',
)
def q1(hybrid: Callable[..., object]) -> Verdict:
    """Write the hybrid function with the fallback that its first version lacks."""
    cases = (
        ("a prompt of 6 words", _SHORT, 100, None, None, LOCAL, (1, 0)),
        ("a prompt of 120 words", _LONG, 100, None, None, CLOUD, (0, 1)),
        ("a prompt of 120 words and threshold=121", _LONG, 121, None, None, LOCAL, (1, 0)),
        ("a prompt of 120 words and threshold=120", _LONG, 120, None, None, CLOUD, (0, 1)),
        ("a short prompt while the local model is down", _SHORT, 100, "500", None, CLOUD, (1, 1)),
        ("a long prompt while the cloud is unreachable", _LONG, 100, None, "refuse", LOCAL, (1, 1)),
    )
    for what, prompt, threshold, near, far, expected, requests in cases:
        with pair(near, far) as it:
            with learners_code():
                came = hybrid(it.local, it.cloud, prompt, threshold)
            if came != expected:
                return Wrong(f"{expected!r} for {what}", show(came))
            if it.asked != requests:
                return Wrong(f"{in_words(requests)} for {what}", in_words(it.asked))
    return _judge_both_down(hybrid) or Right(
        "Whoever is asked first, the other one stands in, and nobody is asked twice."
    )


@exercise(
    hints=(
        "`routing.TaskTable({...}, otherwise=...)` is the rule for tasks, `routing.LengthThreshold(100)` the other.",
        "The first rule that has a wish decides. So the table comes before the threshold.",
        '`routing.Policy([routing.TaskTable({"translation": "local", "summary": "cloud"}, otherwise="local"), ...])`',
    ),
    solution='''
def office_policy():
    """Gives the policy of the office."""
    tasks = routing.TaskTable({"translation": "local", "summary": "cloud"}, otherwise="local")
    return routing.Policy([tasks, routing.LengthThreshold(100)])
''',
)
def q2(office_policy: Callable[[], object]) -> Verdict:
    """Write a policy with a task table, and with a rule for requests without a task."""
    with learners_code():
        policy = office_policy()
    if not isinstance(policy, Policy):
        return Wrong("a routing.Policy", show(policy))
    cases = (
        ("translation", _LONG, "local"),
        ("summary", _SHORT, "cloud"),
        ("poetry", _LONG, "local"),
        (None, _SHORT, "local"),
        (None, _LONG, "cloud"),
    )
    for task, prompt, expected in cases:
        decision = policy.decide(Request.of(prompt, task=task), _BACKENDS)
        if decision.chosen is None or decision.chosen.name != expected:
            what = f"{len(prompt.split())} words, {f'task {task!r}' if task else 'no task'}"
            return Wrong(f"{expected} for {what}", str(decision))
    return Right("The table decides where a task is known, and the length where it is not.")


@exercise(
    hints=(
        "`curve` is a dictionary: `for threshold, point in curve.items()`. A point has `.cost` and `.quality`.",
        "First keep the points whose cost is at most the budget. If none is left, return None.",
        "`max(affordable, key=lambda t: (curve[t].quality, -curve[t].cost))` takes the cheaper one of two equals.",
    ),
    solution='''
def best_threshold(curve, budget):
    """Gives the best threshold that the budget allows, the cheaper one of equals; None if none fits."""
    affordable = [threshold for threshold, point in curve.items() if point.cost <= budget]
    return max(affordable, key=lambda t: (curve[t].quality, -curve[t].cost), default=None)
''',
)
def q3(best_threshold: Callable[[Mapping[int, Point], float], object]) -> Verdict:
    """Write a function that chooses the threshold with the best quality for a budget."""
    curve = {0: _point(0.9, 8), 4: _point(0.7, 9), 8: _point(0.5, 7), 12: _point(0.2, 7), 16: _point(0.0, 4)}
    backwards = dict(reversed(curve.items()))
    cases = (
        (1.0, curve, 4, "though threshold 0 costs more"),
        (0.7, backwards, 4, "which costs exactly the budget"),
        (0.6, curve, 12, "since 8 is as good and costs more"),
        (0.6, backwards, 12, "since 8 is as good and costs more"),
        (0.0, curve, 16, "which is free"),
    )
    for budget, given, expected, why in cases:
        with learners_code():
            came = best_threshold(dict(given), budget)
        if came != expected or isinstance(came, bool):
            return Wrong(f"{expected} for a budget of {budget}, {why}\n{_table(given)}", show(came))
    with learners_code():
        came = best_threshold({0: curve[0]}, 0.1)
    return (
        Right("A budget, a curve, a choice: no guess is left.")
        if came is None
        else Wrong("None: nothing fits", show(came))
    )


@exercise(
    hints=(
        "Ask the local model first: `text = complete(local.lab, question).text`.",
        'A refusal of the bundled models names a larger model: `"MODEL=phi-4-mini" in text`.',
        "A local model that is down counts like one that refuses: catch LabkitError, then ask the cloud.",
    ),
    solution='''
def cascade(local, cloud, question):
    """Gives the local model's answer, and the cloud's where the local model refuses or fails."""
    try:
        text = complete(local.lab, question).text
        if "MODEL=phi-4-mini" not in text:
            return text
    except LabkitError:
        pass
    return complete(cloud.lab, question).text
''',
)
def q4(cascade: Callable[[Backend, Backend, str], object]) -> Verdict:
    """Write a cascade: the cloud is asked only where the local model does not know."""
    cases = (
        ("a question that the local model knows", LOCAL, None, LOCAL, (1, 0)),
        ("a question that the local model refuses", REFUSAL, None, CLOUD, (1, 1)),
        ("a local model that is down", LOCAL, "500", CLOUD, (1, 1)),
    )
    for what, says, fault, expected, requests in cases:
        with pair(fault, says=says) as it:
            with learners_code():
                came = cascade(it.local, it.cloud, _SHORT)
            if came != expected:
                return Wrong(f"{expected!r} for {what}", show(came))
            if it.asked != requests:
                return Wrong(f"{in_words(requests)} for {what}", in_words(it.asked))
    return Right("You pay for the cloud only where the local model says itself that it does not know.")


@exercise(
    hints=(
        "A detector is a class with one method: `def find(self, text)`. It returns a list of `routing.Finding`.",
        r'`re.finditer(r"\bKD-\d{6}\b", text)` finds the numbers; `match.span()` is their place.',
        "Add what `routing.PatternDetector().find(text)` finds. The policy: "
        '`routing.Policy([routing.Privacy(detector=YourDetector()), routing.Always("cloud")])`.',
    ),
    solution=r'''
import re


class CustomerNumbers:
    """Finds customer numbers such as KD-482913, and whatever the built-in detector finds."""

    def find(self, text):
        numbers = re.finditer(r"\bKD-\d{6}\b", text)
        found = [routing.Finding("a customer number", *match.span()) for match in numbers]
        return found + routing.PatternDetector().find(text)


def careful_policy():
    """Gives a policy that sends everything to the cloud, except personal data and customer numbers."""
    return routing.Policy([routing.Privacy(detector=CustomerNumbers()), routing.Always("cloud")])
''',
)
def q5(careful_policy: Callable[[], object]) -> Verdict:
    """Write a policy that keeps customer numbers on this machine, beside what is personal anyway."""
    with learners_code():
        policy = careful_policy()
    if not isinstance(policy, Policy):
        return Wrong("a routing.Policy", show(policy))
    public = (_SHORT, "Our order KD-1 of 2026 has 482913 parts.", "The code is AKD-4829131.")
    private = (
        "Why did KD-482913 cancel?",
        "Write to anna@example.com.",
        "KD-000001 and KD-999999",
        "Is it (KD-482913)?",
    )
    for fault in (None, "refuse"):
        with pair(fault) as it:
            router = it.router(policy)
            for text in private:
                _try(router, text)
                if it.far.requests:
                    state = "is down" if fault else "works"
                    return Wrong(f"no request to the cloud for {text!r} while the local model {state}", "a request")
    for text in public:
        with pair() as it:
            if (came := _try(it.router(policy), text)) != CLOUD:
                return Wrong(f"the cloud's answer to {text!r}, which holds nothing private", show(came))
    return Right("Private data stayed here even when nobody here could answer: the log of the cloud is empty.")


@exercise(
    hints=(
        "`answer = router.stream(question)`, then a loop over it that shows each piece: `show(piece)`.",
        "`StreamInterrupted` means that a part was shown already; that part is in `error.text`.",
        '`NoBackend` means that nothing was shown: return `"", "nobody"`. After the loop: `answer.text, "complete"`.',
    ),
    solution='''
def tell(router, question, show):
    """Shows each piece of the answer; gives the text, and "complete", "incomplete" or "nobody"."""
    answer = router.stream(question)
    try:
        for piece in answer:
            show(piece)
    except StreamInterrupted as error:
        return error.text, "incomplete"
    except NoBackend:
        return "", "nobody"
    return answer.text, "complete"
''',
)
def q6(tell: Callable[..., object]) -> Verdict:
    """Write a function that shows a routed answer, and says what became of it."""
    cases = (
        ("all is well", None, None, "complete"),
        ("the local model is down and the cloud stands in", "500", None, "complete"),
        ("the local model breaks off in the middle", "cut", None, "incomplete"),
        ("both are down", "refuse", "refuse", "nobody"),
    )
    for what, near, far, status in cases:
        with pair(near, far) as it:
            shown: list[Any] = []
            with learners_code():
                came = tell(it.router(), _SHORT, shown.append)
            expected = it.sent, status
            if not isinstance(came, tuple | list) or tuple(came) != expected:
                return Wrong(f"{expected} when {what}", show(came))
            if "".join(map(str, shown)) != expected[0]:
                return Wrong(
                    f"{expected[0]!r} on the screen when {what}, piece by piece", repr("".join(map(str, shown)))
                )
    return Right("What was shown stays, a part is called a part, and no two answers are mixed.")


def _judge_both_down(hybrid: Callable[..., object]) -> Wrong | None:
    with pair("500", "refuse") as it:
        try:
            with learners_code():
                came = hybrid(it.local, it.cloud, _SHORT, 100)
        except AnswerRaised as raised:
            if not isinstance(raised.__cause__, LabkitError):
                raise
            came = None
        else:
            return Wrong("an error when both are down, so that the caller knows", show(came))
        return None if it.asked == (1, 1) else Wrong("1 request to each when both are down", in_words(it.asked))


def _try(router: Router, text: str) -> object:
    """Gives the answer, or the error where nobody may answer. A detector of the learner that fails stays private."""
    try:
        with learners_code():
            return router.complete(text).text
    except AnswerRaised as raised:
        if not isinstance(raised.__cause__, NoBackend):
            raise
        return raised.__cause__


def _point(cost: float, right: int) -> Point:
    question = Question("Why?", "streaming", ("Because.",))
    marks = [
        Mark(question, "", "right" if number < right else "refused", 1.0, 1.0, cost / 1000) for number in range(10)
    ]
    return Point("length", cost, Marks(tuple(marks)), {})


def _table(curve: Mapping[int, Point]) -> str:
    return "\n".join(f"threshold {t}: quality {point.quality}, cost {point.cost}" for t, point in curve.items())
