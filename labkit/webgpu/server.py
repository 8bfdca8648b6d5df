"""The page's server: its files with the headers that it needs, Foundry Local's answers, and figures for a notebook.

    python -m labkit.webgpu.server FOLDER PORT

It knows nothing of browsers.
"""

from __future__ import annotations

import mimetypes
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labkit.errors import LabkitError
from labkit.webgpu import foundry, libraries
from labkit.webgpu.folder import MODELS

HOST = "127.0.0.1"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}
_CDN = "https://cdn.jsdelivr.net/npm/"
_LONGEST = 2000  # tokens that may be asked for
_HEADERS = {
    "cross-origin-opener-policy": "same-origin",  # these two give WebAssembly its threads
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def application(page: Path) -> Starlette:
    """Makes the server's application.

    Args:
        page: the page's folder.
    """
    for suffix, kind in _TYPES.items():  # on Windows the registry may say otherwise
        mimetypes.add_type(kind, suffix)
    application = Starlette(
        routes=[
            Route("/foundry", _ask_foundry, methods=["POST"]),
            Route("/figures", _take_figures, methods=["POST"]),
            Route("/figures", _give_figures, methods=["GET"]),
            Mount("/models", StaticFiles(directory=MODELS)),
            Mount("/", StaticFiles(directory=page, html=True)),
        ],
        # A foreign page that lets its own name point to this machine must get nothing.
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
            Middleware(_Headers, policy=_policy(has_libraries=libraries.are_installed(page))),
        ],
    )
    application.state.figures = None
    return application


class _Headers:
    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        added = {**_HEADERS, "content-security-policy": policy}
        self._added = [(name.encode(), value.encode()) for name, value in added.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._added]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _policy(has_libraries: bool) -> str:
    """Gives the Content-Security-Policy: nothing but this server, unless libraries must come from elsewhere."""
    connect = "'self'" if has_libraries else f"'self' {_CDN}"
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src {connect}; "
        "style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
    )


async def _json(request: Request) -> Any:
    # Only JSON: browsers send it to another origin's server only after asking, and this one never agrees.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return None
    try:
        return await request.json()
    except ValueError:
        return None


async def _ask_foundry(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool

    asked = await _json(request)
    question, limit = (asked.get("question"), asked.get("limit")) if isinstance(asked, dict) else (None, None)
    if not isinstance(question, str) or not isinstance(limit, int) or not 1 <= limit <= _LONGEST:
        return JSONResponse({"error": 'Send JSON such as {"question": "What is a token?", "limit": 100}.'}, 400)
    try:
        return JSONResponse(await run_in_threadpool(foundry.answer, question, limit))
    except LabkitError as error:
        return JSONResponse({"error": str(error)}, 503)


async def _take_figures(request: Request) -> Response:
    found = await _json(request)
    if not isinstance(found, dict):
        return JSONResponse({"error": "Send the figures of the page as JSON."}, 400)
    request.app.state.figures = found
    return Response(status_code=204)


async def _give_figures(request: Request) -> Response:
    """Gives the figures once: whoever waits for new ones must not take old ones."""
    found, request.app.state.figures = request.app.state.figures, None
    return Response(status_code=204) if found is None else JSONResponse(found)


def main(page: str, port: str) -> None:
    """Serves the page until the process ends.

    Args:
        page: its folder.
        port: the port on 127.0.0.1.
    """
    uvicorn.run(application(Path(page)), host=HOST, port=int(port), log_level="warning", server_header=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
