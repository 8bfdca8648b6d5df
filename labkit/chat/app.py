"""The chat application: what happens when somebody opens the page, asks, stops, edits, retries, leaves or comes back.

    chainlit run labkit/chat/app.py -w --port 8080

Each function answers one of Chainlit's events; the work is done in the modules beside this one.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import chainlit as cl
from chainlit.server import app as web_app
from chainlit.types import ThreadDict

from labkit.chat import panel, place, web
from labkit.chat.accounts import Accounts
from labkit.chat.backends import Backends
from labkit.chat.chat import Chat
from labkit.chat.cleaner import forget_later
from labkit.chat.history import STOPPED, History
from labkit.chat.preferences import Preferences
from labkit.chat.words import Words
from labkit.errors import LabkitError
from labkit.settings import Settings

place.settle()
settings = Settings.load()
folder = settings.home / "chat"
accounts = Accounts(folder)

if not hasattr(web_app.state, "backends"):  # else -w has loaded this file anew, and the backends stay
    web_app.state.backends = Backends()
    web.extend(web_app.state.backends.monitors)
backends: Backends = web_app.state.backends

try:
    login = place.demands_login(settings, accounts.names)
    os.environ.setdefault("CHAINLIT_AUTH_SECRET", accounts.secret())
except LabkitError as refused:
    raise place.refuse(refused) from refused


@cl.on_app_startup
async def warm_up() -> None:
    """Starts model and cloud beside the first page, so that the page does not wait for them."""
    web_app.state.warming = asyncio.create_task(backends.warm_up())


@cl.on_app_shutdown
async def shut_down() -> None:
    backends.stop()


@cl.set_chat_profiles
async def chat_profiles(_user: cl.User | None, language: str | None) -> list[cl.ChatProfile]:
    return panel.profiles(backends, Words(language))


@cl.set_starters
async def starters(_user: cl.User | None, language: str | None) -> list[cl.Starter]:
    return panel.starters(Words(language))


@cl.on_chat_start
async def start() -> None:
    """Gives a new chat its state, and shows the settings."""
    chat = open_chat()
    await panel.show_settings(await backends.loaded_models(), chat.preferences, chat.words)


@cl.on_chat_resume
async def resume(thread: ThreadDict) -> None:
    """Gives a chat that comes back from disk its state; Chainlit shows its messages."""
    chat = open_chat()
    chat.preferences = Preferences.parse(cl.user_session.get("chat_settings"))
    await panel.show_settings(await backends.loaded_models(), chat.preferences, chat.words)


@cl.on_settings_update
async def change_settings(values: dict[str, Any]) -> None:
    current_chat().preferences = Preferences.parse(values)


@cl.on_message
async def answer(question: cl.Message) -> None:
    """Answers a question, new or edited."""
    # Chainlit cancels this task when Stop is pressed. After an edit it does not know the task unless it is told.
    cl.context.session.current_task = asyncio.current_task()
    await current_chat().ask(question)


@cl.action_callback("retry")
async def retry(action: cl.Action) -> None:
    """Asks again, here or elsewhere. The button's own request ends at once, so that Stop does not break it."""

    async def ask() -> None:
        await cl.context.emitter.task_start()
        try:
            await current_chat().ask_again(**action.payload)
        finally:
            await cl.context.emitter.task_end()

    current_chat().keep(asyncio.create_task(ask()))


@cl.on_stop
async def stop() -> None:
    """Stops the answer and those that wait, and takes away Chainlit's own notice: the answer says that it stopped."""
    current_chat().queue.cancel()
    for message in cl.chat_context.get():
        if message.content == STOPPED:
            await message.remove()


@cl.on_chat_end
async def end() -> None:
    """Stops the model when the browser goes away or the chat is cleared."""
    current_chat().queue.cancel()
    forget_later(cl.context.session)


if settings.chat_history:

    @cl.data_layer
    def history() -> History:
        return History(folder / "history.db")


if login:

    @cl.password_auth_callback
    async def check_password(name: str, password: str) -> cl.User | None:
        is_right = await asyncio.to_thread(accounts.check, name, password)
        return cl.User(identifier=name) if is_right else None

elif settings.chat_history:

    @cl.header_auth_callback
    async def let_in(_headers: object) -> cl.User:
        """Everybody on this machine is the same user, because a history needs an owner."""
        return cl.User(identifier="you")


def open_chat() -> Chat:
    session = cl.context.session
    chat = Chat(backends, cl.user_session.get("chat_profile"), getattr(session, "language", None))
    cl.user_session.set("chat", chat)
    return chat


def current_chat() -> Chat:
    return cl.user_session.get("chat") or open_chat()
