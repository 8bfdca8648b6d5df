"""The exercises of notebook 05, the chat application.

Every check writes the learner's application into a file, launches it with Chainlit, and talks to it over its
websocket, as a browser does. Behind it stands a simulated cloud with fixed text, so that the check knows what is right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit import launch, simulator
from labkit.chat.client import ChatClient
from labkit.chat.exchange import Exchange
from labkit.exercises.exercise import exercise, learners_code
from labkit.exercises.recorder import Recorder
from labkit.exercises.verdict import Right, Verdict, Wrong
from labkit.ports import free_port
from labkit.simulator import Cloud, Latency, Profile

_TEXT = " ".join(f"word{number}" for number in range(60))
_STEADY = Profile("steady", first_token=Latency(200), inter_token=Latency(30))
_PIECES = 5  # a stream of sixty tokens has at least so many
_PATIENCE = 10.0  # seconds until the cloud has noticed that its client left
_SHOWN = 160  # characters
_LONG = "Why do chat apps stream tokens? " * 20

_HEAD = """
import chainlit as cl

import labkit

lab = labkit.connect()
"""


@exercise(
    hints=(
        "Send an empty `cl.Message(content='')` first? Not needed: `await reply.stream_token(text)` opens it.",
        "`async for chunk in stream:` gives chunks; the last ones have no choices: `if chunk.choices:`.",
        "When the loop has ended, `await reply.send()` completes the message.",
    ),
    solution=f"""
stream_app = '''{_HEAD}

@cl.on_message
async def answer(message: cl.Message):
    reply = cl.Message(content="")
    stream = await lab.async_client.chat.completions.create(
        model=lab.model,
        messages=[{{"role": "user", "content": message.content}}],
        max_tokens=200,
        stream=True,
    )
    async for chunk in stream:
        if chunk.choices:
            await reply.stream_token(chunk.choices[0].delta.content or "")
    await reply.send()
'''
""",
)
def q1(stream_app: str) -> Verdict:
    """Write an application that streams its answers."""
    with _cloud() as cloud, _app(stream_app, cloud.endpoint, cloud.lab.model) as chat:
        exchange = chat.ask("Please stream.")
    if exchange.text.strip() != _TEXT:
        return Wrong(f"the whole answer of the model: {_cut(_TEXT)}", _show(exchange))
    pieces = len(exchange.answers[-1].pieces)
    if pieces < _PIECES:
        return Wrong("an answer in many pieces, each shown when it comes", f"an answer in {pieces or 1} piece(s)")
    if exchange.answers[-1].whole_at is None:
        expected = "a message that is completed with `await reply.send()`"
        return Wrong(expected, "an open stream. Perhaps your code raised: Chainlit hides exceptions.")
    return Right(f"Your answer came in {pieces} pieces; the first was there after {exchange.first_text_seconds:.2f} s.")


@exercise(
    hints=(
        'Begin the list of messages with `{"role": "system", "content": "Answer in one sentence."}`.',
        "`cl.chat_context.to_openai()` gives the conversation of this user, the new question included.",
        "For that, each answer has to be completed with `await reply.send()`.",
    ),
    solution=f"""
history_app = '''{_HEAD}
SYSTEM = {{"role": "system", "content": "Answer in one sentence."}}


@cl.on_message
async def answer(message: cl.Message):
    reply = cl.Message(content="")
    stream = await lab.async_client.chat.completions.create(
        model=lab.model,
        messages=[SYSTEM, *cl.chat_context.to_openai()],
        max_tokens=200,
        stream=True,
    )
    async for chunk in stream:
        if chunk.choices:
            await reply.stream_token(chunk.choices[0].delta.content or "")
    await reply.send()
'''
""",
)
def q2(history_app: str) -> Verdict:
    """Write an application that remembers the conversation of each user, and begins with a system prompt."""
    with (
        _cloud() as cloud,
        Recorder(cloud.endpoint) as recorder,
        _app(history_app, recorder.endpoint, cloud.lab.model) as chat,
    ):
        chat.ask("My name is Anna.")
        chat.ask("What is my name?")
        told = recorder.chats[-1].request["messages"] if recorder.chats else []
    came = [(message["role"], _cut(str(message["content"]), 40)) for message in told]
    wanted = [("system", "Answer in one sentence."), ("user", "My name is Anna.")]
    wanted += [("assistant", _cut(_TEXT, 40)), ("user", "What is my name?")]
    if came != wanted:
        return Wrong(f"the second question sent to the model with these messages:\n{_lines(wanted)}", _lines(came))
    return Right("The model was told who spoke before, in order, and each user has a conversation of their own.")


@exercise(
    hints=(
        "Stop raises `asyncio.CancelledError` where your code waits, which is inside the loop.",
        "Catch it around the loop, add the mark to `reply.content`, and `await reply.send()`.",
        "End with `await stream.close()`, so that the model stops, and `raise`, so that Chainlit knows.",
    ),
    solution=f"""
