"""Rate limits: requests and tokens a minute, with the headers that OpenAI sends.

Source: OpenAI's guide "Rate limits", section "Rate limits in headers". Each limit is a token bucket that holds a
minute's worth and fills evenly. A refused request takes nothing, so that Retry-After is the true wait. Nothing here
knows of HTTP beyond the names of headers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


class _Bucket:
    """Holds what may still be used of one limit."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._level = float(limit)
        self._at = 0.0

    def level(self, now: float) -> float:
        """Gives what may be used at a moment, in seconds of the loop's clock."""
        filled = self._level + (now - self._at) * self.limit / 60
        self._level, self._at = min(filled, self.limit), now
        return self._level

    def wait(self, amount: int, now: float) -> float:
        """Gives the seconds until an amount may be used."""
        return max(0.0, (amount - self.level(now)) * 60 / self.limit)

    def take(self, amount: int) -> None:
        self._level -= amount

    def headers(self, now: float) -> Headers:
        level = self.level(now)
        reset = (self.limit - level) * 60 / self.limit
        name = self.name.encode()
        return [
            (b"x-ratelimit-limit-" + name, b"%d" % self.limit),
            (b"x-ratelimit-remaining-" + name, b"%d" % max(level, 0)),
            (b"x-ratelimit-reset-" + name, go_duration(reset).encode()),
        ]


@dataclass(frozen=True)
class Refusal:
    """Why a request is over a limit.

    Attributes:
        kind: `requests` or `tokens`.
        message: the reason in OpenAI's words.
        wait: seconds until it fits; None when it never will.
    """

    kind: str
    message: str
    wait: float | None


class Limits:
    """The limits of one server, or of one of its users.

    Args:
        requests: a minute, at most; None sets no limit.
        tokens: a minute, at most; None sets no limit.
    """

    def __init__(self, requests: int | None, tokens: int | None) -> None:
        limits = {"requests": requests, "tokens": tokens}
        self._buckets = [_Bucket(name, limit) for name, limit in limits.items() if limit is not None]

    def admit(self, tokens: int, model: str, now: float) -> Refusal | None:
        """Lets a request through, or says why not.

        Args:
            tokens: what the request may use at most.
            model: the model's name, for the message.
            now: seconds of the loop's clock.
        """
        if not self._buckets:
            return None
        amounts = [(bucket, 1 if bucket.name == "requests" else tokens) for bucket in self._buckets]
        for bucket, amount in amounts:
            if amount > bucket.limit:
                return _too_large(bucket, amount, model)
        bucket, amount = max(amounts, key=lambda pair: pair[0].wait(pair[1], now))
        if bucket.wait(amount, now) > 0:
            return _over(bucket, amount, model, now)
        for bucket, amount in amounts:
            bucket.take(amount)
        return None

    def headers(self, now: float) -> Headers:
        """Gives the x-ratelimit headers."""
        return [header for bucket in self._buckets for header in bucket.headers(now)]


def retry_headers(wait: float) -> Headers:
    """Gives the headers that ask a client to wait.

    Args:
        wait: seconds. Retry-After has whole seconds only, so it is rounded up.
    """
    return [(b"retry-after", b"%d" % max(1, math.ceil(wait))), (b"retry-after-ms", b"%d" % math.ceil(wait * 1000))]


def go_duration(seconds: float) -> str:
    """Writes a duration like OpenAI's headers do: 17ms, 8.64s, 6m0s."""
    millis = math.ceil(seconds * 1000)
    minutes, rest = divmod(millis, 60_000)
    if 0 < millis == millis % 1000:
        return f"{millis}ms"
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"


def _over(bucket: _Bucket, amount: int, model: str, now: float) -> Refusal:
    wait, unit = bucket.wait(amount, now), "RPM" if bucket.name == "requests" else "TPM"
    used = bucket.limit - int(bucket.level(now))
    message = (
        f"Rate limit reached for {model} on {bucket.name} per min ({unit}): Limit {bucket.limit}, Used {used}, "
        f"Requested {amount}. Please try again in {go_duration(wait)}."
    )
    return Refusal(bucket.name, message, wait)


def _too_large(bucket: _Bucket, amount: int, model: str) -> Refusal:
    message = (
        f"Request too large for {model} on tokens per min (TPM): Limit {bucket.limit}, Requested {amount}. "
        "The input or output tokens must be reduced in order to run successfully."
    )
    return Refusal(bucket.name, message, None)
