"""Gateways as tests use them: in front of the simulated cloud, spoken to in bytes where a client would be too polite.

It knows nothing of what the gateway is meant to do.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labkit import gateway, simulator
from labkit.client import Lab
from labkit.gateway import Entry, Gate, Rules
from labkit.simulator import Cloud, Request

GENEROUS = Rules(requests_per_minute=100_000, tokens_per_minute=100_000_000, concurrent_per_key=1_000)
TEXT = " ".join(f"word{number}" for number in range(30))
_PATIENCE = 20.0  # seconds for what must happen some time


@dataclass
class Guarded:
    """A gateway with somebody who may come in.

    Attributes:
        gate: the gateway.
        key: Ann's key.
        cloud: the simulated cloud behind it, where there is one.
    """

    gate: Gate
    key: str
    cloud: Cloud | None = None

    @property
    def lab(self) -> Lab:
        """Ann's way in."""
        return self.gate.lab(self.key)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.gate.endpoint)
        return str(parts.hostname), int(parts.port or 0)

    def ask(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: Any = None,
        key: str | None = "",
        **headers: str,
    ) -> tuple[HTTPResponse, bytes]:
        """Sends one request on a connection of its own.

        Args:
            method, path: as they stand on the wire.
            body: a value that becomes JSON, or bytes.
            key: Ann's when left out; None sends none.
            headers: further ones; underscores become hyphens.
        """
        connection = HTTPConnection(*self.address, timeout=_PATIENCE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.key}"
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, raw, sent)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def chat(self, **changes: Any) -> tuple[HTTPResponse, bytes]:
        """Sends a chat request."""
        return self.ask(body=chat(self.lab.model, **changes))

    @property
    def requests(self) -> list[Request]:
        """The requests that came through the gateway to the cloud; the monitor asks without it."""
        assert self.cloud is not None
        return [request for request in self.cloud.requests if request.prompt == "Hello"]

    def entry(self, answer: HTTPResponse) -> Entry:
        """Gives the line of the log for an answer; it is written once the answer is out."""
        number = answer.headers["x-request-id"]
        found: Entry = eventually(lambda: next((entry for entry in self.gate.log if entry.id == number), None))
        return found

    def raw(self, data: bytes, wait: float = _PATIENCE) -> bytes:
        """Sends bytes as they are, and reads until the other side closes or nothing comes any more."""
        with socket.create_connection(self.address, timeout=wait) as connection:
            connection.sendall(data)
            received = b""
            try:
                while more := connection.recv(65536):
                    received += more
            except (TimeoutError, ConnectionResetError):
                pass
            return received


def chat(model: str, **changes: Any) -> dict[str, Any]:
    """Makes the body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50} | changes


@contextmanager
def guarded(
    rules: Rules = GENEROUS, *, profile: Any = "instant", lab: Lab | None = None, **cloud: Any
) -> Iterator[Guarded]:
    """Runs a gateway in front of a simulated cloud, or of another server."""
    if lab is not None:
        with gateway.run(lab, rules=rules) as gate:
            yield Guarded(gate, gate.keys.create("ann"))
        return
    with (
        simulator.run(profile, **{"text": TEXT, **cloud}) as simulated,
        gateway.run(simulated.lab, rules=rules) as gate,
    ):
        yield Guarded(gate, gate.keys.create("ann"), simulated)


def eventually(what: Callable[[], Any]) -> Any:
    """Waits until something is true, and gives it."""
    end = time.monotonic() + _PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate for 127.0.0.1 that nobody else knows."""
    certificate, private = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, *names, "-keyout", private, "-out", certificate], check=True, capture_output=True)
    return certificate, private
