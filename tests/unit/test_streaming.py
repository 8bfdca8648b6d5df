"""A stream gives its text piece by piece, says how it ended, and stops the model when nobody reads any more."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scripted_server import (
    CUT,
    DONE,
    END,
    SILENCE,
    STOP,
    ScriptedServer,
    Step,
    delta,
    event,
    scripted,
    streaming,
    text,
    usage,
)

from labkit.client import Lab
from labkit.errors import ContextTooLong, EndpointUnreachable, NotOpenAI, StreamInterrupted
from labkit.ports import free_port
from labkit.streaming import astream, stream

_HELLO = (text("Hel"), text("lo"), STOP, usage(3, 2), DONE, END)

Read = Callable[..., Any]


def _read(lab: Lab, messages: str = "Hello?", **options: Any) -> Any:
    answer = stream(lab, messages, **options)
    for _piece in answer:
        pass
    return answer


def _read_async(lab: Lab, messages: str = "Hello?", **options: Any) -> Any:
    async def read() -> Any:
        async with lab.async_client:
            answer = astream(lab, messages, **options)
            async for _piece in answer:
                pass
            return answer

    return asyncio.run(read())


both_ways = pytest.mark.parametrize("read", [_read, _read_async], ids=["sync", "async"])


def _interrupted(read: Read, *steps: Step, **options: Any) -> StreamInterrupted:
    with scripted(*streaming(*steps)) as server, pytest.raises(StreamInterrupted) as caught:
        read(server.lab, **options)
    return caught.value


# Good endings


def test_iterating_gives_the_pieces_of_text() -> None:
    """The loop variable is text, nothing else."""
    with scripted(*streaming(*_HELLO)) as server:
        assert list(stream(server.lab, "Hello?")) == ["Hel", "lo"]


@both_ways
def test_at_the_end_the_stream_tells_all(read: Read) -> None:
    """Text, finish reason, usage and figures are there after the loop."""
    with scripted(*streaming(*_HELLO)) as server:
        answer = read(server.lab)
    assert (answer.text, answer.finish_reason, answer.usage.total_tokens) == ("Hello", "stop", 5)
    assert [e.kind for e in answer.events] == ["text", "text", "finish", "usage"]
    assert 0 < answer.stats.time_to_first_token <= answer.stats.total


@both_ways
def test_the_real_runtime_streams(read: Read, small: Lab) -> None:
    """Foundry Local's own stream reads like any other, and its count agrees with the pieces."""
    answer = read(small, max_tokens=12, temperature=0)
    assert answer.text
    assert answer.finish_reason in ("stop", "length")
    assert answer.usage.completion_tokens >= len(answer.stats.arrivals) > 1
    assert answer.stats.tokens_per_second > 0


def test_events_are_timed_by_the_callers_clock() -> None:
    """A simulation can bring its own clock."""
    ticks = iter(range(100))
    with scripted(*streaming(*_HELLO)) as server:
        answer = _read(server.lab, clock=lambda: float(next(ticks)), stall_timeout=100.0)
    assert all(e.at == int(e.at) for e in answer.events)


@both_ways
def test_reasoning_and_tool_calls_pass_through(read: Read) -> None:
    """What is no text becomes an event, under both names that servers use for reasoning."""
    call = {"index": 0, "function": {"name": "look", "arguments": "{}"}}
    steps = (delta(reasoning_content="hm"), delta(reasoning="so"), delta(tool_calls=[call]), delta("tool_calls"), END)
    with scripted(*streaming(*steps)) as server:
        answer = read(server.lab)
    assert [(e.kind, e.text) for e in answer.events[:2]] == [("reasoning", "hm"), ("reasoning", "so")]
    assert answer.events[2].data == call
    assert (answer.text, answer.finish_reason, len(answer.stats.arrivals)) == ("", "tool_calls", 3)


@both_ways
def test_chunks_without_content_are_no_tokens(read: Read) -> None:
    """A role, empty choices and nulls, as Azure and others send them, are passed over."""
    first = event({"choices": [], "prompt_filter_results": []})
    nulls = event({"choices": [{"delta": {"role": "assistant", "content": None}}], "usage": None, "error": None})
    with scripted(*streaming(first, nulls, text("x"), STOP, END)) as server:
        assert len(read(server.lab).stats.arrivals) == 1


