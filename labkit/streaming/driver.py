"""`stream()` and `astream()`: an answer that arrives piece by piece.

Two thin drivers, one with and one without `await`, feed the same `Reader`. They know nothing of the chat format.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError, NotOpenAI
from labkit.streaming.answer import Answer
from labkit.streaming.reader import Reader
from labkit.streaming.request import Messages, chat_request
from labkit.streaming.watch import Watch, hang_up
from labkit.translation import is_connecting, translate

if TYPE_CHECKING:
    import httpx2
    from openai import APIError

    from labkit.client import Lab

_CONNECT = 5.0  # seconds


def stream(
    lab: Lab,
    messages: Messages,
    *,
    first_token_timeout: float = 120.0,
    stall_timeout: float = 20.0,
    clock: Callable[[], float] = time.perf_counter,
    **options: Any,
) -> Stream:
    """Asks a model and gives its answer piece by piece.

    The request is sent when reading starts, once: `Lab.client` does not repeat a request behind the reader's back, so
    that the times are true and whoever wants a second attempt decides it.

    Args:
        lab: whom to ask.
        messages: the conversation, or the user's words alone.
        first_token_timeout: seconds that the server may take for the first token.
        stall_timeout: seconds that it may take for each further one.
        clock: gives the time in seconds; a simulation brings its own.
        options: `temperature`, `max_tokens` (256 where left out) and whatever else the server understands.

    Returns:
        The stream. Reading it raises what `Stream` says.
    """
    return Stream(lab, chat_request(lab, messages, options), Reader(clock, first_token_timeout, stall_timeout))


def astream(
    lab: Lab,
    messages: Messages,
    *,
    first_token_timeout: float = 120.0,
    stall_timeout: float = 20.0,
    clock: Callable[[], float] = time.perf_counter,
    **options: Any,
) -> AsyncStream:
    """Does what `stream()` does, for `async for`.

    Args:
        lab: whom to ask.
        messages: the conversation, or the user's words alone.
        first_token_timeout: seconds that the server may take for the first token.
        stall_timeout: seconds that it may take for each further one.
        clock: gives the time in seconds; a simulation brings its own.
        options: `temperature`, `max_tokens` (256 where left out) and whatever else the server understands.
    """
    return AsyncStream(lab, chat_request(lab, messages, options), Reader(clock, first_token_timeout, stall_timeout))


class _Driven(Answer):
    """What both drivers share: everything but the reading."""

    def __init__(self, lab: Lab, request: dict[str, Any], reader: Reader) -> None:
        super().__init__(lab, reader)
        self._request = {"stream_options": {"include_usage": True}, **request, "stream": True}
        self._response: httpx2.Response | None = None
        self._is_started = False
        self._is_closed = False

    def _start(self) -> dict[str, Any]:
        import httpx2

        timeout = httpx2.Timeout(self._reader.patience, connect=_CONNECT)
        self._is_started = True
        self._reader.start()
        return {**self._request, "timeout": timeout}

    def _opened(self, response: httpx2.Response) -> httpx2.Response:
        self._response = response
        kind = response.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            raise NotOpenAI(
                f"The server at {self.lab.endpoint} answers with {kind or 'something unnamed'}, not with a stream of "
                "events. Correct BASE_URL, or ask for a whole answer with `labkit.streaming.complete(...)`."
            )
        return response

    def _unopened(self, error: APIError) -> LabkitError:
        from openai import APIConnectionError, APITimeoutError

        if not isinstance(error, APIConnectionError) or is_connecting(error):
            return translate(error, self.lab, self._reader.patience)
        return self._reader.stalled() if isinstance(error, APITimeoutError) else self._reader.cut(error.__cause__)

    def _lost(self, error: Exception) -> None:
        import httpx2

        if self._is_closed or self._reader.is_done or self._reader.finish_reason:
            self._reader.end()
        elif isinstance(error, TimeoutError | httpx2.TimeoutException) or self._reader.remaining() <= 0:
            raise self._reader.stalled() from error
        else:
            raise self._reader.cut(error) from error


class Stream(_Driven):
    """An answer that arrives piece by piece: iterate over it once, and read the rest of it afterwards.

    Leaving the loop in whatever way closes the connection, which stops the model; so do `close()`, from any thread,
    and the end of a `with` block.

    Raises, while it is read:
        StreamInterrupted: the answer broke off; the reason says how, and the error carries the text so far.
        ContextTooLong: prompt and answer do not fit into the model.
        RequestError: the server refused the request; a subclass says why.
        EndpointError: nobody answers, or nobody who speaks this language.
        ModelNotFound: the server does not know the model.
    """

    def __iter__(self) -> Generator[str]:
        if self._is_started or self._is_closed:
            return
        try:
            response = self._open()
            yield from self._read(response)
        except LabkitError:
            if not self._is_closed:  # else somebody else closed it, and nobody waits for its end any more
                raise
        finally:
            self.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, which stops the model. What has arrived stays readable."""
        self._is_closed = True
        self._reader.stop()
        if self._response is not None and not self._response.is_closed:
            hang_up(self._response)
            self._response.close()

    def _open(self) -> httpx2.Response:
        from openai import APIError

        try:
            opened = self.lab.client.chat.completions.create(**self._start())
        except APIError as error:
            raise self._unopened(error) from error
        response = self._opened(opened.response)
        if self._is_closed:  # from another thread, while the server was silent
            self.close()
        return response

    def _read(self, response: httpx2.Response) -> Generator[str]:
        import httpx2

        reader, watch = self._reader, None
        limits, has_socket = response.request.extensions["timeout"], "network_stream" in response.extensions
        try:
            for received in response.iter_bytes():
                yield from reader.feed(received)
                reader.wait()
                # The simulator's transport asks for the limit before each part. A socket's asks once, hence the watch,
                # which starts after the first piece, so that the piece does not have to wait for a thread.
                limits["read"] = reader.patience
                if watch is None and has_socket and (reader.has_token or reader.is_done):
                    watch = Watch(reader.remaining, partial(hang_up, response))
                elif watch is not None and reader.is_done:
                    watch.look()
            reader.end()
        except (httpx2.TransportError, httpx2.StreamError) as error:
            self._lost(error)
        except httpx2.DecodingError as error:
            raise reader.malformed(f"bytes that cannot be decoded ({error})") from error
        finally:
            if watch is not None:
                watch.stop()


