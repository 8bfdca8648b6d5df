"""The exercises of notebook 01, client setup.

Every check runs the learner's code against the real Foundry Local of this process, whatever BASE_URL says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from labkit.catalog import PATH, LoopbackCatalog
from labkit.client import Lab
from labkit.exercises.exercise import exercise, learners_code
from labkit.exercises.recorder import Exchange, Recorder
from labkit.exercises.shown import show
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.foundry import FoundryLocalManager
from labkit.ports import free_port

_QUESTION = "What is an alias?"
_ANSWER_LIMIT = 120  # tokens; every answer of the course models ends by itself within them


@exercise(
    hints=(
        "With `stream=True`, `create(...)` returns something that you can loop over: it gives one chunk at a time.",
        "The new text of a chunk is in `chunk.choices[0].delta.content`.",
        "The last chunk has no text: its content is None. Keep a piece only if there is one: `if piece:`.",
    ),
    solution='''
def stream_pieces(lab, question):
    """Returns a list with the pieces of the answer, in the order in which they arrive."""
    stream = lab.client.chat.completions.create(
        model=lab.model,
        messages=[{"role": "user", "content": question}],
        max_tokens=120,
        stream=True,
    )
    pieces = []
    for chunk in stream:
        piece = chunk.choices[0].delta.content
        if piece:
            pieces.append(piece)
    return pieces
''',
)
def q1(stream_pieces: Callable[[Lab, str], Iterable[object]]) -> Verdict:
    """Write a function that streams an answer and returns its pieces as a list."""
    with _watched() as (lab, recorder), learners_code():
        came = stream_pieces(lab, _QUESTION)
        if not isinstance(came, str | None):
            came = [piece for piece in came if piece != ""]  # an empty first piece does no harm
    if not any(chat.request.get("stream") for chat in recorder.chats):
        return Wrong("a request with stream=True", "no request that asks for a stream")
    pieces = recorder.chats[-1].pieces
    if came != pieces:
        return Wrong(
            f"a list of the {len(pieces)} pieces that came over the wire, beginning {show(pieces[:3])}", _pieces(came)
        )
    return Right(f"You caught all {len(pieces)} pieces, and nothing else.")


@exercise(
    hints=(
        "The chat API answers 404 to an alias. Who knows the exact id behind it? You called it a few cells above.",
        "`FoundryLocalManager(alias)` loads the model; its `get_model_info(alias)` knows the rest.",
        "The object that `get_model_info` returns has an `.id`. Return that.",
    ),
    solution='''
def model_id(alias):
    """Gives the exact name that the chat API accepts."""
    manager = FoundryLocalManager(alias)
    return manager.get_model_info(alias).id
''',
)
def q2(model_id: Callable[[str], object]) -> Verdict:
    """Write a function that gives the exact model id for an alias."""
    for alias in ("course-small", "course-large"):
        with learners_code():
            came = model_id(alias)
        with _local(alias) as lab:
            if came != lab.model:
                return Wrong(f"{lab.model!r} for {alias!r}", f"{show(came)}. {_service_says(lab, came)}")
    return Right("The service answered under both ids. An alias is for people, an id is for the chat API.")


@exercise(
    hints=(
        "Two messages: first one with the role `system`, then one with the role `user`.",
        "Pass `temperature=0` and a `max_tokens` between 1 and 120 beside `model` and `messages`.",
        "The text of the reply is in `reply.choices[0].message.content`.",
    ),
    solution='''
def ask(lab, question):
    """Sends a system message and the question; returns the answer as text."""
    reply = lab.client.chat.completions.create(
        model=lab.model,
        messages=[
            {"role": "system", "content": "You answer briefly."},
            {"role": "user", "content": question},
        ],
        temperature=0,
        max_tokens=120,
    )
    return reply.choices[0].message.content
''',
)
def q3(ask: Callable[[Lab, str], object]) -> Verdict:
    """Write a function that asks a question, with a system message, temperature 0 and a token limit."""
    with _watched() as (lab, recorder), learners_code():
        came = ask(lab, _QUESTION)
    if not recorder.chats:
        return Wrong("one request to /v1/chat/completions through lab.client", "no such request")
    sent = recorder.chats[-1]
    if problem := _wrong_messages(sent) or _wrong_limits(sent):
        return problem
    answer = "".join(sent.pieces)
    if came != answer:
        return Wrong(f"the text of the reply: {answer!r}", show(came))
    return Right("The request was complete, and you returned the text of the reply.")


@exercise(
    hints=(
        'Try `Endpoint.parse(base_url, "not-required").find_model(model)`. Each failure has an error of its own.',
        "`from labkit.errors import EndpointUnreachable, ModelNotFound, NotOpenAI`, then one `except` for each.",
        'In each `except`, return the word. After the `try`, when nothing was raised, return `"ok"`.',
    ),
    solution='''
from labkit.errors import EndpointUnreachable, ModelNotFound, NotOpenAI


def diagnose(base_url, model):
    """Says "ok", "unreachable", "not openai" or "unknown model"."""
    try:
        Endpoint.parse(base_url, "not-required").find_model(model)
    except EndpointUnreachable:
        return "unreachable"
    except NotOpenAI:
        return "not openai"
    except ModelNotFound:
        return "unknown model"
    return "ok"
''',
)
def q4(diagnose: Callable[[str, str], object]) -> Verdict:
    """Write a function that says what is wrong with an address and a model."""
    with _local() as lab, LoopbackCatalog() as other:
        cases = (
            (lab.endpoint, lab.model, "ok", "a service that works"),
            (f"http://127.0.0.1:{free_port()}/v1", lab.model, "unreachable", "a port where nothing listens"),
            (lab.endpoint, "phi-9-nano", "unknown model", "a model that nobody knows"),
            (other.url.removesuffix(PATH), lab.model, "not openai", "a web server of another kind"),
        )
        for base_url, model, expected, what in cases:
            with learners_code():
                came = diagnose(base_url, model)
            if came != expected:
                return Wrong(f"{expected!r} for {what}: diagnose({base_url!r}, {model!r})", show(came))
    return Right("Four situations, four different words: whoever reads them knows what to do next.")


@exercise(
    hints=(
        "Which temperature always takes the most likely token?",
        "An answer that is cut off has the finish reason `length`. Give it more room with `max_tokens`.",
        "Temperature 0, and `max_tokens` of about 120.",
    ),
    solution="""
