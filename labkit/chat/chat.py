"""One chat: takes questions, finds who answers, and says in plain words what went wrong.

It puts the parts together. It knows nothing of Chainlit's events, which stand in `app.py`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import chainlit as cl

from labkit.chat.answer import Writer
from labkit.chat.backends import AUTO, CLOUD, LOCAL, Backends
from labkit.chat.conversation import Limits, Prompt, Turn, clean, compose
from labkit.chat.explanation import PrivacyOn, explain, is_unreachable
from labkit.chat.memory import answers_to, find, turns_before
from labkit.chat.preferences import Preferences
from labkit.chat.turn_queue import TurnQueue
from labkit.chat.words import Words
from labkit.errors import ContextTooLong, LabkitError
from labkit.routing import AsyncRoutedStream, Backend, Router
from labkit.streaming import AsyncStream, astream

_TRIES = 3  # for a prompt that turns out longer than it was estimated
_MARGIN = 0.95  # of the room that a better estimate gives


class Chat:
    """A conversation in one browser tab.

    Args:
        backends: who answers.
        profile: Local, Cloud or Auto.
        language: what the browser asks for.

    Attributes:
        preferences: what the user has set.
        queue: the answers in progress.
    """

    def __init__(self, backends: Backends, profile: str | None, language: str | None) -> None:
        self.words = Words(language)
        self.preferences = Preferences()
        self.queue = TurnQueue()
        self._backends, self._profile = backends, profile or LOCAL
        self._kept: set[asyncio.Task[None]] = set()

    async def ask(self, question: cl.Message, profile: str | None = None) -> None:
        """Answers a question, when all earlier ones of this chat are answered.

        Args:
            question: what the user wrote.
            profile: who is to answer; that of the chat when left out.
        """
        profile = profile or self._profile
        async with self.queue.turn(question.id):
            try:
                await self._answer(question, profile)
            except LabkitError as error:
                await self._report(error, question, profile)
            except Exception as error:  # a mistake of ours must not look like a model that says nothing
                logging.getLogger(__name__).exception("A question could not be answered.")
                await self._report(error, question, profile)

    async def ask_again(self, question: str, error: str, profile: str | None = None) -> None:
        """Takes an error and what had arrived before it away, and asks the same question again.

        Args:
            question: its id.
            error: the id of the error.
            profile: who is to answer; that of the chat when left out.
        """
        for message in [*answers_to(question), *filter(None, [find(error)])]:
            await message.remove()
        if asked := find(question):
            await self.ask(asked, profile)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Holds on to a task until it has ended; Python itself does not.

        Args:
            task: what runs beside Chainlit's own tasks.
        """
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _answer(self, question: cl.Message, profile: str) -> None:
        text = clean(question.content)
        if not text:
            await cl.ErrorMessage(content=self.words("empty")).send()
            return
        if profile == AUTO:
            router = await self._backends.router()
            await self._speak(question, text, router, [b for b in router.backends if self._may_ask(b)])
            return
        backend = await (self._backends.cloud() if profile == CLOUD else self._backends.local(self.preferences.model))
        if not self._may_ask(backend):
            raise PrivacyOn(f"{backend.model} ({backend.source}) would be asked.")
        await self._speak(question, text, backend, [backend])

    async def _speak(self, question: cl.Message, text: str, asked: Router | Backend, able: list[Backend]) -> None:
        factor, turns = 1.0, turns_before(question)
        for attempt in range(1, _TRIES + 1):
            prompt, estimate = self._compose(text, turns, able, factor)
            writer = Writer(question, self.words, self.preferences.max_tokens, prompt.forgotten)
            stream = self._stream(asked, prompt)
            if isinstance(stream, AsyncRoutedStream):
                await self._show_decision(stream)
            try:
                await writer.write(stream)
                return
            except ContextTooLong as error:  # the estimate was too low, and the server has counted
                if attempt == _TRIES or not prompt.messages[2:]:
                    raise
                factor *= _MARGIN * estimate / error.needed

    def _compose(self, text: str, turns: list[Turn], able: list[Backend], factor: float) -> tuple[Prompt, int]:
        """Composes for the first backend that can hold the question, and says how many tokens that will be."""
        most, failed = self.preferences.max_tokens, ContextTooLong(0, 0)
        for backend in able:
            limits = Limits(backend.context_length, most, backend.characters_per_token * factor)
            try:
                prompt = compose(self.preferences.system, turns, text, limits)
            except ContextTooLong as error:
                failed = error
            else:
                return prompt, limits.tokens(prompt.messages) + most
        raise failed

    def _stream(self, asked: Router | Backend, prompt: Prompt) -> AsyncStream | AsyncRoutedStream:
        options: dict[str, Any] = {
            "temperature": self.preferences.temperature,
            "max_tokens": self.preferences.max_tokens,
        }
        if isinstance(asked, Router):
            return asked.astream(prompt.messages, private=self.preferences.private, **options)
        assert asked.lab is not None  # noqa: S101  # backends of this process are made of Labs
        return astream(asked.lab, prompt.messages, **options)

    def _may_ask(self, backend: Backend) -> bool:
        return backend.is_private or not self.preferences.private

    async def _show_decision(self, stream: AsyncRoutedStream) -> None:
        decision = stream.decision
        async with cl.Step(name=self.words("routing"), type="tool", show_input=False) as step:
            name = decision.chosen.name if decision.chosen else "-"
            reason = self.words("routed", backend=name, rule=decision.rule, reason=decision.reason)
            rows = "".join(f"| {' | '.join(row)} |\n" for row in decision.rows())
            step.output = f"{reason}\n\n| backend | verdict | rule | reason |\n|---|---|---|---|\n{rows}"

    async def _report(self, error: Exception, question: cl.Message, profile: str) -> None:
        if is_unreachable(error):
            self._backends.suspect()
        message = cl.ErrorMessage(content=explain(error, profile, self.words))
        await message.send()
        for action in self._ways_out(error, question, message, profile):
            await action.send(for_id=message.id)

    def _ways_out(
        self, error: Exception, question: cl.Message, message: cl.ErrorMessage, profile: str
    ) -> list[cl.Action]:
        payload = {"question": question.id, "error": message.id}
        ways = []
        if not isinstance(error, ContextTooLong | PrivacyOn):
            ways.append(cl.Action(name="retry", label=self.words("retry"), icon="rotate-ccw", payload=payload))
        other = {LOCAL: CLOUD, CLOUD: LOCAL}.get(profile)
        if other and not (other == CLOUD and self.preferences.private):
            label = self.words("ask_other", name=self._name(other))
            ways.append(cl.Action(name="retry", label=label, payload={**payload, "profile": other}))
        return ways

    def _name(self, profile: str) -> str:
        is_simulated = profile == CLOUD and not self._backends.cloud_source
        return f"{profile} ({self.words('simulated_cloud')})" if is_simulated else profile