class AsyncStream(_Driven):
    """The same as `Stream`, for `async for` and `async with`."""

    async def __aiter__(self) -> AsyncGenerator[str]:
        if self._is_started or self._is_closed:
            return
        try:
            response = await self._open()
            async for piece in self._read(response):
                yield piece
        except LabkitError:
            if not self._is_closed:  # see above
                raise
        finally:
            await self.close()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection, which stops the model. What has arrived stays readable."""
        self._is_closed = True
        self._reader.stop()
        if self._response is not None:
            await self._response.aclose()

    async def _open(self) -> httpx2.Response:
        from openai import APIError

        try:
            opened = await self.lab.async_client.chat.completions.create(**self._start())
        except APIError as error:
            raise self._unopened(error) from error
        response = self._opened(opened.response)
        if self._is_closed:  # by another task, while the server was silent
            await self.close()
        return response

    async def _read(self, response: httpx2.Response) -> AsyncGenerator[str]:
        import httpx2

        reader, chunks = self._reader, response.aiter_bytes()
        try:
            while True:
                reader.wait()
                async with asyncio.timeout(reader.remaining()):
                    received = await anext(chunks)
                for piece in reader.feed(received):
                    yield piece
        except StopAsyncIteration:
            reader.end()
        except (TimeoutError, httpx2.TransportError, httpx2.StreamError) as error:
            self._lost(error)
        except httpx2.DecodingError as error:
            raise reader.malformed(f"bytes that cannot be decoded ({error})") from error
