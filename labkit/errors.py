"""Everything that labkit raises on purpose.

    LabkitError
    +-- SettingsError            a variable holds a value that cannot be used
    +-- HomeNotWritable          the data folder cannot be written
    +-- PortInUse                another program holds the port
    +-- RuntimeUnavailable       Foundry Local itself could not be started
    +-- KernelNotWritable        the Jupyter kernel cannot be registered in this environment
    +-- NotebookNotFound         there is no such notebook here
    +-- DemoNotFound             the page of the WebGPU demo is not here
    +-- DemoNotMeasured          the page of the WebGPU demo gave no figures
    +-- LaunchFailed             a program that was to be opened in the browser does not start
    +-- OpenWebUIError           Open WebUI cannot be installed or asked
    |   +-- OpenWebUIMissing     it is not installed on this machine
    |   +-- OpenWebUIRefused     it runs, and turns a request down
    +-- ModelError
    |   +-- ModelNotFound        nobody knows this alias or id
    |   +-- ModelDamaged         weights that labkit ships are damaged
    |   +-- DownloadFailed       the public catalog or its files cannot be reached
    +-- EndpointError            BASE_URL leads somewhere wrong
    |   +-- EndpointUnreachable  nothing answers there
    |   +-- NotOpenAI            something answers, but it speaks another language
    |   +-- Unauthorised         the server refuses the API key
    +-- SimulatorError           the simulated cloud was given a value that it cannot use
    +-- GatewayError             the gateway was given a rule, a key or an address that it cannot use
    +-- HealthError              a health check was given a value that it cannot use
    +-- RoutingError             a request could not be routed
    |   +-- PolicyError          rules that contradict each other, or that name what does not exist
    |   +-- NoBackend            every backend is ruled out or has failed
    |   +-- DeadlineExceeded     the time for the whole chain is used up
    +-- RequestError             the server refused or broke off one request
        +-- ContextTooLong       prompt and answer do not fit into the model
        +-- RequestRefused       the server does not accept this request, and repeating it does not help
        +-- RateLimited          the server wants fewer requests for now; it may say for how long
        +-- ServerFailed         the server accepted the request and failed
        +-- TimedOut             no answer came in time
        +-- StreamInterrupted    a stream ended badly; it carries what came so far

Each message states the cause, and then the next thing to type.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class LabkitError(Exception):
    """The root of every error that labkit raises on purpose.

    Attributes:
        trace: every attempt that a router made before it raised this (`labkit.routing.Trace`), if a router did.
    """

    trace: Any = None


class SettingsError(LabkitError):
    """A setting holds a value that cannot be used."""


class HomeNotWritable(LabkitError):
    """The data folder cannot be written to.

    Args:
        folder: the folder that refused the write.
        cause: what the operating system said.
    """

    def __init__(self, folder: Path, cause: OSError) -> None:
        self.folder = folder
        super().__init__(
            f"labkit cannot write to {folder}: {cause.strerror or cause}. "
            "Free some space there, or set LABKIT_HOME to a folder that you can write to."
        )


class PortInUse(LabkitError):
    """Another program holds the port.

    Args:
        port: the port that was asked for.
        holder: who holds it, in words.
    """

    def __init__(self, port: int, holder: str) -> None:
        self.port = port
        self.holder = holder
        super().__init__(
            f"Port {port} is held by {holder}. Stop that program, or choose another port with --port {port + 1}."
        )


class RuntimeUnavailable(LabkitError):
    """Foundry Local itself could not be started."""


class KernelNotWritable(LabkitError):
    """The Jupyter kernel "Foundry Local" cannot be registered in this Python environment.

    Args:
        folder: the folder that refused the write.
        cause: what the operating system said.
    """

    def __init__(self, folder: Path, cause: OSError) -> None:
        self.folder = folder
        super().__init__(
            f"labkit cannot register its Jupyter kernel in {folder}: {cause.strerror or cause}. "
            "Use an environment of your own: `uv sync` in the course's folder makes one, `uv run labkit start` uses it."
        )


class NotebookNotFound(LabkitError):
    """There is no such notebook here."""


class DemoNotFound(LabkitError):
    """The page of the WebGPU demo is not here."""


class DemoNotMeasured(LabkitError):
    """The page of the WebGPU demo gave no figures.

    Args:
        what: what happened.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"The page was not measured: {what}. Open it with `labkit webgpu` and look at what it says.")