@both_ways
def test_an_event_may_be_cut_anywhere_by_the_network(read: Read) -> None:
    """The pieces in which bytes arrive do not matter, not even inside a letter."""
    data = "".join(step.decode() for step in (event({"choices": [{"delta": {"content": "é"}}]}), STOP, DONE)).encode()
    data = data.replace(b"\\u00e9", "é".encode())
    with scripted(*streaming(*(data[i : i + 1] for i in range(len(data))), END)) as server:
        assert read(server.lab).text == "é"


@both_ways
def test_a_complete_answer_may_lose_its_connection(read: Read) -> None:
    """After the finish reason nothing is missing, so that a cut is no error."""
    with scripted(*streaming(text("Hello"), STOP, CUT)) as server:
        assert read(server.lab).text == "Hello"


@both_ways
def test_a_server_that_never_hangs_up_does_not_hold_a_complete_answer(read: Read) -> None:
    """After [DONE] the rest of the response is waited for only for a moment."""
    with scripted(*streaming(text("Hello"), STOP, DONE, SILENCE)) as server:
        assert read(server.lab).finish_reason == "stop"


def test_the_connection_serves_the_next_stream() -> None:
    """A stream that was read to the end leaves its connection ready."""
    with scripted(*streaming(*_HELLO)) as server:
        for _ in range(3):
            _read(server.lab)
        assert server.connections == 1


def test_a_late_end_mark_does_not_cost_the_connection() -> None:
    """Only the wait after [DONE] is short, not the wait for it."""

    async def read_twice(lab: Lab) -> None:
        async with lab.async_client:
            for _ in range(2):
                async for _piece in astream(lab, "Hello?"):
                    pass

    with scripted(*streaming(text("Hello"), STOP, 0.3, DONE, 0.02, END)) as server:
        asyncio.run(read_twice(server.lab))
        assert server.connections == 1


def test_a_stream_is_read_once() -> None:
    """A second loop over the same stream sends no second request."""
    with scripted(*streaming(*_HELLO)) as server:
        answer = _read(server.lab)
        assert list(answer) == []
        assert len(server.requests) == 1


# What is sent


def test_an_answers_length_is_always_limited() -> None:
    """Foundry Local would reserve 2,048 tokens, and refuse every prompt for a smaller model."""
    with scripted(*streaming(*_HELLO)) as server:
        _read(server.lab)
        with (shorter := replace(server.lab, context_length=100)).client:
            _read(shorter)
        _read(server.lab, max_tokens=7)
        _read(server.lab, max_completion_tokens=8)
    assert [r.get("max_tokens") for r in server.requests] == [256, 25, 7, None]


def test_options_reach_the_server() -> None:
    """Whatever labkit does not know is for the server."""
    with scripted(*streaming(*_HELLO)) as server:
        conversation = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
        list(stream(server.lab, conversation, temperature=0.5, seed=1))
    request = server.requests[0]
    assert (request["messages"], request["temperature"], request["seed"]) == (conversation, 0.5, 1)
    assert request["stream_options"] == {"include_usage": True}


def test_nothing_is_sent_before_reading_starts() -> None:
    """A stream that nobody reads costs nothing."""
    with scripted(*streaming(*_HELLO)) as server:
        with stream(server.lab, "Hello?") as answer:
            pass
        assert list(answer) == []
        assert server.connections == 0


# Bad endings


@both_ways
def test_a_truncated_stream_is_an_error(read: Read) -> None:
    """A stream that ends without a finish reason is not a whole answer."""
    error = _interrupted(read, text("Hel"), END)
    assert (error.reason, error.text) == ("truncated", "Hel")


@both_ways
def test_done_without_a_finish_reason_is_truncated(read: Read) -> None:
    """The end mark does not replace the finish reason."""
    assert _interrupted(read, text("Hel"), DONE, END).reason == "truncated"


@both_ways
def test_a_lost_connection_is_a_cut(read: Read) -> None:
    """What came before the cut is kept."""
    error = _interrupted(read, text("Hel"), CUT)
    assert (error.reason, error.text) == ("cut", "Hel")


@both_ways
def test_a_connection_lost_before_the_answer_is_a_cut(read: Read) -> None:
    """A server that takes the request and hangs up has broken off the stream, too."""
    with scripted(CUT) as server, pytest.raises(StreamInterrupted, match="cut"):
        read(server.lab)


