"""HTTP clients for OpenAI clients: no proxy for this machine, and no needless wait on a kept connection.

Foundry Local's web service sends each token in small writes and leaves Nagle's algorithm on, so it waits for the
receiver's acknowledgement; Linux delays that by 40 ms on a connection that is used again. Acknowledging at once after
the response's head takes those 40 ms off the first token. This module knows nothing of models and chat.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


def http_client(is_local: bool) -> httpx2.Client:
    """Makes an HTTP client.

    Args:
        is_local: whether the server is on this machine: a proxy from the environment must never see such requests.
    """
    from openai import DefaultHttpxClient

    return DefaultHttpxClient(
        trust_env=not is_local, verify=_certificates(is_local), event_hooks={"response": [_acknowledge]}
    )


def async_http_client(is_local: bool) -> httpx2.AsyncClient:
    """Makes an asynchronous HTTP client.

    Args:
        is_local: whether the server is on this machine: a proxy from the environment must never see such requests.
    """
    from openai import DefaultAsyncHttpxClient

    return DefaultAsyncHttpxClient(
        trust_env=not is_local, verify=_certificates(is_local), event_hooks={"response": [_acknowledge_async]}
    )


def _certificates(is_local: bool) -> ssl.SSLContext | bool:
    # Reading the public certificates takes 50 ms or more, and no server on this machine has one of theirs.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_local else True


async def _acknowledge_async(response: httpx2.Response) -> None:
    _acknowledge(response)


def _acknowledge(response: httpx2.Response) -> None:
    stream = response.extensions.get("network_stream")  # an in-process transport has none
    connection = stream.get_extra_info("socket") if stream else None
    if connection is not None and _QUICK_ACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