repeatable = {"temperature": 0, "max_tokens": 120}
""",
)
def q5(repeatable: object) -> Verdict:
    """Find sampling settings with which the same question always gets the same, complete answer."""
    if not isinstance(repeatable, dict):
        return Wrong('a dictionary of settings, such as {"max_tokens": 5}', show(repeatable))
    with _local() as lab, learners_code():
        choices = [_answer(lab, **repeatable) for _ in range(5)]
    texts = sorted({text for text, _ in choices})
    if len(texts) > 1:
        examples = "\n".join(map(show, texts[:2]))
        return Wrong("5 times the same answer", f"{len(texts)} different ones, such as\n{examples}")
    if choices[0][1] != "stop":
        return Wrong("a complete answer (finish reason 'stop')", f"{show(texts[0])}, finish reason {choices[0][1]!r}")
    return Right("5 times the same, complete answer. Tests and demonstrations need settings like these.")


@contextmanager
def _local(alias: str = "course-large") -> Iterator[Lab]:
    manager = FoundryLocalManager(alias)
    info = manager.get_model_info(alias)
    lab = Lab("foundry-local", manager.endpoint, manager.api_key, info.id, info.context_length)
    with lab.client:
        yield lab


@contextmanager
def _watched() -> Iterator[tuple[Lab, Recorder]]:
    """Gives a Lab whose requests are recorded on their way to the real service."""
    with _local() as lab, Recorder(lab.endpoint) as recorder:
        watched = replace(lab, endpoint=recorder.endpoint)
        with watched.client:
            yield watched, recorder


def _service_says(lab: Lab, model: object) -> str:
    from openai import OpenAIError

    try:
        lab.client.chat.completions.create(
            model=str(model), messages=[{"role": "user", "content": _QUESTION}], max_tokens=1
        )
    except OpenAIError as error:
        return f"The service says to that: {error}"
    return "The service knows that name, but it is another model."


def _wrong_messages(sent: Exchange) -> Wrong | None:
    messages = sent.request.get("messages", [])
    roles = [message.get("role") for message in messages]
    if roles != ["system", "user"]:
        return Wrong("two messages with the roles ['system', 'user']", f"roles {roles}")
    if messages[1].get("content") != _QUESTION:
        return Wrong(f"the question as content of the user message: {_QUESTION!r}", show(messages[1].get("content")))
    return None


def _wrong_limits(sent: Exchange) -> Wrong | None:
    temperature, limit = sent.request.get("temperature"), sent.request.get("max_tokens")
    if temperature != 0:
        return Wrong("temperature=0", f"temperature {temperature}")
    if not isinstance(limit, int) or not 1 <= limit <= _ANSWER_LIMIT:
        return Wrong(f"max_tokens between 1 and {_ANSWER_LIMIT}", f"max_tokens {limit}")
    return None


def _answer(lab: Lab, **settings: Any) -> tuple[str, str]:
    reply = lab.client.chat.completions.create(
        model=lab.model, messages=[{"role": "user", "content": "What does a router do?"}], **settings
    )
    return reply.choices[0].message.content or "", reply.choices[0].finish_reason


def _pieces(came: object) -> str:
    """Says what a learner's list of pieces is like, since two long lists look the same at first sight."""
    if not isinstance(came, list):
        return f"{type(came).__name__}: {show(came)}" if came is not None else show(came)
    kinds = {type(piece).__name__ for piece in came} - {"str"}
    strange = f"; among them {', '.join(sorted(kinds))} instead of text" if kinds else ""
    return f"a list of length {len(came)}, beginning {show(came[:3])}{strange}"