stop_app = '''
import asyncio
{_HEAD}

@cl.on_message
async def answer(message: cl.Message):
    reply = cl.Message(content="")
    stream = await lab.async_client.chat.completions.create(
        model=lab.model,
        messages=[{{"role": "user", "content": message.content}}],
        max_tokens=200,
        stream=True,
    )
    try:
        async for chunk in stream:
            if chunk.choices:
                await reply.stream_token(chunk.choices[0].delta.content or "")
    except asyncio.CancelledError:
        await stream.close()
        reply.content += " [stopped]"
        raise
    finally:
        await reply.send()
'''
""",
)
def q3(stop_app: str) -> Verdict:
    """Write an application whose Stop button stops the model, and which keeps what has come, marked with [stopped]."""
    with _cloud() as cloud, _app(stop_app, cloud.endpoint, cloud.lab.model) as chat:
        chat.send("Please stop.")
        chat.wait_for_text()
        exchange = chat.stop()
        kept = [said for said in exchange.answers if said.text.startswith("word0")]
        has_left = _has_left(cloud)
        whole = chat.ask("Once more.").text
    if not has_left:
        return Wrong("a model that stops: its connection is closed", "a model that wrote to the end, for nobody")
    if not kept or not kept[-1].text.rstrip().endswith("[stopped]") or kept[-1].whole_at is None:
        return Wrong("the words that had come, and then [stopped], sent as a message", _show(exchange))
    if whole.strip() != _TEXT:
        return Wrong("a whole answer to the next question, without a mark", _cut(whole))
    return Right("The model stopped, the user keeps the half, and the next question gets a whole answer.")


@exercise(
    hints=(
        "Put `try:` around the request and around the loop: both can fail.",
        "`labkit.streaming.astream` raises a `labkit.errors.LabkitError`, also for a stream that ends too early.",
        '`await cl.ErrorMessage(content="...").send()` is what the user sees.',
    ),
    solution=f"""
error_app = '''{_HEAD}
from labkit.errors import LabkitError
from labkit.streaming import astream


@cl.on_message
async def answer(message: cl.Message):
    reply = cl.Message(content="")
    try:
        async for piece in astream(lab, message.content):
            await reply.stream_token(piece)
        await reply.send()
    except LabkitError as error:
        await cl.ErrorMessage(content=f"There is no whole answer. {{error}} Please ask again.").send()
'''
""",
)
def q4(error_app: str) -> Verdict:
    """Write an application that says so when the model fails, whether at once, in the middle, or too early."""
    with _cloud() as cloud, _app(error_app, cloud.endpoint, cloud.lab.model) as chat:
        healthy = chat.ask("Are you well?")
        if healthy.errors or healthy.text.strip() != _TEXT:
            return Wrong("a whole answer and no error from a healthy cloud", _show(healthy))
        for fault in ("500", "cut", "truncated"):
            cloud.break_with(fault)
            exchange = chat.ask(f"What does {fault} look like?")
            if not exchange.errors:
                return Wrong(f"an error message for the fault {fault!r}", f"none. {_show(exchange)}")
            if any("Traceback" in error for error in exchange.errors):
                return Wrong("words for people", f"a traceback: {_cut(exchange.errors[-1])}")
    return Right("Your users read what happened, whenever it happens.")


@exercise(
    hints=(
        "`router = Router(available())` once, at the top; it starts the local model and the simulated cloud.",
        "`stream = router.astream(message.content)`, and afterwards `stream.reply.source` says who answered.",
        "Ask for at most 120 tokens, and put the source under the answer: `await reply.stream_token(...)`.",
    ),
    solution="""
routing_app = '''
import chainlit as cl

from labkit.routing import Router, available

router = Router(available())


@cl.on_message
async def answer(message: cl.Message):
    reply = cl.Message(content="")
    stream = router.astream(message.content, max_tokens=120)
    async for piece in stream:
        await reply.stream_token(piece)
    await reply.stream_token(f" ({stream.reply.source})")
    await reply.send()
'''
""",
)
def q5(routing_app: str) -> Verdict:
    """Write an application that asks a router, and says under each answer who gave it."""
    with _app(routing_app) as chat:
        for question, source in (("What is a token?", "foundry-local"), (_LONG, "simulated-cloud")):
            exchange = chat.ask(question)
            if source not in exchange.text:
                expected = f"an answer to {_cut(question, 40)!r} that names its source, {source}"
                return Wrong(expected, _show(exchange))
    return Right("Short questions stay here, long ones go to the cloud, and your users can tell which did.")


def _cloud() -> Cloud:
    return simulator.run(_STEADY, text=_TEXT)


@contextmanager
def _app(app: str, endpoint: str | None = None, model: str | None = None) -> Iterator[ChatClient]:
    """Launches the learner's application, given as its text or as the name of its file, and opens a chat with it."""
    settings: Mapping[str, str] = {"BASE_URL": endpoint or "", "MODEL": model or ""}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "app.py"
        with learners_code():
            file.write_text(_text(app), "utf-8")
            program = launch.chat(file, port=free_port(), show=False, env=settings)
        with program, ChatClient.at(program.url) as chat:
            yield chat


def _text(app: str) -> str:
    if not isinstance(app, str):
        raise TypeError(f"the application is a text or the name of a file, not {type(app).__name__}")
    is_name = app.strip().endswith(".py") and "\n" not in app.strip()
    return Path(app.strip()).read_text("utf-8") if is_name else app


def _has_left(cloud: Cloud) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if cloud.requests and cloud.requests[-1].ended is not None:
            return cloud.requests[-1].ending == "left"
        time.sleep(0.05)
    return False


def _show(exchange: Exchange) -> str:
    shown = [f"error: {_cut(said.text)}" if said.is_error else _cut(said.text) for said in exchange.said if said.text]
    return "\n".join(shown) or "nothing at all. The log of the application may say why; Chainlit hides exceptions."


def _lines(messages: list[tuple[str, str]]) -> str:
    return "\n".join(f"{role}: {content}" for role, content in messages) or "no request to the model"


def _cut(text: str, length: int = _SHOWN) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
