"""The way to the model's server: one request, and its answer as it comes.

aiohttp carries it, whose HTTP client costs a third of what httpx2's costs a request: 0.2 against 0.7 ms of processor
time. It knows nothing of keys, limits and clients.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from labkit.fetch import is_loopback

if TYPE_CHECKING:
    import aiohttp

    from labkit.client import Lab

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only
_CONNECT = 5.0  # seconds


class Upstream:
    """A server that speaks OpenAI's API.

    Args:
        lab: the way to it.
    """

    def __init__(self, lab: Lab) -> None:
        self._root = lab.endpoint.removesuffix("/v1")
        self._headers = {"authorization": f"Bearer {lab.api_key}", "content-type": "application/json"}
        self._is_local = is_loopback(lab.endpoint)
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def send(self, method: str, path: str, body: bytes | None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request and gives the answer, whose body is still on its way. Leaving the block stops the model.

        Args:
            method: GET or POST.
            path: one of the gateway's own routes, never what a client wrote.
            body: JSON.

        Raises:
            aiohttp.ClientError: the server cannot be reached, or breaks the connection off.
        """
        answer = await self._open().request(
            method, self._root + path, data=body, headers=self._headers, allow_redirects=False
        )
        try:
            _acknowledge(answer)
            yield answer
        finally:
            answer.close()  # does nothing where the answer has been read to its end

    async def close(self) -> None:
        """Closes the connections that are kept for later."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            # No limit of its own: how many may come in is decided at the door. No total timeout: answers take as long
            # as they take, and a watch looks for those that stall.
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)
            # Cookies of the server are nobody's business here, and a proxy must never see what stays on this machine.
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                cookie_jar=jar,
                trust_env=not self._is_local,
                auto_decompress=False,
                skip_auto_headers=("accept-encoding", "user-agent"),
            )
        return self._session


def _acknowledge(answer: aiohttp.ClientResponse) -> None:
    # Foundry Local leaves Nagle's algorithm on; see labkit.connection for the 40 ms that this saves.
    transport = answer.connection.transport if answer.connection else None
    raw = transport.get_extra_info("socket") if transport else None
    if raw is not None and _QUICK_ACK is not None:
        raw.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
