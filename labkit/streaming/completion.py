"""`complete()` and `acomplete()`: a whole answer at once.

For comparison with a stream, and where nobody watches the answer grow. They know nothing of the chat format.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.errors import NotOpenAI, StreamInterrupted
from labkit.streaming.answer import Answer
from labkit.streaming.reader import Reader
from labkit.streaming.request import Messages, chat_request
from labkit.translation import translate

if TYPE_CHECKING:
    from labkit.client import Lab


def complete(
    lab: Lab,
    messages: Messages,
    *,
    timeout: float = 120.0,
    clock: Callable[[], float] = time.perf_counter,
    **options: Any,
) -> Answer:
    """Asks a model and waits for its whole answer.

    Args:
        lab: whom to ask.
        messages: the conversation, or the user's words alone.
        timeout: seconds that the server may take.
        clock: gives the time in seconds; a simulation brings its own.
        options: `temperature`, `max_tokens` (256 where left out) and whatever else the server understands.

    Returns:
        The answer. All of it came at once, so its time to the first token is its total time.

    Raises:
        ContextTooLong: prompt and answer do not fit into the model.
        StreamInterrupted: the answer has no finish reason, or an error in its place.
        RequestError: the server refused the request or did not answer in time; a subclass says why.
        EndpointError: nobody answers, or nobody who speaks this language.
        ModelNotFound: the server does not know the model.
    """
    from openai import APIError

    reader = Reader(clock, timeout, timeout)
    request = chat_request(lab, messages, options)
    reader.start()
    try:
        raw = lab.client.chat.completions.with_raw_response.create(**request, timeout=timeout)
    except APIError as error:
        raise translate(error, lab, timeout) from error
    return _answer(lab, reader, raw.content)


async def acomplete(
    lab: Lab,
    messages: Messages,
    *,
    timeout: float = 120.0,
    clock: Callable[[], float] = time.perf_counter,
    **options: Any,
) -> Answer:
    """Does what `complete()` does, for `await`.

    Args:
        lab: whom to ask.
        messages: the conversation, or the user's words alone.
        timeout: seconds that the server may take.
        clock: gives the time in seconds; a simulation brings its own.
        options: `temperature`, `max_tokens` (256 where left out) and whatever else the server understands.
    """
    from openai import APIError

    reader = Reader(clock, timeout, timeout)
    request = chat_request(lab, messages, options)
    reader.start()
    try:
        raw = await lab.async_client.chat.completions.with_raw_response.create(**request, timeout=timeout)
    except APIError as error:
        raise translate(error, lab, timeout) from error
    return _answer(lab, reader, raw.content)


def _answer(lab: Lab, reader: Reader, body: bytes) -> Answer:
    try:
        reader.take_whole(body)
        reader.end()
    except StreamInterrupted as error:
        if error.reason != "malformed":
            raise
        raise NotOpenAI(
            f"The server at {lab.endpoint} answers, but not with a chat completion: it sent {body[:60]!r}. "
            "Correct BASE_URL."
        ) from error
    return Answer(lab, reader)
