"""What is added to Chainlit's web server: health routes, a page that loads nothing from elsewhere, and a doorman.

It knows nothing of chat.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from chainlit import server
from chainlit.auth.cookie import get_token_from_cookies
from chainlit.config import config
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from labkit import health

_ELSEWHERE = re.compile(r'<link\b[^>]*?href="https?://[^>]*>', re.DOTALL)
# The page's own parts only; notebooks and editors on this machine may show it in a frame.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self' http://127.0.0.1:* http://localhost:* vscode-webview:"
)


def extend(monitors: health.MonitorGroup) -> None:
    """Adds everything to Chainlit's application before it starts; once is enough, also when -w loads the code anew.

    Args:
        monitors: what the health routes tell about.
    """
    template = server.get_html_template

    def template_of_our_own(root_path: str) -> str:
        # Font and style servers need not know who chats here, and the page works without them.
        return _ELSEWHERE.sub("", template(root_path))

    vars(server)["get_html_template"] = template_of_our_own
    server.app.router.routes[:0] = health.asgi(monitors).routes
    server.app.add_middleware(Doorman)


class Doorman:
    """Turns away what pages of other sites send, guards the page, and makes one language of its regional forms.

    Args:
        app: whom it guards.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or refuses it."""
        if scope["type"] in ("http", "websocket"):
            if _is_foreign(scope):
                refusal = WebSocketClose() if scope["type"] == "websocket" else PlainTextResponse("other site", 403)
                await refusal(scope, receive, send)
                return
            scope["query_string"] = _plain_language(scope["query_string"])
        await self._app(scope, receive, _guarding(scope, send) if scope["type"] == "http" else send)


def _is_foreign(scope: Scope) -> bool:
    """Says whether a page of another site sends this; a browser names the site, and other clients name none."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in ("GET", "HEAD")):
        return False
    return urlsplit(origin).netloc != headers.get("host")


def _guarding(scope: Scope, send: Send) -> Send:
    """Adds to a page what the browser needs to know about it, and who its user is where nobody logs in."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                headers["content-security-policy"] = _POLICY
                headers["referrer-policy"] = "no-referrer"
                for cookie in await _welcome(Request(scope)):
                    headers.append("set-cookie", cookie)
        await send(message)

    return guarded


async def _welcome(request: Request) -> list[str]:
    """Gives the cookies of a new user where nobody logs in; without them the page first shows its login, twice."""
    if config.code.header_auth_callback is None or get_token_from_cookies(request.cookies):
        return []
    response: Response = await server.header_auth(request)
    return response.headers.getlist("set-cookie")


def _plain_language(query: bytes) -> bytes:
    """Makes `de` of `language=de-AT`, because there is one set of German texts."""
    if b"language=de-" not in query:
        return query
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode([(k, "de" if k == "language" else v) for k, v in pairs]).encode()
