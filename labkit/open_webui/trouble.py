"""The troubles that people have with Open WebUI: each with a name, what was found, and the fix.

From signs to words. It asks nobody anything.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from labkit.client import Lab
from labkit.fetch import is_loopback
from labkit.model_info import alias_of
from labkit.open_webui.api import port_of
from labkit.open_webui.files import HOST

_RESTART = "and start Open WebUI again (`labkit open-webui`, or `docker compose up -d` in its folder)."
_BUDGET = re.compile(r"\((\d+) input \+ (\d+) output\).*maximum context length of (\d+)")
_STATUS = re.compile(r"HTTP Error: (\d+)")


class Trouble(NamedTuple):
    """One trouble.

    Attributes:
        name: its short name, such as `foundry-down`.
        found: what was found, in words.
        fix: what to do next.
    """

    name: str
    found: str
    fix: str


def foundry_down(lab: Lab, elsewhere: str | None) -> Trouble:
    """Connection refused: nobody listens where Foundry Local is looked for.

    Args:
        lab: whom was looked for.
        elsewhere: the address of a Foundry Local that runs on another port, if there is one.
    """
    found = f"the connection to {lab.endpoint} is refused: nothing listens there"
    if elsewhere is None:
        return Trouble("foundry-down", found, "Start Foundry Local: `labkit serve` in another terminal.")
    port = port_of(elsewhere)
    fix = f"Set FOUNDRY_PORT={port}, or stop that one and start it where it is looked for: `labkit serve`."
    return Trouble("foundry-elsewhere", f"{found}; Foundry Local runs at {elsewhere}", fix)


def port_taken(port: int, holder: str, program: str, option: str) -> Trouble:
    """Another program listens on the port.

    Args:
        port: the port.
        holder: who holds it, in words.
        program: who should be there, in words.
        option: how to move to another port, in words.
    """
    return Trouble(
        "port-taken", f"port {port} is held by {holder}, which is not {program}", f"Stop that program, or {option}."
    )


def page_down(url: str, is_installed: bool) -> Trouble:
    """Nobody listens where Open WebUI is looked for.

    Args:
        url: its address.
        is_installed: whether its own environment is on this machine.
    """
    start = "Start it: `labkit open-webui`."
    get = (
        "Install it once with `labkit open-webui install`, then start it with `labkit open-webui`; "
        "or use Docker: `labkit open-webui files`."
    )
    return Trouble("page-down", f"nothing listens at {url}", start if is_installed else get)


def starting(url: str) -> Trouble:
    """It listens, and has not ended its start-up."""
    return Trouble("starting", f"Open WebUI at {url} is still starting", "Wait a minute, and check again.")


def login_needed(detail: str) -> Trouble:
    """People have to sign in, and the check has no key or a wrong one.

    Args:
        detail: what Open WebUI said.
    """
    fix = "Make an API key in its page (Settings, Account), and set OPEN_WEBUI_API_KEY."
    return Trouble("login", f"Open WebUI wants a login: {detail}", fix)


def existing_users(detail: str) -> Trouble:
    """The login was switched off after accounts had been made.

    Args:
        detail: what Open WebUI said.
    """
    fix = f"Set WEBUI_AUTH=True and sign in, or give it an empty DATA_DIR, {_RESTART}"
    return Trouble("accounts", f"the login is off, but its data hold accounts: {detail}", fix)


def openai_off() -> Trouble:
    """It asks no OpenAI-compatible server at all."""
    fix = f"Set ENABLE_OPENAI_API=True and ENABLE_PERSISTENT_CONFIG=False, {_RESTART}"
    return Trouble("connections-off", "its connections to OpenAI-compatible servers are switched off", fix)


def unreachable(url: str, lab: Lab) -> Trouble:
    """It does not reach the address that it was given, while this machine reaches the model.

    Args:
        url: the address that it was given.
        lab: the model, as this machine reaches it.
    """
    if urlsplit(url).hostname == HOST:
        return Trouble("no-way-to-host", f"Open WebUI does not reach {url}", _leave_container(lab))
    if is_loopback(url) and port_of(url) == port_of(lab.endpoint):
        found = f"this machine reaches {url}, Open WebUI does not: it runs in a container, where that is the container"
        return Trouble("container-loopback", found, _leave_container(lab))
    return Trouble("wrong-address", f"Open WebUI asks {url}, and nobody answers there", _set_address(lab.endpoint))


def refused(url: str, lab: Lab, detail: str) -> Trouble:
    """The server that it asks for models answers with an error.

    Args:
        url: the address that it was given.
        lab: the model, as this machine reaches it.
        detail: what Open WebUI said.
    """
    status = _STATUS.search(detail)
    if status and status[1] == "404" and not urlsplit(url).path.strip("/"):
        return Trouble(
            "no-v1", f"{url} has no list of models (HTTP 404): /v1 is missing", _set_address(f"{url.rstrip('/')}/v1")
        )
    if (status and status[1] in ("401", "403")) or "key" in detail.lower():
        fix = f"Set OPENAI_API_KEYS to a key that the server accepts, {_RESTART}"
        return Trouble("key-refused", f"{url} refuses the key that Open WebUI shows: {detail}", fix)
    return Trouble("wrong-address", f"{url} gives Open WebUI no list of models: {detail}", _set_address(lab.endpoint))


def not_offered(lab: Lab, listed: list[str]) -> Trouble:
    """It reaches a server, which does not list the model.

    Args:
        lab: the model.
        listed: the models that are listed.
    """
    names = ", ".join(listed) or "no models"
    fix = f"Choose one of those, or serve it: `labkit serve --model {alias_of(lab.model)}`."
    return Trouble("not-listed", f"the server that Open WebUI asks lists {names}, not {lab.model}", fix)


def not_visible(lab: Lab) -> Trouble:
    """The server lists the model, and this account does not see it.

    Args:
        lab: the model.
    """
    fix = f"Set BYPASS_MODEL_ACCESS_CONTROL=True, or share the model (Workspace, Models), {_RESTART}"
    return Trouble("not-visible", f"{lab.model} is not among the models that this account may see", fix)


def stale(lab: Lab) -> Trouble:
    """The list was fetched before the model was there."""
    return Trouble("stale", f"the list in Open WebUI is older than {lab.model}", "Reload its page, and check again.")


def no_answer(lab: Lab, status: int, detail: str, max_tokens: int) -> Trouble:
    """The model is in the list, and a chat fails.

    Args:
        lab: the model.
        status: the HTTP status.
        detail: what came instead of an answer.
        max_tokens: a limit for answers that would work.
    """
    lowered = detail.lower()
    if "context length" in lowered or "total tokens" in lowered:
        return _too_long(lab, detail, max_tokens)
    if "must be loaded" in lowered or "not loaded" in lowered:
        fix = f'Load it: `labkit ask --model {alias_of(lab.model)} "Hello"`.'
        return Trouble("not-loaded", f"{lab.model} is listed, but not in memory", fix)
    if "connection error" in lowered or "cannot connect" in lowered:
        fix = "Start Foundry Local: `labkit serve` in another terminal."
        return Trouble("foundry-down", f"Open WebUI lost its model server: {detail}", fix)
    fix = "Look into its log: `labkit open-webui` prints where it is; `docker compose logs` with Docker."
    return Trouble("chat-failed", f"the chat failed (HTTP {status}): {detail}", fix)


def _too_long(lab: Lab, detail: str, max_tokens: int) -> Trouble:
    counted = _BUDGET.search(detail)
    if counted is None:
        return Trouble("too-long", f"{lab.model} cannot hold the request: {detail}", "Shorten it, or begin a new chat.")
    prompt, answer, holds = map(int, counted.groups())
    if prompt > holds - max_tokens:
        fix = f"""Set DEFAULT_MODEL_METADATA='{{"capabilities": {{"builtin_tools": false}}}}', {_RESTART}"""
        found = f"a short question became {prompt:,} tokens, because Open WebUI adds its own tools"
        return Trouble("page-tools", f"{found}; {lab.model} holds {holds:,}", fix)
    fix = f"""Set DEFAULT_MODEL_PARAMS='{{"max_tokens": {max_tokens}}}', {_RESTART}"""
    found = f"no limit was set for the answer, so {answer:,} tokens are reserved for it"
    return Trouble("no-token-limit", f"{found}; {lab.model} holds {holds:,}", fix)


def _set_address(url: str) -> str:
    return f"Set OPENAI_API_BASE_URLS={url} and ENABLE_PERSISTENT_CONFIG=False, {_RESTART}"


def _leave_container(lab: Lab) -> str:
    port = port_of(lab.endpoint)
    return (
        f"With Docker Desktop set OPENAI_API_BASE_URLS=http://{HOST}:{port}/v1; with Docker on Linux give the "
        "container the machine's network (COMPOSE_PROFILES=host). `labkit open-webui files` writes both for you."
    )