class LaunchFailed(LabkitError):
    """A program that was to be opened in the browser does not start.

    Args:
        name: what was started, in words.
        what: what happened.
        said: the last lines that it printed.
        log: the file with all of them.
    """

    def __init__(self, name: str, what: str, said: str, log: Path) -> None:
        self.log = log
        quoted = "".join(f"\n  {line}" for line in said.splitlines()) or "\n  (it printed nothing)"
        super().__init__(
            f"{name} did not start: {what}. It said:{quoted}\nThe whole log is in {log}. "
            "`labkit doctor` looks for what is wrong on this machine."
        )


class OpenWebUIError(LabkitError):
    """Open WebUI cannot be installed or asked."""


class OpenWebUIMissing(OpenWebUIError):
    """Open WebUI is not installed on this machine.

    Args:
        folder: where its environment would be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            f"Open WebUI is not installed in {folder}. Install it with `labkit open-webui install` (about 3 GB, once). "
            "With Docker you need not: `labkit open-webui files`, then `docker compose up -d` in the folder open-webui."
        )


class OpenWebUIRefused(OpenWebUIError):
    """Open WebUI runs, and turns a request down.

    Args:
        what: the request, such as `GET /api/models`.
        status: the HTTP status.
        detail: what Open WebUI said.
    """

    def __init__(self, what: str, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(
            f"Open WebUI refused {what} (HTTP {status}): {detail}. `labkit open-webui check` looks for the cause."
        )


class ModelError(LabkitError):
    """Something is wrong with a model."""


class ModelNotFound(ModelError):
    """Nobody knows this alias or id.

    Args:
        name: what was asked for.
        nearest: known names that look alike, best first.
        where: where labkit looked, in words.
    """

    def __init__(self, name: str, nearest: Sequence[str], where: str) -> None:
        self.name = name
        self.nearest = tuple(nearest)
        hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
        super().__init__(f"No model is called {name!r} in {where}. {hint}`labkit models` lists what there is.")


class ModelDamaged(ModelError):
    """The weights that labkit ships are damaged in the installation itself.

    Args:
        file: the file whose SHA-256 is wrong or which is missing.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(
            f"The bundled file {file} is missing or damaged. Restore it: `git checkout -- labkit/models` in a clone, "
            "`uv sync --reinstall-package labkit` elsewhere."
        )


class DownloadFailed(ModelError):
    """The public catalog or its files cannot be reached.

    Args:
        alias: the model that was asked for.
        tried: what was tried, in words.
    """

    def __init__(self, alias: str, tried: str) -> None:
        self.alias = alias
        super().__init__(
            f"{alias!r} is not bundled, so it has to be downloaded, and that failed: {tried}. "
            "Connect to the internet and run the same line again, or stay offline with MODEL=course-large."
        )


class EndpointError(LabkitError):
    """BASE_URL leads somewhere wrong."""


class EndpointUnreachable(EndpointError):
    """Nothing answers at the address."""


class NotOpenAI(EndpointError):
    """Something answers at the address, but it is no OpenAI-compatible server."""


class Unauthorised(EndpointError):
    """The server refuses the API key."""


class SimulatorError(LabkitError):
    """The simulated cloud was given a profile, a fault or a file that it cannot use."""


class GatewayError(LabkitError):
    """The gateway was given a rule, a key, a file or an address that it cannot use."""


class HealthError(LabkitError):
    """A health check was given a value that it cannot use."""


class RoutingError(LabkitError):
    """A request could not be routed."""


