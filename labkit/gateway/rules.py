"""What the gateway allows: sizes, rates, times and browser origins.

It knows nothing of how a rule is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from labkit.errors import GatewayError


@dataclass(frozen=True)
class Rules:
    """The limits of a gateway.

    Attributes:
        requests_per_minute: of one key.
        tokens_per_minute: of one key; a request counts with its prompt and with the longest answer that it allows.
        concurrent_per_key: requests of one key at the same time.
        concurrent: requests of all keys at the same time.
        max_tokens: the longest answer, in tokens.
        max_body: the largest request, in bytes.
        origins: browser origins that may call, such as `http://127.0.0.1:5173`; `*` allows all.
        head_timeout: seconds for the request's head, from the first byte on.
        body_timeout: seconds for the request's body.
        stall_timeout: seconds in which neither the model says anything nor the client reads anything.

    Raises:
        GatewayError: a value cannot be used.
    """

    requests_per_minute: int = 60
    tokens_per_minute: int = 60_000
    concurrent_per_key: int = 4
    concurrent: int = 256
    max_tokens: int = 1_024
    max_body: int = 1 << 20
    origins: tuple[str, ...] = ()
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    stall_timeout: float = 120.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "origins" and not value > 0:
                raise GatewayError(f"{name}={value!r} cannot be used. Give a number above 0.")
        for origin in self.origins:
            if origin != "*" and not _is_origin(origin):
                raise GatewayError(
                    f"The origin {origin!r} cannot be used. Write it as browsers do: scheme, host and port and nothing "
                    "behind them, such as http://127.0.0.1:5173."
                )


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and text == f"{parts.scheme}://{parts.netloc}"
