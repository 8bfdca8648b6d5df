"""An error in plain words, with what to do about it.

It knows nothing of Chainlit.
"""

from __future__ import annotations

from labkit import errors
from labkit.chat.words import Words


class PrivacyOn(errors.LabkitError):
    """The user forbids that a question leaves this machine, and asks somebody elsewhere."""


_KEYS: tuple[tuple[type[Exception], str], ...] = (  # subclasses before their parents
    (PrivacyOn, "private"),
    (errors.EndpointUnreachable, "down"),
    (errors.RuntimeUnavailable, "down"),
    (errors.Unauthorised, "key"),
    (errors.EndpointError, "down"),
    (errors.ContextTooLong, "long"),
    (errors.RateLimited, "limited"),
    (errors.TimedOut, "slow"),
    (errors.DeadlineExceeded, "slow"),
    (errors.StreamInterrupted, "broken"),
    (errors.ModelError, "model"),
    (errors.NoBackend, "nobody"),
    (errors.LabkitError, "failed"),
)


def is_unreachable(error: Exception) -> bool:
    """Says whether an error means that nobody is there, so that health should be looked at.

    Args:
        error: what was raised.
    """
    return _key(error) in ("down", "slow", "broken", "nobody", "failed")


def explain(error: Exception, name: str, words: Words) -> str:
    """Says in Markdown what happened, what to do, and what the error itself says.

    Args:
        error: what was raised.
        name: who was asked.
        words: the language.
    """
    key = _key(error, name)
    gaps: dict[str, object] = {"name": name}
    if isinstance(error, errors.ContextTooLong):
        gaps |= {"needed": f"{error.needed:,}", "limit": f"{error.limit:,}"}
    said = str(error).replace("`", "'") or type(error).__name__
    details = "\n".join(f"> {line}" for line in f"{words('details')}: {said}".splitlines())
    return f"{words(key, **gaps)} {words(f'{key}_fix')}\n\n{details}"


def _key(error: Exception, name: str = "") -> str:
    if isinstance(error, errors.StreamInterrupted) and not error.text:
        return "failed"
    return next((key for kind, key in _KEYS if isinstance(error, kind)), "unexpected")
