"""The ASGI application of the gateway: who is let through, and to where.

How an answer travels stands in `exchange`, what a request may look like in `ask`.
"""

from __future__ import annotations

import itertools
import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from labkit.errors import GatewayError
from labkit.gateway.admission import Admission
from labkit.gateway.ask import Ask, Refused, check_head, key_of
from labkit.gateway.exchange import Exchange, Receive, Scope, Send
from labkit.gateway.journal import Entry, Journal
from labkit.gateway.metrics import Metrics
from labkit.gateway.rules import Rules
from labkit.gateway.upstream import Upstream
from labkit.health import asgi as health_app
from labkit.limits import retry_headers

if TYPE_CHECKING:
    from labkit.client import Lab
    from labkit.gateway.keys import KeyRing
    from labkit.health import Monitor

ROUTES = {"/v1/models": "GET", "/v1/chat/completions": "POST", "/v1/responses": "POST"}
_HEALTH = ("/livez", "/readyz", "/metrics")
_MILLI = 1000
_OURS = 500  # statuses from here on say that the client did nothing wrong
_KINDS = {429: "requests", 401: "authentication_error"}
_HEADERS = {401: ((b"www-authenticate", b"Bearer"),)}


class App:
    """A gateway as an ASGI application. It answers ROUTES, /livez, /readyz and /metrics, and nothing else.

    Args:
        lab: the server behind it.
        keys: who may come in.
        rules: what they may do.
        monitor: what is known of the model's health; start it yourself.
        journal: the access log.
    """

    def __init__(self, lab: Lab, keys: KeyRing, rules: Rules, monitor: Monitor, journal: Journal | None = None) -> None:
        self.rules, self.keys = rules, keys
        self.journal, self.metrics = journal or Journal(), Metrics()
        self.upstream = Upstream(lab)
        self._admission = Admission(rules)
        self._health = health_app(monitor, self.metrics.registry)
        self._numbers = itertools.count(1)
        self._run = f"{time.time_ns() // 1_000_000:x}"  # so that the ids of two runs differ in one log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        entry = self.open(scope["client"], scope["method"], scope["path"])
        exchange = Exchange(entry, receive, send, self.rules, scope.get("extensions"))
        started = time.perf_counter()
        try:
            await self._answer(scope, exchange)
        except Refused as refused:
            await self._refuse(exchange, refused)
        except BaseException:
            entry.ending = "failed"
            raise
        finally:
            entry.ms = (time.perf_counter() - started) * _MILLI
            self.close(entry)

    def open(self, client: tuple[str, int] | None, method: str = "", path: str = "") -> Entry:
        """Makes the entry of a request that begins."""
        return Entry(f"{self._run}-{next(self._numbers)}", client[0] if client else "", method, path)

    def close(self, entry: Entry) -> None:
        """Writes and counts the entry of a request that is over."""
        self.journal.add(entry)
        self.metrics.add(entry.path if entry.path in (*ROUTES, *_HEALTH) else "other", entry)

    async def _answer(self, scope: Scope, exchange: Exchange) -> None:
        check_head(scope)
        # As it came, before anybody decoded %2F or folded `..`: there is one spelling of each route.
        path = scope["raw_path"].decode("latin-1")
        if path in _HEALTH:
            await self._tell_health(scope, exchange, path)
            return
        if path not in ROUTES:
            raise Refused(404, f"There is nothing here. The gateway has {', '.join(ROUTES)}.", "no such route")
        if scope["method"] != ROUTES[path]:
            raise Refused(405, f"{path} takes {ROUTES[path]} only.", "wrong method")
        name = self._identify(scope, exchange.entry)
        self._admission.enter(name)
        try:
            with self.metrics.in_flight.track_inprogress():
                await self._pass_on(scope, exchange, path, name)
        finally:
            self._admission.leave(name)

    async def _tell_health(self, scope: Scope, exchange: Exchange, path: str) -> None:
        if path == "/metrics":
            self._identify(scope, exchange.entry)
        await self._health(scope, exchange.receive, exchange.send)

    def _identify(self, scope: Scope, entry: Entry) -> str:
        secret = key_of(scope["headers"])
        if secret is None:
            raise Refused(401, "Send your key: `Authorization: Bearer lk-...`.", "no key", code="invalid_api_key")
        try:
            key = self.keys.find(secret)
        except (GatewayError, OSError):
            raise Refused(503, "The keys cannot be read. Tell whoever runs this gateway.", "keys unreadable") from None
        if key is None:
            raise Refused(401, "This key is not known here.", "wrong key", code="invalid_api_key")
        if key.revoked is not None:
            entry.key = key.name
            raise Refused(401, "This key was revoked. Ask for another one.", "revoked key", code="invalid_api_key")
        entry.key = key.name
        return key.name

    async def _pass_on(self, scope: Scope, exchange: Exchange, path: str, name: str) -> None:
        body, tokens = None, 0
        if ROUTES[path] == "POST":
            ask = Ask.parse(path, await exchange.body(scope["headers"]), self.rules.max_tokens)
            body, tokens = ask.body, ask.tokens
        self._admission.charge(name, tokens, exchange.now)
        await exchange.forward(self.upstream, ROUTES[path], path, body, self._admission.headers(name, exchange.now))

    async def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        exchange.entry.ending = refused.reason
        told = {
            "message": refused.message,
            "type": _KINDS.get(refused.status, "server_error" if refused.status >= _OURS else "invalid_request_error"),
            "param": refused.param,
            "code": refused.code,
        }
        headers = list(_HEADERS.get(refused.status, ()))
        if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", ROUTES[exchange.entry.path].encode()))
        if refused.wait is not None:
            headers += retry_headers(refused.wait)
        if refused.close:
            headers.append((b"connection", b"close"))
        await exchange.tell(refused.status, json.dumps({"error": told}).encode(), headers)
