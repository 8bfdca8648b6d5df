"""Forgets chats that nobody can come back to. Chainlit keeps the messages of every chat until it ends.

It knows nothing of what is in them.
"""

from __future__ import annotations

import asyncio

from chainlit.chat_context import chat_contexts
from chainlit.config import config
from chainlit.session import BaseSession, WebsocketSession

_GRACE = 5.0  # seconds for answers that were cancelled to be kept
_waiting: set[asyncio.Task[None]] = set()


def forget_later(session: BaseSession) -> None:
    """Forgets a chat's messages once its session has ended for good.

    Args:
        session: a session that has just lost its browser.
    """
    is_cleared = getattr(session, "to_clear", False)
    task = asyncio.create_task(_forget(session.id, _GRACE + (0 if is_cleared else config.project.session_timeout)))
    _waiting.add(task)
    task.add_done_callback(_waiting.discard)


async def _forget(session_id: str, wait: float) -> None:
    await asyncio.sleep(wait)
    if WebsocketSession.get_by_id(session_id) is None:
        chat_contexts.pop(session_id, None)
