"""The exercises of notebook 02, streaming.

Every check runs the learner's code against a simulated cloud that is slow or broken on purpose. Where nobody has to
wait for real, the cloud lives in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from labkit import simulator
from labkit.client import Lab
from labkit.errors import LabkitError, SimulatorError, StreamInterrupted
from labkit.exercises.exercise import AnswerRaised, exercise, learners_code
from labkit.exercises.shown import show
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.simulator import Cloud, Latency, Profile, VirtualClock

_QUESTION = "Why do chat apps stream tokens?"
_TEXT = (
    "A model writes one token after another. Whoever streams shows each of them at once. People read the first words "
    "while the last ones are still being written, and so the wait feels short. Is a stream of version 2.5 safe? Yes."
)
_STEADY = Profile("steady", first_token=Latency(300), inter_token=Latency(50))
_REASONS = ("cut", "stall", "error", "malformed", "truncated")
_ATTEMPTS = 3


@exercise(
    hints=(
        "Only lines that begin with `data: ` count. Comments and empty lines do not.",
        "`data: [DONE]` is the end and no JSON. Everything else goes through `json.loads(...)`.",
        'The last chunk can have `"choices": []`, and a delta can lack its text: `delta.get("content") or ""`.',
    ),
    solution='''
import json


def text_of(lines):
    """Puts the answer together from the lines of a raw stream."""
    text = ""
    for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        chunk = json.loads(line.removeprefix("data: "))
        for choice in chunk["choices"]:
            text += choice["delta"].get("content") or ""
    return text
''',
)
def q1(text_of: Callable[[list[str]], object]) -> Verdict:
    """Write a function that reads the text out of the lines of a raw stream."""
    cases = ((None, "a whole stream, with a usage chunk"), ("truncated", "a stream that ends early, without [DONE]"))
    for fault, what in cases:
        with _virtual(faults=fault) as (cloud, _):
            lines = _raw_lines(cloud.lab)
            sent = " ".join(_TEXT.split()[: cloud.requests[-1].completion_tokens])
        with_comments = [noisy for line in lines for noisy in (line, *([": keep-alive", ""] if not line else []))]
        for given, extra in ((lines, ""), (with_comments, ", and with comments between the events")):
            with learners_code():
                came = text_of(list(given))
            if came != sent:
                return Wrong(f"{show(sent)} from {what}{extra}", show(came))
    return Right("You read server-sent events: comments, empty choices and an early end do not confuse your code.")


@exercise(
    hints=(
        "Start the stopwatch before the request leaves: `started = time.perf_counter()`.",
        "`stream(lab, question)` sends nothing yet. The request leaves when the loop asks for the first piece.",
        "Return `time.perf_counter() - started` inside the loop, at the first piece.",
    ),
    solution='''
import time


def first_token_time(lab, question):
    """Gives the seconds until the first piece of the answer is there."""
    started = time.perf_counter()
    for piece in stream(lab, question):
        return time.perf_counter() - started
''',
)
def q2(first_token_time: Callable[[Lab, str], object]) -> Verdict:
    """Write a function that measures how long the user waits for the first token."""
    for faults, what in ((None, "a steady cloud"), ("slow", "a cloud whose first token is late")):
        with simulator.run(_STEADY, text=_TEXT, faults=faults) as cloud:
            _ = cloud.lab.client  # making it takes time that is no wait for a token
            with learners_code():
                came = first_token_time(cloud.lab, _QUESTION)
        if not cloud.requests or not cloud.requests[-1].sent:
            return Wrong("a stream through `stream(lab, question)`, read up to its first piece", "no stream was read")
        request = cloud.requests[-1]
        waited = request.sent[0] - request.arrived
        # Half way to the last token: a busy computer may be late, and whoever reads on is later still.
        latest = waited + len(_TEXT.split()) * _STEADY.inter_token.mean_ms / 2000
        if isinstance(came, bool) or not isinstance(came, int | float) or not waited - 0.01 <= came <= latest:
            return Wrong(f"about {waited:.2f} seconds for {what}", show(came))
    return Right("You measured the wait that users feel most, and it was right for a slow cloud as well.")


@exercise(
    hints=(
        'A sentence ends with a piece that ends with ".", "!" or "?". Look at the end of the piece, not inside it.',
        'Collect the pieces in a text, and leave the loop when `piece.endswith((".", "!", "?"))`.',
        "Leaving the loop over `stream(...)` with `break` or `return` closes the connection. Do not read on.",
    ),
    solution='''
def first_sentence(lab, question):
    """Gives the first sentence of the answer, and stops the model there."""
    text = ""
    for piece in stream(lab, question):
        text += piece
        if piece.endswith((".", "!", "?")):
            break
    return text
''',
)
def q3(first_sentence: Callable[[Lab, str], object]) -> Verdict:
    """Write a function that returns the first sentence and stops the model."""
    for sentence in ("A model writes one token after another.", "Is a stream of version 2.5 safe?"):
        with _virtual(text=f"{sentence} {_TEXT}", faults="slow") as (cloud, clock):
            with learners_code():
                came = first_sentence(cloud.lab, _QUESTION)
            clock.sleep(60)  # so that a cloud that nobody stopped has the time to go on
        if came != sentence:
            return Wrong(f"the first sentence: {sentence!r}", show(came))
        if not cloud.requests:
            return Wrong("a request to the Lab that your function gets", "no request")
        request, needed = cloud.requests[-1], len(sentence.split())
        if request.completion_tokens > needed + 1:
            came_too = f"{request.completion_tokens} tokens; the request's ending is {request.ending!r}"
            return Wrong(f"a stream that is closed after the sentence, {needed} tokens long", came_too)
    return Right("The cloud stopped when your sentence was complete. What nobody reads, nobody has to pay for.")


@exercise(
    hints=(
        "Put the loop over `stream(...)` into `try:`, and catch one error: `except StreamInterrupted as error:`.",
        "The error knows both things that you need: `error.text` and `error.reason`.",
        'After the loop, when nothing was raised, return `answer.text, "complete"`.',
    ),
    solution='''
def read_carefully(lab, question):
    """Gives the text, and "complete" or the reason why it is not."""
    answer = stream(lab, question, stall_timeout=2)
    try:
        for piece in answer:
            pass
    except StreamInterrupted as error:
        return error.text, error.reason
    return answer.text, "complete"
''',
)
def q4(read_carefully: Callable[[Lab, str], object]) -> Verdict:
    """Write a function that returns the text and how the stream ended."""
    for ending in ("complete", *_REASONS):
        fault = None if ending == "complete" else ending
        with _virtual(faults=fault) as (cloud, _), learners_code():
            came = read_carefully(cloud.lab, _QUESTION)
        if not cloud.requests:
            return Wrong("a request to the Lab that your function gets", "no request")
        # A malformed chunk takes its own token with it.
        whole = cloud.requests[-1].completion_tokens if fault != "malformed" else None
        if not _is_ending(came, ending, whole):
            text = "the whole text" if fault is None else "the text so far"
            return Wrong(f"({text}, {ending!r}) for a stream that ends like this: {ending}", show(came))
    return Right("Six endings, six different answers. Your users will always know what they are looking at.")


@exercise(
    hints=(
        "A loop over three attempts: `for attempt in range(3):`. Return the text as soon as a stream is whole.",
        "Wait before you ask again, longer each time: `time.sleep(0.2 * 2**attempt)`.",
        "Catch StreamInterrupted and nothing else. At the last attempt let it through: `if attempt == 2: raise`.",
    ),
    solution='''
import time


def ask_again(lab, question):
    """Gives a whole answer; a stream that breaks off is asked for again, three times at most."""
    for attempt in range(3):
        answer = stream(lab, question, stall_timeout=2)
        try:
            for piece in answer:
                pass
            return answer.text
        except StreamInterrupted:
            if attempt == 2:
                raise
            time.sleep(0.2 * 2**attempt)
''',
)
def q5(ask_again: Callable[[Lab, str], object]) -> Verdict:
    """Write a function that asks again when a stream breaks off, and that knows when to give up."""
    for judge in (_judge_recovery, _judge_giving_up, _judge_refusal):
        if problem := judge(ask_again):
            return problem
    return Right("You ask again where it helps, wait in between, and give up in time. The cloud's verdict: clean.")


@exercise(
    hints=(
        "First write an `async def` for one question: `async for piece in astream(lab, question)`.",
        "A stream that breaks off must not take the others with it: catch StreamInterrupted in the helper, and return "
        "`error.text`.",
        "`await asyncio.gather(*(one(lab, q) for q in questions))` runs them at once and keeps their order.",
    ),
    solution='''
import asyncio


async def ask_all(lab, questions):
    """Asks all questions at once; gives a list of texts in the order of the questions."""

    async def ask_one(question):
        answer = astream(lab, question)
        try:
            async for piece in answer:
                pass
        except StreamInterrupted as error:
            return error.text
        return answer.text

    return list(await asyncio.gather(*map(ask_one, questions)))
''',
)
def q6(ask_all: Callable[[Lab, Sequence[str]], Coroutine[Any, Any, object]]) -> Verdict:
    """Write an async function that reads several streams at once."""
    questions = ["What is a token?", _QUESTION, "What is a stream?"]
    with _virtual("cloud", faults="cut@2") as (cloud, clock):
        try:
            with learners_code():
                came = clock.run(_awaited(ask_all, cloud.lab, questions))
        except AnswerRaised as raised:
            if not isinstance(raised.__cause__, SimulatorError):
                raise
            return Wrong("`async for piece in astream(...)`", "a blocking `stream(...)`, which holds all others up")
    asked = {request.prompt: request for request in cloud.requests}
    if list(asked) != questions:
        return Wrong(f"one request for each of {questions}", f"requests for {list(asked)}")
    if max(r.arrived for r in asked.values()) >= min(r.ended or 0.0 for r in asked.values()):
        return Wrong("all requests on their way before the first one has ended", "one request after the other")
    expected = [" ".join(_TEXT.split()[: request.completion_tokens]) for request in asked.values()]
    if came != expected:
        return Wrong(f"a list of three texts, the second one broken off: {show(expected[1])}", show(came))
    return Right("Three streams shared the time of one, and the one that broke off did not harm the others.")


@contextmanager
def _virtual(
    profile: str = "local", *, text: str = _TEXT, faults: str | None = None
) -> Iterator[tuple[Cloud, VirtualClock]]:
    """Gives a cloud whose waits cost no real time."""
    with VirtualClock() as clock, simulator.run(profile, text=text, faults=faults, clock=clock) as cloud:
        yield cloud, clock


def _raw_lines(lab: Lab) -> list[str]:
    with lab.client.chat.completions.with_streaming_response.create(
        model=lab.model,
        messages=[{"role": "user", "content": _QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    ) as response:
        return list(response.iter_lines())


def _is_ending(came: object, ending: str, tokens: int | None) -> bool:
    if not isinstance(came, tuple | list) or len(came) != len(("text", "ending")) or came[1] != ending:
        return False
    text = came[0]
    if tokens is None:
        return isinstance(text, str) and text != "" and _TEXT.startswith(text)
    return bool(text == " ".join(_TEXT.split()[:tokens]))


def _call(function: Callable[[Lab, str], object], lab: Lab) -> object:
    """Gives what a learner's function returns, or the error of labkit that it lets through."""
    with learners_code():
        try:
            return function(lab, _QUESTION)
        except LabkitError as error:
            return error


