"""From the OpenAI client's exceptions to labkit's, for every kind of call.

Streamed and whole answers, synchronous and asynchronous ones, and the router all rely on this one translation. It
knows nothing of what came before the error, and it decides nothing: whether to try again is the caller's question.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from labkit.errors import (
    ContextTooLong,
    EndpointUnreachable,
    LabkitError,
    ModelNotFound,
    NotOpenAI,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TimedOut,
    Unauthorised,
)

if TYPE_CHECKING:
    from openai import APIConnectionError, APIError, APIStatusError

    from labkit.client import Lab

# Foundry Local: "request requires 6017 total tokens (6012 input + 5 output), which exceeds the model's maximum
# context length of 1024 tokens". OpenAI and Azure: "This model's maximum context length is 128000 tokens. However,
# your messages resulted in 130000 tokens" or "However, you requested 130000 tokens (129000 in the messages, ...)".
_NEEDED = re.compile(r"(?:requires|resulted in|requested)\s+([\d,]+)(?:\s+total)?\s+tokens")
_LIMIT = re.compile(r"maximum context length (?:of|is) ([\d,]+) tokens")


def translate(error: APIError, lab: Lab, timeout: float) -> LabkitError:
    """Gives the labkit error that says what an OpenAI client's exception means.

    Args:
        error: what the client raised.
        lab: whom it was asking.
        timeout: how long it waited for an answer, in seconds.
    """
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        return _status(error, lab)
    if isinstance(error, APIConnectionError):
        return _connection(error, lab, timeout)
    return context_too_long(error.message) or NotOpenAI(
        f"The server at {lab.endpoint} answers, but not as an OpenAI-compatible server: {error.message}. "
        "Correct BASE_URL."
    )


def context_too_long(message: str) -> ContextTooLong | None:
    """Reads both numbers out of a server's message about a too long prompt, or gives None for another message.

    Args:
        message: what the server said, in Foundry Local's or in OpenAI's words.
    """
    needed, limit = _NEEDED.search(message), _LIMIT.search(message)
    if needed is None or limit is None:
        return None
    return ContextTooLong(_number(needed), _number(limit))


def is_connecting(error: APIConnectionError) -> bool:
    """Says whether a connection failed before any request was sent."""
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def _connection(error: APIConnectionError, lab: Lab, timeout: float) -> LabkitError:
    from openai import APITimeoutError

    if isinstance(error, APITimeoutError) and not is_connecting(error):
        return TimedOut(timeout)
    what = "Nothing answers" if is_connecting(error) else "The server hung up before it answered"
    return EndpointUnreachable(
        f"{what} at {lab.endpoint} ({error.__cause__ or error}). Start that server or correct BASE_URL; "
        "`labkit doctor` looks at ports, and `labkit.connect()` starts Foundry Local again."
    )


def _status(error: APIStatusError, lab: Lab) -> LabkitError:
    status, message = error.status_code, error_message(error.body) or f"HTTP {error.status_code}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unauthorised(f"The server at {lab.endpoint} refuses the API key (HTTP {status}). Set API_KEY.")
    if too_long := context_too_long(message):
        return too_long
    if status == HTTPStatus.NOT_FOUND:
        return _not_found(error, lab)
    wait = retry_after(error.response.headers)
    if (
        status == HTTPStatus.TOO_MANY_REQUESTS and error.code != "insufficient_quota"
    ):  # no waiting helps against an empty account
        return RateLimited(wait, message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerFailed(status, wait, message)
    return RequestRefused(status, message)


def _not_found(error: APIStatusError, lab: Lab) -> LabkitError:
    if isinstance(error.body, Mapping) and "message" in error.body:  # frameworks answer otherwise to unknown paths
        return ModelNotFound(lab.model, (), f"the server at {lab.endpoint}")
    return NotOpenAI(
        f"{lab.endpoint} answers, but it has no chat completions (HTTP 404). "
        "Correct BASE_URL; for Foundry Local it looks like http://127.0.0.1:51211/v1."
    )


def error_message(body: object) -> str:
    """Takes the message out of an error object as OpenAI-compatible servers send it; empty where there is none.

    Args:
        body: the decoded `error` object, or what a server sent in its place.
    """
    message = body.get("message") if isinstance(body, Mapping) else body
    return str(message or "").strip().rstrip(".")[:500]


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """Reads how many seconds a server wants to be left alone.

    Args:
        headers: of the response. `retry-after-ms` (OpenAI, Azure) is the finer one; `Retry-After` holds seconds or
            a date (RFC 9110, section 10.2.3).
    """
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        return None if value is None else _seconds(value)
    except ValueError:
        return None


def _seconds(value: str) -> float:
    try:
        return max(0.0, float(value))
    except ValueError:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())


def _number(match: re.Match[str]) -> int:
    return int(match[1].replace(",", ""))
