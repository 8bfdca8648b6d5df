"""What is probed: a Lab, and the requests to its server that cost nothing.

It asks with a limit on everything together. It knows nothing of results and of their order.
"""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import Future
from dataclasses import replace
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from labkit.client import Lab
from labkit.fetch import get_json, is_loopback

_FOUNDRY = "foundry-local"
_REFUSES = (401, 403)  # the HTTP statuses for a key that does not fit


class Unhealthy(Exception):
    """A probe did not get what it asked for.

    Args:
        output: what came in its place, in words.
        fix: what to type next.
    """

    def __init__(self, output: str, fix: str) -> None:
        self.output, self.fix = output, fix
        super().__init__(output)


class Target:
    """A server and one of its models.

    Args:
        lab: the way to it; its model may be an alias, the ladder finds the id.

    Attributes:
        lab: the same, with the model's id once `resolve` was called.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = self._given = lab
        parts = urlsplit(lab.endpoint)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def is_foundry(self) -> bool:
        """Whether Foundry Local answers there."""
        return self.lab.source == _FOUNDRY

    @property
    def names_deployments(self) -> bool:
        """Whether models go by names that the server does not list, as Azure's deployments do."""
        return self.lab.source == "azure"

    @property
    def no_socket(self) -> str:
        """Why there is no socket to connect to, in words; empty where there is one."""
        if self._is_in_process:
            return "it runs in this process"
        proxied = urlsplit(self.lab.endpoint).scheme in getproxies() and not is_loopback(self.lab.endpoint)
        return "a proxy connects to it" if proxied and not proxy_bypass(self._host) else ""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self._host}:{self._port}"

    @property
    def restart(self) -> str:
        """How to start the server, or whom to ask."""
        if self.is_foundry:
            return "Start Foundry Local: `labkit serve` in a terminal, `labkit.connect()` in a notebook."
        if self.lab.source == "simulated-cloud":
            return "Start it again: `labkit simulate` in a terminal, `simulator.run()` in a notebook."
        return f"Start the server at {self.lab.endpoint}, or correct BASE_URL."

    @property
    def nurse(self) -> str:
        """What to do about a server that runs and fails."""
        if self.is_foundry:
            return "Stop and start it (Ctrl-C, then `labkit serve`); `labkit doctor` looks for the cause."
        return "Look into the server's log; until it is mended, let the router use another backend."

    def resolve(self, model_id: str) -> None:
        """Takes the exact name of the model.

        Args:
            model_id: as the server knows it.
        """
        if model_id != self.lab.model:
            self.close()
            self.lab = replace(self._given, model=model_id)

    def close(self) -> None:
        """Closes connections that are kept for later, unless they are those of the Lab that was given."""
        if self.lab is not self._given and "client" in self.lab.__dict__:  # made on first use
            self.lab.client.close()
            self.lab = replace(self.lab)

    def connect(self, timeout: float) -> None:
        """Opens a connection and closes it.

        Args:
            timeout: seconds for everything, the look-up of the name included.

        Raises:
            OSError: nobody listens, or not within the time.
        """
        outcome: Future[None] = Future()
        threading.Thread(target=_dial, args=(outcome, self._host, self._port, timeout), daemon=True).start()
        try:
            outcome.result(timeout)
        except TimeoutError:
            raise TimeoutError(f"no answer within {timeout:g} s") from None

    def status(self, timeout: float) -> Any:
        """Asks Foundry Local for its status."""
        return self._get(self.lab.endpoint.removesuffix("/v1"), "/status", timeout)

    def loaded(self, timeout: float) -> Any:
        """Asks Foundry Local which models are in memory."""
        return self._get(self.lab.endpoint.removesuffix("/v1"), "/models/loaded", timeout)

    def models(self, timeout: float) -> Any:
        """Asks which models there are."""
        if self._is_in_process:
            return self._ask_in_process(timeout)
        return self._get(self.lab.endpoint, "/models", timeout)

    @property
    def _is_in_process(self) -> bool:
        return type(self.lab) is not Lab  # a Lab of another kind brings a transport of its own, without a socket

    def _ask_in_process(self, timeout: float) -> Any:
        from openai import APIError

        from labkit.translation import translate

        try:
            return json.loads(self.lab.client.models.with_raw_response.list(timeout=timeout).content)
        except APIError as error:
            raise Unhealthy(f"GET /models failed: {translate(error, self.lab, timeout)}", self.nurse) from error

    def _get(self, root: str, path: str, timeout: float) -> Any:
        try:
            return get_json(root + path, timeout, {"Authorization": f"Bearer {self.lab.api_key}"})
        except HTTPError as error:
            error.close()
            raise self._refused(path, error.code) from error
        except TimeoutError as error:
            raise Unhealthy(f"GET {path}: no answer within {timeout:g} s", self.nurse) from error
        except (ValueError, HTTPException) as error:
            raise Unhealthy(f"GET {path} gave something that is no JSON", self.wrong_address) from error
        except OSError as error:
            raise Unhealthy(f"GET {path} failed: {getattr(error, 'reason', error)}", self.restart) from error

    @property
    def wrong_address(self) -> str:
        """What to do about a server that speaks another language."""
        return "Correct BASE_URL or --url; for Foundry Local it looks like http://127.0.0.1:51211/v1."

    def _refused(self, path: str, code: int) -> Unhealthy:
        if code in _REFUSES:
            return Unhealthy(f"GET {path}: the server refuses the API key (HTTP {code})", "Set API_KEY.")
        server_fails = code >= 500 or code == 429  # noqa: PLR2004  # the HTTP statuses that may pass by themselves
        return Unhealthy(f"GET {path} gave HTTP {code}", self.nurse if server_fails else self.wrong_address)


def _dial(outcome: Future[None], host: str, port: int, timeout: float) -> None:
    try:
        socket.create_connection((host, port), timeout).close()
        outcome.set_result(None)
    except Exception as error:
        outcome.set_exception(error)
