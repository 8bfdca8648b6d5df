"""Open WebUI as programs see it: its health, its version, its models, its connections, and a chat.

It says what Open WebUI answers. It knows nothing of Foundry Local, and nothing of what an answer means.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from labkit.client import Lab
from labkit.errors import EndpointUnreachable, OpenWebUIRefused
from labkit.fetch import is_loopback

if TYPE_CHECKING:
    import httpx2

_TIMEOUT = 30.0  # seconds; Open WebUI itself waits 10 for each server that it asks for models
_CHAT_TIMEOUT = 120.0  # seconds
_ERRORS = 400  # the HTTP statuses from this one on


@dataclass(frozen=True)
class Connection:
    """A server that Open WebUI asks for models and answers.

    Attributes:
        url: its address, as Open WebUI knows it.
        is_enabled: whether Open WebUI uses such connections at all.
    """

    url: str
    is_enabled: bool


class OpenWebUI:
    """A running Open WebUI. `with` closes the connections to it.

    Args:
        url: its address, without a path.
        key: an API key or a token; without it `sign_in()` gets one where nobody has to log in.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._client: httpx2.Client | None = None

    def is_healthy(self) -> bool:
        """Says whether `GET /health` answers as Open WebUI does.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: something answers with an error.
        """
        said = self._ask("GET", "/health")
        return isinstance(said, dict) and said.get("status") is True

    def is_ready(self) -> bool:
        """Says whether it has ended its start-up.

        Raises:
            EndpointUnreachable: nothing answers.
        """
        try:
            self._ask("GET", "/ready")
        except OpenWebUIRefused:
            return False
        return True

    def version(self) -> str:
        """Gives its version.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: something answers with an error.
        """
        return str(_member(self._ask("GET", "/api/version"), "version"))

    def wants_login(self) -> bool:
        """Says whether people have to sign in.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: something answers with an error.
        """
        features = _member(self._ask("GET", "/api/config"), "features")
        return not (isinstance(features, dict) and features.get("auth") is False)

    def sign_in(self, email: str = "", password: str = "") -> str:
        """Gets a token, and keeps it for what is asked next.

        Args:
            email: an account; none is needed where nobody has to log in.
            password: its password.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the account does not exist, or the password is wrong.
        """
        said = self._ask("POST", "/api/v1/auths/signin", {"email": email, "password": password})
        self.key = str(_member(said, "token"))
        return self.key

    def models(self) -> list[str]:
        """Gives the ids of the models that its picker shows.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the key is not accepted.
        """
        listed = _member(self._ask("GET", "/api/models"), "data")
        return [str(entry["id"]) for entry in listed or ()]

    def connections(self) -> list[Connection]:
        """Gives the servers that it asks; only administrators may know them.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the key is not accepted, or is not an administrator's.
        """
        said = self._ask("GET", "/openai/config")
        enabled = bool(_member(said, "ENABLE_OPENAI_API"))
        return [Connection(str(url), enabled) for url in _member(said, "OPENAI_API_BASE_URLS") or ()]

    def connect_to(self, *urls: str, key: str = "not-required") -> None:
        """Changes the servers that it asks, until its next start; only administrators may do that.

        Args:
            urls: their addresses, which end in `/v1`.
            key: the key for each of them.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the key is not accepted, or is not an administrator's.
        """
        lists = {"OPENAI_API_BASE_URLS": list(urls), "OPENAI_API_KEYS": [key] * len(urls)}
        self._ask("POST", "/openai/config/update", {"ENABLE_OPENAI_API": True, "OPENAI_API_CONFIGS": {}, **lists})

    def model_defaults(self) -> dict[str, Any]:
        """Gives what it adds to each request (`DEFAULT_MODEL_PARAMS`), and what it takes its models to be
        (`DEFAULT_MODEL_METADATA`); only administrators may know that.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the key is not accepted, or is not an administrator's.
        """
        return dict(self._ask("GET", "/api/v1/configs/models"))

    def set_model_defaults(self, **values: Any) -> None:
        """Changes what `model_defaults()` gives, until its next start; only administrators may do that.

        Args:
            values: such as `DEFAULT_MODEL_PARAMS={"max_tokens": 256}`; what is left out stays.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the key is not accepted, or is not an administrator's.
        """
        self._ask("POST", "/api/v1/configs/models", {**self.model_defaults(), **values})
        self.models()  # a model's description is made anew with the list

    def offered_by(self, number: int) -> list[str]:
        """Asks one connection for its models now; only administrators may do that.

        Args:
            number: which connection, from 0.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: that server does not answer Open WebUI, or not as it should.
        """
        listed = _member(self._ask("GET", f"/openai/models/{number}"), "data")
        return [str(entry["id"]) for entry in listed or ()]

    def ask(self, model: str, question: str, **options: Any) -> str:
        """Asks a model through Open WebUI as its page does, and gives the whole answer.

        Args:
            model: its id.
            question: what to ask.
            options: further parts of the request, such as `max_tokens`. Without them Open WebUI adds its own.

        Raises:
            EndpointUnreachable: nothing answers.
            OpenWebUIRefused: the model is unknown, or the server behind it refuses.
        """
        messages = [{"role": "user", "content": question}]
        # With a session Open WebUI adds to a request all that it adds for its page, such as tools.
        body = {"model": model, "messages": messages, "stream": False, "session_id": "labkit", **options}
        said = self._ask("POST", "/api/chat/completions", body, _CHAT_TIMEOUT)
        choices = _member(said, "choices")
        return str(choices[0]["message"]["content"] or "") if choices else ""

    def lab(self, model: str) -> Lab:
        """Gives a Lab whose answers come through Open WebUI, for `labkit.streaming` and the openai client.

        Args:
            model: its id.
        """
        return Lab("open-webui", f"{self.url}/api", self.key or "", model)

    def close(self) -> None:
        """Closes the connections. A further question opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Open WebUI at {self.url}>"

    def _ask(self, method: str, path: str, body: object = None, timeout: float = _TIMEOUT) -> Any:
        import httpx2

        self._client = self._client or httpx2.Client(trust_env=not is_loopback(self.url))
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            reply = self._client.request(method, self.url + path, json=body, headers=headers, timeout=timeout)
        except httpx2.HTTPError as error:
            raise EndpointUnreachable(
                f"Open WebUI does not answer at {self.url} ({str(error) or type(error).__name__}). "
                "Start it with `labkit open-webui`."
            ) from error
        if reply.status_code >= _ERRORS:
            raise OpenWebUIRefused(f"{method} {path}", reply.status_code, _detail(reply))
        return _json(reply, f"{method} {path}")


def port_of(url: str) -> int:
    """Gives the port of an address.

    Args:
        url: an http or https address.
    """
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _json(reply: httpx2.Response, what: str) -> Any:
    try:
        return reply.json()
    except ValueError as error:  # Open WebUI gives its page for addresses that it does not know
        raise OpenWebUIRefused(what, reply.status_code, "an answer that is no JSON") from error


def _detail(reply: httpx2.Response) -> str:
    """Finds the words in an error: Open WebUI's own are in `detail`, those of the server behind it in `error`."""
    try:
        said = reply.json()
    except ValueError:
        return reply.text[:200] or reply.reason_phrase
    error = _member(said, "error")
    return str(_member(said, "detail") or _member(error, "message") or error or said)


def _member(said: object, name: str) -> Any:
    return said.get(name) if isinstance(said, dict) else None
