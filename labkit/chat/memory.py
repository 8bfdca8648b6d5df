"""What a chat remembers: which question got which answer, read from Chainlit's list of messages.

Chainlit's own translation of that list for OpenAI also holds errors and notices, and lacks answers that were stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import chainlit as cl

from labkit.chat.conversation import Turn, clean

COMPLETE, STOPPED, BROKEN = "complete", "stopped", "broken"


def note(question: cl.Message, answer: str, ending: str) -> dict[str, Any]:
    """Gives the metadata of an answer, which is kept with the message, on disk too.

    Args:
        question: what was asked.
        answer: the model's own words, without what is written under them.
        ending: how it ended; a broken answer is not remembered.
    """
    return {"question": question.id, "answer": answer, "ending": ending}


def turns_before(question: cl.Message) -> list[Turn]:
    """Gives the turns that a question comes after, oldest first.

    Args:
        question: what is asked now.
    """
    messages = cl.chat_context.get()
    notes = [_metadata(message) for message in messages]
    answers = {n["question"]: n["answer"] for n in notes if n.get("ending") in (COMPLETE, STOPPED) and n.get("answer")}
    turns = []
    for message in messages:
        if message.id == question.id:
            break
        if message.type == "user_message" and message.id in answers:
            turns.append(Turn(clean(message.content), answers[message.id]))
    return turns


def find(message_id: str) -> cl.Message | None:
    """Finds a message of this chat.

    Args:
        message_id: its id.
    """
    return next((message for message in cl.chat_context.get() if message.id == message_id), None)


def answers_to(question_id: str) -> list[cl.Message]:
    """Gives the answers to a question, whole or broken.

    Args:
        question_id: the question's id.
    """
    return [message for message in cl.chat_context.get() if _metadata(message).get("question") == question_id]


def _metadata(message: cl.Message) -> Mapping[str, Any]:
    found = message.metadata or {}
    if isinstance(found, str):  # as SQLite keeps it
        found = json.loads(found)
    return found if isinstance(found, Mapping) else {}