def _judge_recovery(ask_again: Callable[[Lab, str], object]) -> Wrong | None:
    with simulator.run("instant", text=_TEXT, faults="cut@1,truncated@2") as cloud:
        came = _call(ask_again, cloud.lab)
        if came != _TEXT:
            return Wrong("the whole text, though the first two streams break off", show(came))
        return _judge_manners(cloud)


def _judge_giving_up(ask_again: Callable[[Lab, str], object]) -> Wrong | None:
    with simulator.run("instant", text=_TEXT, faults="error") as cloud:
        came = _call(ask_again, cloud.lab)
        if len(cloud.requests) != _ATTEMPTS:
            expected = f"{_ATTEMPTS} attempts when every stream breaks off"
            return Wrong(expected, f"{len(cloud.requests)} attempts")
        if not isinstance(came, StreamInterrupted):
            return Wrong("the error StreamInterrupted after the last attempt, so that the caller knows", show(came))
        return _judge_manners(cloud)


def _judge_refusal(ask_again: Callable[[Lab, str], object]) -> Wrong | None:
    with simulator.run("instant", text=_TEXT, faults="unauthorised") as cloud:
        came = _call(ask_again, cloud.lab)
        if len(cloud.requests) > 1:
            expected = "one attempt when the cloud refuses the key: asking again changes nothing"
            return Wrong(expected, f"{len(cloud.requests)} attempts")
        if not isinstance(came, LabkitError):
            return Wrong("the error that says that the key is refused", show(came))
        return None


def _judge_manners(cloud: Cloud) -> Wrong | None:
    verdict = cloud.verdict()
    return None if verdict.is_clean else Wrong("a client that the cloud calls clean", repr(verdict))


async def _awaited(function: Callable[..., Any], *args: object) -> object:
    result = function(*args)
    return await result if isinstance(result, Coroutine) else result
