"""What a client asks for: the head and the body of a request, checked and written anew.

What goes on to the model is written here from parsed values, never copied from the client's bytes. So no trick with
paths, headers, lengths or doubled fields reaches it. Nothing here knows of keys and of rates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Headers = Iterable[tuple[bytes, bytes]]

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)  # made once: json.dumps makes one a call
_DEFAULT_ANSWER = 256  # tokens; Foundry Local reserves 2,048 for a request that names no limit, and then refuses it
_CHARACTERS_PER_TOKEN = 3  # a cautious guess; English has about four
_LIMITS = {  # the fields that limit an answer, by path; the first one is written where none was given
    "/v1/chat/completions": ("max_tokens", "max_completion_tokens"),
    "/v1/responses": ("max_output_tokens",),
}
_CONTENT = {"/v1/chat/completions": "messages", "/v1/responses": "input"}


class Refused(Exception):
    """A request is not passed on.

    Args:
        status: the HTTP status for the client.
        message: the cause and what to do, for the client.
        reason: the cause in two or three words, for log and metrics.
        code: OpenAI's code for it, where there is one.
        param: the field that is wrong.
        wait: seconds after which to come again.
        close: whether the connection cannot be used any more.
    """

    def __init__(
        self,
        status: int,
        message: str,
        reason: str,
        *,
        code: str | None = None,
        param: str | None = None,
        wait: float | None = None,
        close: bool = False,
    ) -> None:
        self.status, self.message, self.reason, self.code = status, message, reason, code
        self.param, self.wait, self.close = param, wait, close
        super().__init__(message)


@dataclass(frozen=True)
class Ask:
    """A request that may go on to the model.

    Attributes:
        body: what goes on.
        tokens: what it may use at most, prompt and answer together; the prompt is an estimate.
    """

    body: bytes
    tokens: int

    @classmethod
    def parse(cls, path: str, raw: bytes, max_tokens: int) -> Ask:
        """Reads a body.

        Args:
            path: the route, which says how the fields are called.
            raw: the body as it came.
            max_tokens: the longest answer that is allowed.

        Raises:
            Refused: the body cannot be used.
        """
        body = _object(raw)
        content = _CONTENT[path]
        if not isinstance(body.get("model"), str):
            raise _bad("Name a model: `model` must be a text. GET /v1/models lists them.", "model")
        if not body.get(content) or not isinstance(body[content], list | str):
            raise _bad(f"`{content}` is missing or empty.", content)
        if body.get("previous_response_id") is not None:
            raise _bad("Nothing is stored here, so send the whole conversation.", "previous_response_id")
        answer = _limit(body, _LIMITS[path], max_tokens)
        return cls(_write(body), len(raw) // _CHARACTERS_PER_TOKEN + answer)


def check_head(scope: Mapping[str, Any]) -> None:
    """Refuses heads that a proxy and a server could understand differently.

    Args:
        scope: the request as ASGI gives it.

    Raises:
        Refused: the head is ambiguous.
    """
    names = [name for name, _ in scope["headers"]]
    for once in (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type"):
        if names.count(once) > 1:
            raise _ambiguous(f"The header {once.decode()} came twice.")
    if b"content-length" in names and b"transfer-encoding" in names:
        raise _ambiguous("A request has either Content-Length or Transfer-Encoding.")
    if b"upgrade" in names:
        raise _ambiguous("This server does not change protocols.")


def key_of(headers: Headers) -> str | None:
    """Gives the API key that a request brought, or None."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() or None if scheme.lower() == "bearer" else None
    return None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise _bad("The body is no JSON.") from None
    if not isinstance(body, dict):
        raise _bad("The body must be a JSON object.")
    return body


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _limit(body: dict[str, Any], names: tuple[str, ...], most: int) -> int:
    given: dict[str, int] = {name: body[name] for name in names if body.get(name) is not None}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise _bad(f"`{name}` must be a whole number of at least 1.", name)
        if value > most:
            raise _bad(f"`{name}` is {value if value < 1 << 63 else 'huge'}, and {most} is allowed.", name)
    if not given:
        body[names[0]] = given[names[0]] = min(most, _DEFAULT_ANSWER)
    return max(given.values())


def _write(body: dict[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(body).encode()
    except (ValueError, RecursionError):
        raise _bad("The body holds numbers or nesting that JSON does not allow.") from None


def _bad(message: str, param: str | None = None) -> Refused:
    return Refused(400, message, "bad request", param=param)


def _ambiguous(message: str) -> Refused:
    return Refused(400, message, "ambiguous head", close=True)
