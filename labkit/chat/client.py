"""A client for any Chainlit application: what a browser does over its websocket, for programs.

    with ChatClient.at("http://127.0.0.1:8080") as chat:
        print(chat.ask("Why do chat apps stream tokens?").text)

It knows Chainlit's events and nothing of any application.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.chat.exchange import Exchange, Said
from labkit.errors import LabkitError

if TYPE_CHECKING:
    import aiohttp
    import socketio

_PATIENCE = 60.0  # seconds
_QUIET = 0.2  # seconds without a word, after which an application has finished greeting
_PATH = "/ws/socket.io"
_Value = TypeVar("_Value")


class ChatClientError(LabkitError):
    """The application does not answer as a Chainlit application does."""


class AsyncChatClient:
    """A chat with a Chainlit application, for `async with`.

    Args:
        url: the application's address.
        profile: the chat profile; the first one when left out.
        language: what the browser would ask for.

    Attributes:
        actions: the buttons that are offered, by their id.
    """

    def __init__(self, url: str, profile: str = "", language: str = "en-US") -> None:
        self.url, self.session_id = url, str(uuid.uuid4())
        self.actions: dict[str, dict[str, Any]] = {}
        self._profile, self._language = profile, language
        self._said: dict[str, Said] = {}
        self._started, self._heard_at = 0.0, 0.0
        self._running, self._idle = 0, asyncio.Event()
        self._asked: dict[str, str] = {}  # questions in progress, and the run that Chainlit makes of each
        self._http: aiohttp.ClientSession | None = None
        self._socket: socketio.AsyncClient | None = None

    async def __aenter__(self) -> AsyncChatClient:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Opens the chat.

        Raises:
            ChatClientError: nobody answers there, or not as Chainlit does.
        """
        import aiohttp
        import socketio

        jar = aiohttp.CookieJar(unsafe=True)  # else it keeps no cookies of servers whose name is a number
        self._http = aiohttp.ClientSession(headers={"Accept-Language": self._language}, cookie_jar=jar)
        self._socket = socketio.AsyncClient(reconnection=False, http_session=self._http)
        self._socket.on("*", self._hear)
        try:
            await self._let_in(self._http)
            auth = {"clientType": "webapp", "sessionId": self.session_id, "threadId": "", "userEnv": "{}"}
            await self._socket.connect(
                self.url, auth=auth | {"chatProfile": self._profile}, socketio_path=_PATH, transports=["websocket"],
                headers={"Accept-Language": self._language}, wait_timeout=int(_PATIENCE),
            )  # fmt: skip
        except (aiohttp.ClientError, socketio.exceptions.ConnectionError, OSError, ValueError) as error:
            await self.close()
            raise ChatClientError(
                f"No Chainlit application answers at {self.url} ({error}). Start it first."
            ) from error
        await self._socket.emit("connection_successful")
        async with asyncio.timeout(_PATIENCE):
            while not self._idle.is_set() or time.perf_counter() - self._heard_at < _QUIET:
                await asyncio.sleep(_QUIET / 10)

    async def close(self) -> None:
        """Leaves, as a browser does that is closed."""
        if self._socket is not None and self._socket.connected:
            await self._socket.disconnect()
        if self._http is not None:
            await self._http.close()

    async def send(self, text: str) -> str:
        """Sends a question, and does not wait. Gives its id.

        Args:
            text: the question.
        """
        self._begin()
        message = _message(text)
        self._asked[message["id"]] = ""
        await self._emit("client_message", {"message": message, "fileReferences": []})
        return str(message["id"])

    async def wait(self, question: str = "", timeout: float = _PATIENCE) -> Exchange:
        """Waits until the application is done.

        Args:
            question: what was asked.
            timeout: seconds.

        Raises:
            TimeoutError: it is not done in time.
        """
        await asyncio.wait_for(self._idle.wait(), timeout)
        return self.exchange(question)

    async def ask(self, text: str, timeout: float = _PATIENCE) -> Exchange:
        """Asks, and waits until the application is done.

        Args:
            text: the question.
            timeout: seconds.
        """
        await self.send(text)
        return await self.wait(text, timeout)

    def exchange(self, question: str = "") -> Exchange:
        """Gives what was said since the last question."""
        return Exchange(question, list(self._said.values()), time.perf_counter() - self._started)

    async def wait_for_text(self, timeout: float = _PATIENCE) -> None:
        """Waits until the first text of an answer is there."""
        async with asyncio.timeout(timeout):
            while self.exchange().first_text_seconds is None and not self._idle.is_set():
                await asyncio.sleep(0.005)

    async def stop(self, timeout: float = _PATIENCE) -> Exchange:
        """Presses Stop, and waits until the application is done.

        Args:
            timeout: seconds.
        """
        await self._emit("stop")
        self._asked = {question: run for question, run in self._asked.items() if run}  # the others may never begin
        return await self.wait(timeout=timeout)

    async def edit(self, question_id: str, text: str) -> None:
        """Changes an earlier question, and does not wait.

        Args:
            question_id: what `send()` gave.
            text: the new wording.
        """
        self._begin()
        self._asked[question_id] = ""
        await self._emit("edit_message", {"message": {**_message(text), "id": question_id}})

    async def set(self, **values: object) -> None:
        """Changes settings.

        Args:
            values: by the id of the setting.
        """
        await self._emit("chat_settings_change", values)

    async def press(self, action: dict[str, Any]) -> None:
        """Presses a button.

        Args:
            action: one of `actions`.
        """
        assert self._http is not None  # noqa: S101  # connect() was called
        self._begin()
        payload = {"action": action, "sessionId": self.session_id}
        async with self._http.post(f"{self.url}/project/action", json=payload) as reply:
            reply.raise_for_status()

    def _begin(self) -> None:
        if self._idle.is_set():  # else an earlier question is still being answered, and belongs to the same exchange
            self._said, self._started = {}, time.perf_counter()
        self._idle.clear()

    async def _emit(self, event: str, data: object = None) -> None:
        assert self._socket is not None  # noqa: S101  # connect() was called
        await self._socket.emit(event, data)

    async def _let_in(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self.url}/auth/config") as reply:
            wanted = await reply.json()
        if wanted.get("headerAuth"):
            async with http.post(f"{self.url}/auth/header") as reply:
                reply.raise_for_status()

    async def _hear(self, event: str, data: Any = None) -> None:
        at = time.perf_counter() - self._started
        self._heard_at = at + self._started
        if event == "task_start":
            self._running += 1
        elif event == "task_end":
            self._running = max(0, self._running - 1)
            if not self._running and not self._asked:
                self._idle.set()
        elif event == "action":
            self.actions[data["id"]] = data
        elif event == "delete_message":
            self._said.pop(data["id"], None)
        elif event == "stream_token":
            if (said := self._said.get(data["id"])) is not None:
                self._grow(said, at, data["token"])
        elif event in ("new_message", "stream_start", "update_message") and data["type"] != "user_message":
            self._show(event, at, data)

    def _show(self, event: str, at: float, data: dict[str, Any]) -> None:
        if data["type"] == "run":  # Chainlit's own step around all that one question sets off; it ends with an update
            if event == "update_message":
                self._asked = {q: run for q, run in self._asked.items() if run != data["id"]}
            elif data.get("parentId") in self._asked:
                self._asked[data["parentId"]] = data["id"]
            return
        said = self._said.setdefault(data["id"], Said(data["id"], data["type"]))
        text = data.get("output") or ""
        if event == "stream_start":
            self._grow(said, at, text)
            return
        said.text, said.is_error = text, bool(data.get("isError"))
        if text:
            said.first_at = at if said.first_at is None else said.first_at
            said.whole_at = at

    @staticmethod
    def _grow(said: Said, at: float, piece: str) -> None:
        said.text += piece
        said.pieces.append((at, piece))
        said.first_at = at if said.first_at is None else said.first_at