@both_ways
def test_silence_between_tokens_is_a_stall(read: Read) -> None:
    """A server that falls silent is not waited for longer than allowed."""
    error = _interrupted(read, text("Hel"), SILENCE, stall_timeout=0.2)
    assert (error.reason, error.text) == ("stall", "Hel")


@both_ways
def test_silence_before_the_first_token_is_a_stall(read: Read) -> None:
    """The first token has a limit of its own, with and without a response's head."""
    assert _interrupted(read, SILENCE, first_token_timeout=0.2).reason == "stall"
    with scripted(SILENCE) as server, pytest.raises(StreamInterrupted, match="stall"):
        read(server.lab, first_token_timeout=0.2)


@both_ways
def test_keep_alive_comments_are_no_tokens(read: Read) -> None:
    """A server that only says that it is still there does stall."""
    ticks = [*[step for _ in range(50) for step in (b": ping\n\n", 0.02)], text("late"), STOP, END]
    assert _interrupted(read, text("Hel"), *ticks, stall_timeout=0.3).reason == "stall"
    assert _interrupted(read, *ticks, first_token_timeout=0.3).reason == "stall"


def test_a_slow_reader_is_not_taken_for_a_stalled_server() -> None:
    """The time that the caller takes between two pieces does not count."""
    now = [0.0]
    with scripted(*streaming(text("a"), text("b"), STOP, END)) as server:
        answer = stream(server.lab, "Hello?", clock=lambda: now[0], stall_timeout=1.0)
        for _piece in answer:
            now[0] += 100.0
    assert answer.text == "ab"


@both_ways
def test_an_error_inside_the_stream_is_an_error(read: Read) -> None:
    """HTTP 200 was sent long before, so the server puts its error between the chunks."""
    error = _interrupted(read, text("Hel"), event({"error": {"message": "The GPU is on fire."}}), END)
    assert (error.reason, error.text) == ("error", "Hel")
    assert "The GPU is on fire" in str(error)


_NO_CHAT = [b"data: {broken\n\n", b"data: [1]\n\n", b"data: \xff\n\n", event({"choices": 1}), delta(content=7)]


@both_ways
@pytest.mark.parametrize("chunk", _NO_CHAT)
def test_a_chunk_that_is_no_chat_is_malformed(read: Read, chunk: bytes) -> None:
    """Neither broken JSON nor JSON of another shape gets through."""
    error = _interrupted(read, text("Hel"), chunk, STOP, END)
    assert (error.reason, error.text) == ("malformed", "Hel")


def test_text_before_an_error_is_given_out_even_in_the_same_packet() -> None:
    """What the error says was received is what the reader has seen."""
    seen = []
    with scripted(*streaming(text("Hel") + text("lo") + b"data: {broken\n\n")) as server:
        with pytest.raises(StreamInterrupted) as caught:
            for piece in stream(server.lab, "Hello?"):
                seen.append(piece)
        assert (seen, caught.value.text) == (["Hel", "lo"], "Hello")


@both_ways
def test_a_prompt_that_is_too_long_says_both_numbers(read: Read, small: Lab) -> None:
    """Foundry Local answers HTTP 200 and puts this error into the stream."""
    with pytest.raises(ContextTooLong) as caught:
        read(small, messages="hello " * 3000)
    assert caught.value.limit == small.context_length
    assert caught.value.needed > 3000


@both_ways
def test_a_web_page_is_no_stream(read: Read) -> None:
    """A server that answers HTML is a wrong address, not an empty answer."""
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    with scripted(page) as server, pytest.raises(NotOpenAI, match="text/html"):
        read(server.lab)


@both_ways
def test_a_dead_port_is_said_at_once(read: Read) -> None:
    """Nobody there is an answer of its own, and it names the address."""
    lab = Lab("openai-compatible", f"http://127.0.0.1:{free_port()}/v1", "key", "nobody")
    with pytest.raises(EndpointUnreachable, match="Nothing answers"):
        read(lab)


# Stopping


def _leave_by_break(server: ScriptedServer) -> None:
    kept = stream(server.lab, "Hello?")
    for _piece in kept:
        break
    assert server.hung_up.wait(10)


def _leave_by_exception(server: ScriptedServer) -> None:
    kept = stream(server.lab, "Hello?")
    with pytest.raises(ZeroDivisionError):
        for _piece in kept:
            raise ZeroDivisionError
    assert server.hung_up.wait(10)


