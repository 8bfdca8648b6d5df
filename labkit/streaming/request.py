"""A chat request: from what a learner types to what the server gets.

It knows nothing of answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.client import Lab

Messages = str | Iterable[Mapping[str, Any]]

_ANSWER = 256  # tokens: twice what a bundled model ever says
_SHARE = 4  # an answer may fill a quarter of the context


def chat_request(lab: Lab, messages: Messages, options: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the arguments for the OpenAI client's `chat.completions.create`.

    The limit of the answer is always sent: without one, Foundry Local reserves 2,048 tokens, and a model with a
    shorter context then refuses every prompt.

    Args:
        lab: who is asked.
        messages: the conversation, or the user's words alone.
        options: `temperature`, `max_tokens` and whatever else the server understands.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    request = {"model": lab.model, "messages": list(messages), **options}
    if "max_tokens" not in options and "max_completion_tokens" not in options:
        request["max_tokens"] = default_max_tokens(lab.context_length)
    return request


def default_max_tokens(context_length: int | None) -> int:
    """Gives the limit for an answer where the caller sets none.

    Args:
        context_length: tokens that the model holds, where known.

    Returns:
        256 tokens, or a quarter of a smaller context.
    """
    return _ANSWER if context_length is None else max(1, min(_ANSWER, context_length // _SHARE))
