"""A simulated Open WebUI: no page, but the same doors for programs, in front of a real model server.

It is set up with the same variables, asks the same servers, and fails with the same words; a test holds it against
the real one. With it, notebook 07 works before 3 GB are installed. It calls itself simulated wherever it says its
version.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from labkit.fetch import get_json, is_loopback
from labkit.open_webui.files import HOST, VERSION

_LIST_TIMEOUT, _CHAT_TIMEOUT = 5.0, 120.0  # seconds
_LOST = "Open WebUI: Server Connection Error"
_OPEN = ("/health", "/ready", "/api/version", "/api/config", "/api/v1/auths/signin")  # doors without a key

_WORDS = "Keeps what a person wants to remember, and finds it again by a word, a date or a place that came with it."
_TOOL_COUNT = 40  # about as many as the page of the real one offers
_TOOLS = [
    {"type": "function", "function": {"name": f"tool_{n}", "description": _WORDS, "parameters": {"type": "object"}}}
    for n in range(_TOOL_COUNT)
]

Answer = tuple[int, Any]


class _Refusal(Exception):
    def __init__(self, status: int, detail: str) -> None:
        self.answer: Answer = status, {"detail": detail}
        super().__init__(detail)


class Simulated:
    """A simulated Open WebUI on a free port of this machine. `with` ends it.

    Args:
        variables: its set-up, by the names that Open WebUI knows; what `Configuration.environment()` gives, for one.
        in_container: whether it is in one: then 127.0.0.1 leads to nobody, and only host.docker.internal to this
            machine, as with Docker Desktop.

    Attributes:
        requests: the path and the JSON body of each request so far.
    """

    def __init__(self, variables: Mapping[str, str], in_container: bool = False) -> None:
        self.requests: list[tuple[str, Any]] = []
        self._urls = variables.get("OPENAI_API_BASE_URLS", "").split(";")
        self._keys = variables.get("OPENAI_API_KEYS", "").split(";")
        self._is_enabled = variables.get("ENABLE_OPENAI_API", "true").lower() == "true"
        self._wants_login = variables.get("WEBUI_AUTH", "true").lower() == "true"
        names = ("DEFAULT_MODEL_PARAMS", "DEFAULT_MODEL_METADATA")
        self._defaults = {name: json.loads(variables.get(name, "{}")) for name in names}
        self._in_container = in_container
        self._token = secrets.token_urlsafe()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Ends it. Stopping twice does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<a simulated Open WebUI at {self.url}, without a page>"

    def answer(self, path: str, body: Any, key: str | None) -> Answer:
        """Answers a request that is no chat.

        Args:
            path: its path.
            body: its JSON; None without one.
            key: what it shows as a key.
        """
        self.requests.append((path, body))
        try:
            self._let_in(path, key)
            return 200, self._say(path, body)
        except _Refusal as refusal:
            return refusal.answer

    def chat(self, body: dict[str, Any], key: str | None) -> Any:
        """Passes a chat on to the server that lists its model, and gives that server's reply, still open.

        Args:
            body: its JSON.
            key: what it shows as a key.

        Returns:
            The reply, or an `Answer` where there is none.
        """
        self.requests.append(("/api/chat/completions", body))
        try:
            self._let_in("", key)
            number = self._find(str(body.get("model")))
            return self._pass_on(number, self._completed(body))
        except _Refusal as refusal:
            return refusal.answer

    def _completed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Adds what Open WebUI adds, and takes out what only Open WebUI understands."""
        sent = {name: value for name, value in body.items() if name != "session_id"}
        can = self._defaults["DEFAULT_MODEL_METADATA"].get("capabilities", {})
        tools = {"tools": _TOOLS} if can.get("builtin_tools", True) and "session_id" in body else {}
        return {**self._defaults["DEFAULT_MODEL_PARAMS"], **tools, **sent}

    def _let_in(self, path: str, key: str | None) -> None:
        if path not in _OPEN and key != self._token:
            raise _Refusal(401, "401 Unauthorized" if key else "Not authenticated")

    def _say(self, path: str, body: Any) -> Any:
        number = path.removeprefix("/openai/models/")
        if number != path and number.isdecimal() and int(number) < len(self._urls):
            return {"data": self._offered(int(number)), "object": "list"}
        doors: dict[str, Callable[[], Any]] = {
            "/health": lambda: {"status": True},
            "/ready": lambda: {"status": True},
            "/api/version": lambda: {"version": f"{VERSION} (simulated)"},
            "/api/config": lambda: {"features": {"auth": self._wants_login}},
            "/api/v1/auths/signin": self._sign_in,
            "/api/models": lambda: {"data": [{"id": model} for model in self._listed()]},
            "/openai/config": self._connections,
            "/openai/config/update": lambda: self._connect(body),
            "/api/v1/configs/models": lambda: self._set_defaults(body or {}),
        }
        if path not in doors:
            raise _Refusal(404, "Not Found")
        return doors[path]()

    def _sign_in(self) -> dict[str, str]:
        if self._wants_login:
            raise _Refusal(400, "The email or password provided is incorrect.")
        return {"token": self._token, "token_type": "Bearer"}

    def _connections(self) -> dict[str, Any]:
        return {"ENABLE_OPENAI_API": self._is_enabled, "OPENAI_API_BASE_URLS": self._urls, "OPENAI_API_CONFIGS": {}}

    def _connect(self, body: dict[str, Any]) -> dict[str, Any]:
        self._is_enabled = bool(body["ENABLE_OPENAI_API"])
        self._urls, self._keys = body["OPENAI_API_BASE_URLS"], body["OPENAI_API_KEYS"]
        return self._connections()

    def _set_defaults(self, body: dict[str, Any]) -> dict[str, Any]:
        self._defaults = {name: body.get(name, value) for name, value in self._defaults.items()}
        return self._defaults

    def _reach(self, number: int, path: str) -> str:
        """Gives an address as this machine reaches it, if Open WebUI reaches it at all."""
        url = self._urls[number]
        if self._in_container and is_loopback(url):
            raise _Refusal(500, _LOST)
        if self._in_container:
            url = url.replace(HOST, "127.0.0.1")
        return f"{url}{path}"

    def _listed(self) -> dict[str, int]:
        """Gives each model that a server lists, and the number of that server; silent servers list none."""
        models: dict[str, int] = {}
        for number in range(len(self._urls)) if self._is_enabled else ():
            try:
                models = {str(entry["id"]): number for entry in self._offered(number)} | models
            except _Refusal:
                continue
        return models

    def _offered(self, number: int) -> Any:
        headers = {"Authorization": f"Bearer {self._keys[number]}"}
        try:
            return get_json(self._reach(number, "/models"), _LIST_TIMEOUT, headers)["data"]
        except HTTPError as error:
            raise _Refusal(500, f"Unexpected error: HTTP Error: {error.code}") from error
        except (OSError, HTTPException) as error:
            raise _Refusal(500, _LOST) from error
        except (ValueError, KeyError, TypeError) as error:
            raise _Refusal(500, f"Unexpected error: {error}") from error

    def _find(self, model: str) -> int:
        if (number := self._listed().get(model)) is None:
            raise _Refusal(400, "Model not found")
        return number

    def _pass_on(self, number: int, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._keys[number]}", "Content-Type": "application/json"}
        request = Request(self._reach(number, "/chat/completions"), json.dumps(body).encode(), headers)  # noqa: S310  # http(s) only: it has just listed its models
        try:
            return build_opener(ProxyHandler({})).open(request, timeout=_CHAT_TIMEOUT)
        except HTTPError as error:  # the server's own words, as they are
            return error
        except OSError as error:
            raise _Refusal(500, _LOST) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, simulated: Simulated) -> None:
        self.simulated = simulated
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._send(*self.server.simulated.answer(self.path, None, self._key))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        if self.path != "/api/chat/completions":
            self._send(*self.server.simulated.answer(self.path, body, self._key))
            return
        reply = self.server.simulated.chat(body, self._key)
        if isinstance(reply, tuple):
            self._send(*reply)
        else:
            self._pass_back(reply)

    @property
    def _key(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _pass_back(self, reply: Any) -> None:
        with reply:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers.get("Content-Type", "application/json"))
            self.end_headers()
            try:
                while piece := reply.read1(65536):
                    self.wfile.write(piece)
            except ConnectionError:  # whoever asked has left; closing the reply stops the model
                return

    def log_message(self, *_: object) -> None:
        """Stays silent: a notebook shows what was asked for, and no request log."""