def _leave_by_with(server: ScriptedServer) -> None:
    with stream(server.lab, "Hello?") as kept:
        pieces = iter(kept)
        next(pieces)
    assert server.hung_up.wait(10)


def _leave_by_forgetting(server: ScriptedServer) -> None:
    pieces = iter(stream(server.lab, "Hello?"))
    next(pieces)
    del pieces
    gc.collect()
    assert server.hung_up.wait(10)


def _leave_by_closing(server: ScriptedServer) -> None:
    kept = stream(server.lab, "Hello?")
    pieces = iter(kept)
    next(pieces)
    kept.close()
    assert server.hung_up.wait(10)
    assert list(pieces) == []


@pytest.mark.parametrize(
    "leave", [_leave_by_break, _leave_by_exception, _leave_by_with, _leave_by_forgetting, _leave_by_closing]
)
def test_leaving_closes_the_connection(leave: Callable[[ScriptedServer], None]) -> None:
    """However a loop is left, the server sees the reader go."""
    with scripted(*streaming(text("Hel"), SILENCE)) as server:
        leave(server)


def test_leaving_an_async_loop_closes_the_connection() -> None:
    """The event loop closes a stream that was left by break or by cancellation."""

    async def leave(server: ScriptedServer) -> str:
        kept = astream(server.lab, "Hello?")
        async for _piece in kept:
            break
        await asyncio.to_thread(server.hung_up.wait, 10)
        await server.lab.async_client.close()
        return kept.text

    with scripted(*streaming(text("Hel"), SILENCE)) as server:
        assert asyncio.run(leave(server)) == "Hel"
        assert server.hung_up.is_set()


def test_cancelling_a_task_closes_the_connection() -> None:
    """A chat application that cancels its task stops the model."""

    async def cancel(server: ScriptedServer) -> None:
        started = asyncio.Event()

        async def read() -> None:
            async for _piece in astream(server.lab, "Hello?"):
                started.set()

        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.lab.async_client.close()

    with scripted(*streaming(text("Hel"), SILENCE)) as server:
        asyncio.run(cancel(server))
        assert server.hung_up.wait(10)


def test_another_thread_can_stop_a_stream_that_waits() -> None:
    """A Stop button works while the reader waits for a token, and stopping is no error."""
    with scripted(*streaming(text("Hel"), SILENCE)) as server:
        answer = stream(server.lab, "Hello?")
        read = threading.Event()
        reader = threading.Thread(target=lambda: [read.set() for _piece in answer])
        reader.start()
        assert read.wait(10)
        _wait_until_it_waits(reader)
        answer.close()
        reader.join(10)
        assert not reader.is_alive()
        assert (answer.text, answer.finish_reason) == ("Hel", None)
        assert server.hung_up.wait(10)


def _wait_until_it_waits(thread: threading.Thread) -> None:
    """Waits until a thread sits in a network read."""
    for _ in range(1000):
        if sys._current_frames()[thread.ident or 0].f_code.co_name == "read":
            return
        threading.Event().wait(0.01)
    pytest.fail("the reader never came to wait for the network")


def test_closing_stops_the_real_model(large: Lab) -> None:
    """A model that nobody listens to computes no further.

    Four streams are left at their first token. Then one is read in whole: had the four gone on beside it, the
    processor would have had five answers to compute in that time. JSON mode makes the model talk until its limit.
    """
    options: dict[str, Any] = {"max_tokens": 600, "temperature": 2.0, "response_format": {"type": "json_object"}}

    def whole() -> float:
        before = time.process_time()
        answer = _read(large, seed=1, **options)
        assert answer.finish_reason == "length", "this needs a long answer"
        return time.process_time() - before

    whole()
    one = whole()
    before = time.process_time()
    for _ in range(4):
        for _piece in stream(large, "Hello?", seed=1, **options):
            break
    whole()
    assert time.process_time() - before < 2.5 * one


def test_streams_run_side_by_side(small: Lab) -> None:
    """Two streams in one event loop do not disturb each other."""

    async def read(seed: int) -> str:
        answer = astream(small, "Hello?", max_tokens=20, seed=seed, temperature=0)
        async for _piece in answer:
            pass
        return answer.text

    async def both() -> list[str]:
        async with small.async_client:
            return await asyncio.gather(read(1), read(1))

    first, second = asyncio.run(both())
    assert first == second != ""