class PolicyError(RoutingError):
    """A policy cannot be used.

    Args:
        detail: what is wrong with it and how to correct that.
        path: where in the policy, such as `("rules", 2, "threshold")`.
        place: the file and line, where it was read from a file.
    """

    def __init__(self, detail: str, path: Sequence[str | int] = (), place: str | None = None) -> None:
        self.detail = detail
        self.path = tuple(path)
        self.place = place
        where = place or ".".join(map(str, self.path))
        super().__init__(f"The policy cannot be used{f' ({where})' if where else ''}: {detail}")


class NoBackend(RoutingError):
    """Every backend is ruled out or has failed.

    Args:
        rejections: each backend's name, and why it did not answer, in words.
    """

    def __init__(self, rejections: Sequence[tuple[str, str]]) -> None:
        self.rejections = tuple(rejections)
        listed = "".join(f"\n  {name}: {reason}" for name, reason in rejections) or "\n  (there is none)"
        super().__init__(
            f"No backend is left to answer:{listed}\n"
            "Change the request, the policy or the backends; `router.explain(prompt)` shows what each rule says."
        )


class DeadlineExceeded(RoutingError):
    """The time for the whole chain is used up.

    Args:
        deadline: how long the request was allowed to take, in seconds.
        text: what had been given out until then.
    """

    def __init__(self, deadline: float, text: str = "") -> None:
        self.deadline = deadline
        self.text = text
        super().__init__(
            f"The answer was not complete within {deadline:g} seconds. The attempts are in `.trace`; "
            "allow more with deadline=..., or choose a faster backend."
        )


class RequestError(LabkitError):
    """The server refused or broke off one request.

    Attributes:
        status: the HTTP status, where the server sent one that says it.
        retry_after: seconds that the server wants to be left alone, where it says so.
    """

    status: int | None = None
    retry_after: float | None = None


class ContextTooLong(RequestError):
    """Prompt and answer do not fit into the model's context.

    Args:
        needed: tokens that the request needs, prompt and answer together.
        limit: tokens that the model can hold.
    """

    def __init__(self, needed: int, limit: int) -> None:
        self.needed = needed
        self.limit = limit
        super().__init__(
            f"The request needs {needed:,} tokens (prompt and answer together), and the model holds {limit:,}. "
            "Shorten the prompt, drop old messages, or lower max_tokens."
        )


class RequestRefused(RequestError):
    """The server does not accept this request, and repeating it does not help.

    Args:
        status: the HTTP status.
        detail: what the server said.
    """

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(
            f"The server refused the request (HTTP {status}): {detail}. Correct the options and ask again."
        )


class RateLimited(RequestError):
    """The server wants fewer requests or tokens for now.

    Args:
        retry_after: seconds to wait, where the server said so.
        detail: what the server said.
    """

    status = 429

    def __init__(self, retry_after: float | None, detail: str) -> None:
        self.retry_after = retry_after
        wait = "a little" if retry_after is None else f"{retry_after:g} seconds"
        super().__init__(f"The server limits its load (HTTP 429): {detail}. Wait {wait}, then ask again.")


class ServerFailed(RequestError):
    """The server accepted the request and failed.

    Args:
        status: the HTTP status, 500 or above.
        retry_after: seconds to wait, where the server said so.
        detail: what the server said.
    """

    def __init__(self, status: int, retry_after: float | None, detail: str) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(
            f"The server failed (HTTP {status}): {detail}. Ask again; if it goes on, look into the server's log, "
            "or run `labkit doctor` when it is Foundry Local."
        )


class TimedOut(RequestError):
    """No answer came in time.

    Args:
        seconds: how long labkit waited.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"No answer came within {seconds:g} seconds. Ask again, shorten the prompt, or allow more time (timeout)."
        )


class StreamInterrupted(RequestError):
    """A stream ended badly.

    Args:
        reason: `cut`, `stall`, `error`, `malformed` or `truncated`.
        text: what had arrived until then.
        detail: what happened, in words.
    """

    def __init__(self, reason: str, text: str, detail: str) -> None:
        self.reason = reason
        self.text = text
        super().__init__(
            f"The stream broke off ({reason}) after {len(text)} characters: {detail}. "
            "The text so far is in `.text`; ask again for a whole answer."
        )
