"""The ASGI application of a simulated cloud: which request gets which treatment.

It runs under any ASGI server. How an answer is delivered, or broken, stands in `delivery`.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from random import Random
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from labkit.errors import SimulatorError
from labkit.limits import Limits
from labkit.simulator import wire
from labkit.simulator.ask import Ask, Refused, text_of
from labkit.simulator.delivery import Delivery
from labkit.simulator.fault import Fault, Faults, find_fault
from labkit.simulator.journal import Journal, Request
from labkit.simulator.line import ClientLeft, Line, Receive, Scope, Send
from labkit.simulator.profile import Profile
from labkit.simulator.upstream import Upstream

_PROMPT_KEPT = 200  # characters


class App:
    """An OpenAI-compatible cloud as an ASGI application.

    Args:
        upstream: where answers come from.
        profile: how fast, how expensive and how generous it is.
        faults: what goes wrong.
        seed: fixes latencies and faults; request N gets the same ones whatever else happens.

    Attributes:
        faults: the plan; it may be replaced while the application runs.
        journal: the requests.
        epoch: the moment of the first connection, on the loop's clock; None before it.
    """

    def __init__(self, upstream: Upstream, profile: Profile, faults: Faults, seed: int = 0) -> None:
        self.upstream, self.profile, self.faults, self.seed = upstream, profile, faults, seed
        self.journal = Journal()
        self.limits = Limits(profile.requests_per_minute, profile.tokens_per_minute)
        self._lines: set[Line] = set()
        self.epoch: float | None = None
        self._router = Router(
            [
                Route("/v1/chat/completions", _Endpoint(self._chat), methods=["POST"]),
                Route("/health", self._health),
                Route("/v1/models", self._models),
                Route("/v1/models/{model}", self._model),
            ],
            default=_not_found,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        await self._router(scope, receive, send)

    def now(self) -> float:
        """Gives the seconds since the first connection."""
        time = asyncio.get_running_loop().time()
        if self.epoch is None:
            self.epoch = time
        return time - self.epoch

    def elapsed(self, at: float) -> float:
        """Gives the seconds since the first connection, for a moment of the loop's clock; 0 before the first."""
        return 0.0 if self.epoch is None else at - self.epoch

    def close(self, entry: Request, ending: str) -> None:
        """Completes the entry of a request, once; tokens that were sent cost money even when the client left."""
        if entry.ended is None and entry.completion_tokens:
            entry.cost = self.profile.price(entry.prompt_tokens, entry.completion_tokens)
        self.journal.close(entry, self.now(), ending)

    def hang_up(self) -> None:
        """Breaks all connections off on which a request is in flight."""
        for line in tuple(self._lines):
            line.hang_up()

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = Line(scope, receive, send)
        entry = self.journal.open(self.now(), line.connection)
        self._lines.add(line)
        ending = "failed"  # where the application itself has an error
        try:
            await self._serve(scope, line, entry)
        except ClientLeft:
            ending = "left"
        finally:
            self.close(entry, ending)
            self._lines.discard(line)
            await line.close()

    async def _serve(self, scope: Scope, line: Line, entry: Request) -> None:
        delivery = Delivery(line, entry, self)
        try:
            ask = self._read(await line.body(), scope, entry)
            entry.fault = fault = self._fault(scope, entry.number)
            if fault is Fault.REFUSE:
                await delivery.refuse()
            elif fault in wire.STATUS:
                await delivery.fail(wire.STATUS[fault])
            else:
                self._check(ask)
                await delivery.answer(ask)
        except Refused as refused:
            await delivery.error(refused.status, refused.body)

    def _read(self, body: bytes, scope: Scope, entry: Request) -> Ask:
        ask = Ask.parse(body)
        said = (text_of(message) for message in ask.messages if message.get("role") == "assistant")
        entry.stream, entry.prompt = ask.stream, text_of(ask.messages[-1])[:_PROMPT_KEPT]
        entry.call, entry.continues = _call(scope, body), self.journal.find_truncated(said)
        entry.prompt_tokens = ask.prompt_tokens
        return ask

    def _fault(self, scope: Scope, number: int) -> Fault | None:
        asked = _header(scope, b"x-labkit-fault")
        if asked is not None:
            return _asked_fault(asked.decode("latin-1"))
        if not self.faults.rates and not self.faults.script:
            return None
        return self.faults.choose(number, self.random(number, "fault"))

    def random(self, number: int, purpose: str) -> Random:
        """Gives the source of chance for one purpose of one request."""
        return Random(f"{self.seed}/{number}/{purpose}")  # noqa: S311  # repeatable on purpose, guards no secret

    def _check(self, ask: Ask) -> None:
        model, limit = ask.body.get("model"), self.upstream.context_length
        if model != self.upstream.model:
            raise Refused(404, _no_model(model, self.upstream.model))
        if limit and ask.prompt_tokens > limit:
            message = (
                f"This model's maximum context length is {limit} tokens. However, your messages resulted in "
                f"{ask.prompt_tokens} tokens. Please reduce the length of the messages."
            )
            raise Refused(400, wire.error(400, message, "messages", code="context_length_exceeded"))

    async def _health(self, request: HttpRequest) -> Response:
        content = {"status": "pass", "releaseId": self.profile.name, "notes": ["simulated"]}
        return JSONResponse(content, headers=_MARK, media_type="application/health+json")

    async def _models(self, request: HttpRequest) -> Response:
        return JSONResponse({"object": "list", "data": [self._card()]}, headers=_MARK)

    async def _model(self, request: HttpRequest) -> Response:
        if (name := request.path_params["model"]) == self.upstream.model:
            return JSONResponse(self._card(), headers=_MARK)
        return JSONResponse(_no_model(name, self.upstream.model), 404, _MARK)

    def _card(self) -> dict[str, Any]:
        return {"id": self.upstream.model, "object": "model", "created": 0, "owned_by": "simulated-cloud"}


class _Endpoint:
    """Lets Starlette route to a plain ASGI method without a request object, which would cost time."""

    def __init__(self, method: Any) -> None:
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._method(scope, receive, send)


_MARK = {"x-labkit-source": wire.SOURCE.decode()}


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    message = f"Unknown request URL: {scope['method']} {scope['path']}."
    await JSONResponse(wire.error(404, message), 404, _MARK)(scope, receive, send)


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def _call(scope: Scope, body: bytes) -> str:
    """Gives what attempts at one call have in common. Another key is another call: it may be the right one."""
    same = _header(scope, b"idempotency-key") or body + (_header(scope, b"authorization") or b"")
    return blake2b(same, digest_size=8).hexdigest()


def _asked_fault(name: str) -> Fault | None:
    try:
        return None if name == "none" else find_fault(name)
    except SimulatorError as error:
        raise Refused(400, wire.error(400, str(error), "X-Labkit-Fault")) from None


def _no_model(asked: Any, known: str) -> dict[str, Any]:
    message = f"The model {asked!r} does not exist. This server has {known!r}."
    return wire.error(404, message, "model", code="model_not_found")