class ChatClient:
    """The same without `await`: `with ChatClient.at(url) as chat:`.

    Args:
        client: the chat.
        run: runs a coroutine to its end.
    """

    def __init__(self, client: AsyncChatClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client, self._loop = client, loop

    @classmethod
    @contextmanager
    def at(cls, url: str, profile: str = "", language: str = "en-US") -> Iterator[ChatClient]:
        """Opens a chat, and leaves it at the end.

        Args:
            url: the application's address.
            profile: the chat profile; the first one when left out.
            language: what the browser would ask for.
        """
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="labkit-chat-client", daemon=True)
        thread.start()
        chat = cls(AsyncChatClient(url, profile, language), loop)
        try:
            chat._run(chat._client.connect())
            yield chat
        finally:
            chat._run(chat._client.close())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    @property
    def actions(self) -> list[dict[str, Any]]:
        """The buttons that are offered."""
        return list(self._client.actions.values())

    def ask(self, text: str, timeout: float = _PATIENCE) -> Exchange:
        """Asks, and waits until the application is done."""
        return self._run(self._client.ask(text, timeout))

    def send(self, text: str) -> str:
        """Sends a question, and does not wait. Gives its id."""
        return self._run(self._client.send(text))

    def wait(self, timeout: float = _PATIENCE) -> Exchange:
        """Waits until the application is done."""
        return self._run(self._client.wait(timeout=timeout))

    def wait_for_text(self, timeout: float = _PATIENCE) -> None:
        """Waits until the first text of an answer is there."""
        self._run(self._client.wait_for_text(timeout))

    def stop(self, timeout: float = _PATIENCE) -> Exchange:
        """Presses Stop, and waits until the application is done."""
        return self._run(self._client.stop(timeout))

    def edit(self, question_id: str, text: str) -> None:
        """Changes an earlier question, and does not wait."""
        self._run(self._client.edit(question_id, text))

    def set(self, **values: object) -> None:
        """Changes settings."""
        self._run(self._client.set(**values))

    def press(self, action: dict[str, Any]) -> None:
        """Presses a button."""
        self._run(self._client.press(action))

    def _run(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _message(text: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    message = {"id": str(uuid.uuid4()), "threadId": "", "name": "user", "type": "user_message"}
    return message | {"output": text, "createdAt": now}
