"""One GET for JSON, with a limit on everything: time, size, redirects, proxies.

It knows nothing of Foundry Local and of OpenAI.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

_MOST = 16_000_000  # bytes; the longest list of models in the wild has about a tenth of it


def get_json(url: str, timeout: float, headers: Mapping[str, str] | None = None) -> Any:
    """Fetches JSON, in bounded time.

    Args:
        url: an http or https address.
        timeout: seconds for everything together: name look-up, connection, and the whole answer.
        headers: request headers.

    Raises:
        HTTPError: the server answers with an error or with a redirect, which could carry a key to another server.
        OSError: nothing answers in time.
        HTTPException: the answer is no HTTP.
        ValueError: the answer is no JSON.
    """
    outcome: Future[Any] = Future()
    # A socket's own timeout starts anew with every byte and does not cover the name look-up; this thread's end does.
    threading.Thread(target=_fetch, args=(outcome, url, timeout, headers or {}), daemon=True).start()
    try:
        return outcome.result(timeout)
    except TimeoutError:
        raise TimeoutError(f"no answer within {timeout:g} s") from None


def is_loopback(url: str) -> bool:
    """Says whether an address leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _fetch(outcome: Future[Any], url: str, timeout: float, headers: Mapping[str, str]) -> None:
    # A proxy from the environment must never see requests for this machine.
    proxies = [ProxyHandler({})] if is_loopback(url) else []
    try:
        request = Request(url, headers=dict(headers))  # noqa: S310  # Settings lets only http(s) through
        with build_opener(_NoRedirects(), *proxies).open(request, timeout=timeout) as reply:
            outcome.set_result(json.loads(reply.read(_MOST)))
    except HTTPError as error:
        with error:  # a copy, since the original holds the connection open
            body = BytesIO(error.read(_MOST))
        outcome.set_exception(HTTPError(url, error.code, error.reason, error.headers, body))
    except Exception as error:
        outcome.set_exception(error)
