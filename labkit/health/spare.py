"""A spare Foundry Local: a second one in a process of its own, which a lesson may stop and start as it likes.

Nobody else uses it, so nobody else is disturbed. It ends with this process, however this process ends. It knows
nothing of health checks.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from dataclasses import replace
from typing import Self

from labkit.client import Lab
from labkit.errors import RuntimeUnavailable
from labkit.ports import free_port
from labkit.service import Service

_READY = "ready "
_PATIENCE = 10.0  # seconds for it to end


class SpareService:
    """A Foundry Local service with one bundled model in memory. `with` stops it at the end.

    Args:
        model: the model, by its alias.

    Attributes:
        lab: the Lab that leads to it. It stays the same when the service is stopped and started.

    Raises:
        RuntimeUnavailable: it does not start.
    """

    def __init__(self, model: str = "course-small") -> None:
        self._alias, self._port = model, free_port()
        self._service = Service(f"http://127.0.0.1:{self._port}")
        self._process: subprocess.Popen[str] | None = None
        self.lab = Lab("foundry-local", f"{self._service.uri}/v1", "not-required", model)
        self.lab = replace(self.lab, model=self.start())

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Starts it, with its model in memory, and gives the model's id; does nothing more when it runs.

        Raises:
            RuntimeUnavailable: it does not start.
        """
        if not self.is_running:
            code = f"from {__name__} import _serve; _serve({self._port}, {self._alias!r})"
            self._process = subprocess.Popen(  # noqa: S603  # this module itself
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            atexit.register(self.stop)
            self._await()
        info = self._service.ready(self._alias)
        assert info is not None  # noqa: S101  # for the type checker; it has just said that it is ready
        return info.id

    def stop(self) -> None:
        """Stops it. Stopping twice does nothing."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is None:
            return
        if "client" in self.lab.__dict__:  # made on first use; its connections end with the service
            self.lab.__dict__.pop("client").close()
        try:
            process.communicate(timeout=_PATIENCE)  # closes its input, which is its sign to end
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def unload(self) -> None:
        """Takes the model out of memory; the service goes on."""
        self._service.unload(self._alias)

    def load(self) -> None:
        """Brings the model back into memory."""
        self._service.ready(self._alias)

    def __repr__(self) -> str:
        return f"<Spare Foundry Local at {self.lab.endpoint}: {'runs' if self.is_running else 'stopped'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _await(self) -> None:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101  # for the type checker
        for line in self._process.stdout:
            if line.startswith(_READY):
                return
        self.stop()
        raise RuntimeUnavailable("A second Foundry Local does not start. `labkit doctor` looks for the cause.")


def _serve(port: int, model: str) -> None:
    """Serves in this process, until its standard input ends: with the one who started it, or at its wish."""
    from labkit.library import Library
    from labkit.runtime import shared_runtime
    from labkit.settings import Settings

    settings = Settings.load()
    shared_runtime(settings, port).serve()
    Library(settings).ready(model)
    sys.stdout.write(f"{_READY}\n")
    sys.stdin.read()
