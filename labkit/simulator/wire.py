"""The bytes of OpenAI's chat protocol.

Source: OpenAI's API reference, "Chat completions". This module knows nothing of time and of sockets.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from labkit.simulator.fault import Fault

SOURCE = b"simulated-cloud"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # made once: json.dumps makes one a call
DONE = b"data: [DONE]\n\n"
HTML = b"<!doctype html><title>Sign in</title><h1>This network asks you to sign in</h1>"

_ERRORS: dict[int, tuple[str, str, str | None]] = {  # status: message, type, code
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    429: ("Rate limit reached. Please try again in 1s.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None),
}
STATUS = {Fault.RATE_LIMITED: 429, Fault.BROKEN: 500, Fault.UNAVAILABLE: 503, Fault.UNAUTHORISED: 401}


def pack(value: Any) -> bytes:
    """Writes a value as compact JSON."""
    return _ENCODER.encode(value).encode()


def halve(event: bytes) -> bytes:
    """Breaks a server-sent event in the middle, so that it holds no JSON any more."""
    return event[: len(event) // 2] + b"\n\n"


def error(status: int, message: str | None = None, param: str | None = None, **extra: str | None) -> dict[str, Any]:
    """Builds an error object.

    Args:
        status: the HTTP status, which gives the type and the usual message.
        message: what to say instead of the usual message.
        param: the field of the request that is wrong.
        extra: `type` and `code`, where the usual ones do not fit.
    """
    usual, kind, code = _ERRORS.get(status, ("The request cannot be used.", "invalid_request_error", None))
    return {"error": {"message": message or usual, "type": kind, "param": param, "code": code} | extra}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Builds the usage object."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


class Writer:
    """Writes the chunks, or the whole, of one answer.

    Args:
        ident: the answer's id.
        model: the model's name.
        created: seconds since 1970.
    """

    def __init__(self, ident: str, model: str, created: int) -> None:
        self._head = {"id": ident, "created": created, "model": model, "system_fingerprint": "simulated"}

    @cached_property
    def _before(self) -> bytes:
        return b"data: " + self._chunk([])[:-2] + b'{"index":0,"delta":{"content":'

    def first(self, text: str) -> bytes:
        """Writes the chunk with the role, and the first text."""
        return self._event([_choice({"role": "assistant", "content": ""})]) + self.text(text)

    def text(self, text: str) -> bytes:
        """Writes a chunk with text."""
        # Only the text differs from chunk to chunk, and there are thousands of chunks in a second.
        return self._before + pack(text) + b'},"finish_reason":null}]}\n\n'

    def finish(self, reason: str) -> bytes:
        """Writes the chunk with the finish reason."""
        return self._event([_choice({}, reason)])

    def usage(self, counts: dict[str, int], cost: float) -> bytes:
        """Writes the chunk that has usage and no choices."""
        return b"data: " + self._chunk([], usage=counts, cost_usd=cost) + b"\n\n"

    def whole(self, text: str, reason: str | None, counts: dict[str, int], cost: float) -> bytes:
        """Writes an answer that is no stream."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return pack(self._head | {"object": "chat.completion", "choices": [choice], "usage": counts, "cost_usd": cost})

    def _event(self, choices: list[dict[str, Any]]) -> bytes:
        return b"data: " + self._chunk(choices) + b"\n\n"

    def _chunk(self, choices: list[dict[str, Any]], **extra: Any) -> bytes:
        return pack(self._head | {"object": "chat.completion.chunk"} | extra | {"choices": choices})


def _choice(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}
