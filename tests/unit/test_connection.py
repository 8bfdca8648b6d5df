"""The HTTP clients behind a Lab keep their connections, and lose no time on them."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest
from scripted_server import DONE, END, STOP, scripted, streaming, text

from labkit.client import Lab
from labkit.streaming import astream, stream


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux lets a program acknowledge early")
def test_the_head_of_a_response_is_acknowledged_at_once() -> None:
    """Otherwise Foundry Local waits 40 ms for it on a connection that is used again."""
    with scripted(*streaming(text("a"), STOP, DONE, END)) as server:
        for _ in range(3):
            with server.lab.client.chat.completions.with_streaming_response.create(
                model="scripted", messages=[], stream=True
            ) as response:
                connection = response.http_response.extensions["network_stream"].get_extra_info("socket")
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
                response.read()
        assert server.connections == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_second_event_loop_gets_connections_of_its_own(small: Lab) -> None:
    """`asyncio.run()` twice with the same Lab works, though connections die, unclosed, with their loop."""

    async def ask() -> str:
        answer = astream(small, "Hello?", max_tokens=5, temperature=0)
        async for _piece in answer:
            pass
        return answer.text

    assert asyncio.run(ask()) == asyncio.run(ask()) != ""
    small._async_clients.clear()
    gc.collect()


def test_a_proxy_never_sees_requests_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays on the machine stays there, whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with scripted(*streaming(text("a"), STOP, DONE, END)) as server:
        assert list(stream(server.lab, "Hello?")) == ["a"]
