"""The way in, checked in three levels: the model server, the page, and a chat through the page.

It starts and changes nothing: a check must see things as they are. What a trouble is called and how it is mended is
the business of `trouble`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from labkit.client import Lab
from labkit.errors import EndpointUnreachable, OpenWebUIRefused
from labkit.fetch import is_loopback
from labkit.health import Ladder, find
from labkit.health.result import Status
from labkit.open_webui import trouble
from labkit.open_webui.api import OpenWebUI, port_of
from labkit.open_webui.configuration import most_tokens
from labkit.open_webui.connections import why_not_listed
from labkit.open_webui.installation import Installation
from labkit.open_webui.neighbours import foundry_elsewhere
from labkit.open_webui.report import Level, Report
from labkit.open_webui.trouble import Trouble
from labkit.ports import holder
from labkit.settings import Settings

NAMES = ("a loaded model is served", "Open WebUI is healthy", "a chat completes through it")
_QUESTION = "What is a token?"
_MS = 1_000
_FORBIDDEN = (401, 403)


class _Finding(NamedTuple):
    status: Status
    output: str
    fix: str = ""
    trouble: str = ""


def check(lab: Lab | None = None, url: str | None = None, key: str | None = None) -> Report:
    """Checks once whether people can chat. It costs a token, and one short answer.

    Args:
        lab: the model that should answer; as the settings say when left out.
        url: the address of Open WebUI; OPEN_WEBUI_URL when left out.
        key: an API key of Open WebUI; OPEN_WEBUI_API_KEY when left out.

    Raises:
        SettingsError: a setting holds a value that cannot be used.
    """
    settings = Settings.load()
    ladder = Ladder(lab or find())
    with OpenWebUI(url or settings.open_webui_url, key or settings.open_webui_key) as ui:
        first = _level(1, lambda: _serves(ladder))
        second = _level(2, lambda: _healthy(ui))
        broken = [level.number for level in (first, second) if level.status == "fail"]
        third = _untried(broken[0]) if broken else _level(3, lambda: _chats(ui, ladder.lab))
        ladder.close()
        return Report(ladder.lab.model, ui.url, (first, second, third))


def _level(number: int, look: Callable[[], _Finding]) -> Level:
    began = time.perf_counter()
    found = look()
    ms = (time.perf_counter() - began) * _MS
    return Level(number, NAMES[number - 1], found.status, found.output, found.fix, found.trouble, ms)


def _untried(broken: int) -> Level:
    return Level(3, NAMES[2], "unknown", f"not tried, because level {broken} failed")


def _in_trouble(known: Trouble) -> _Finding:
    return _Finding("warn" if known.name == "starting" else "fail", known.found, known.fix, known.name)


def _serves(ladder: Ladder) -> _Finding:
    report = ladder.check()
    lab, decisive = ladder.lab, report.decisive
    if report.is_ready:
        took = f"{lab.model} answers at {lab.endpoint}, the first token after {report.first_token_ms or 0:,.0f} ms"
        return _Finding(report.status, took, report.fix, "slow" if report.status == "warn" else "")
    if decisive.rung == "socket" and lab.source == "foundry-local":
        return _in_trouble(trouble.foundry_down(lab, foundry_elsewhere(lab)))
    if decisive.rung == "status" and (held_by := _holder(lab.endpoint)):
        move = "start Foundry Local on another one: `labkit serve --port N`, and FOUNDRY_PORT=N"
        return _in_trouble(trouble.port_taken(port_of(lab.endpoint), held_by, "Foundry Local", move))
    name = {"models": "not-listed", "loaded": "not-loaded"}.get(decisive.rung, "no-answer")
    return _Finding("fail", report.output, report.fix, name)


def _healthy(ui: OpenWebUI) -> _Finding:
    try:
        if not ui.is_healthy():
            raise OpenWebUIRefused("GET /health", 200, "an answer that is not Open WebUI's")
        if not ui.is_ready():
            return _in_trouble(trouble.starting(ui.url))
        return _Finding("pass", f"version {ui.version()} answers at {ui.url}")
    except EndpointUnreachable:
        return _in_trouble(trouble.page_down(ui.url, Installation.find().is_complete))
    except OpenWebUIRefused as error:
        held_by = _holder(ui.url) or f"a server that answers {error.detail!r}"
        move = "start Open WebUI on another port and set OPEN_WEBUI_URL"
        return _in_trouble(trouble.port_taken(port_of(ui.url), held_by, "Open WebUI", move))


def _chats(ui: OpenWebUI, lab: Lab) -> _Finding:
    try:
        if (known := _signed_in(ui)) or (known := why_not_listed(ui, lab)):
            return _in_trouble(known)
        answer = ui.ask(lab.model, _QUESTION)  # without a limit of its own, as the page asks
    except EndpointUnreachable as error:
        return _Finding("fail", str(error), "Check again.", "page-down")
    except OpenWebUIRefused as error:
        if error.status in _FORBIDDEN:
            return _in_trouble(trouble.login_needed(error.detail))
        return _in_trouble(trouble.no_answer(lab, error.status, error.detail, most_tokens(lab)))
    if not answer.strip():
        return _in_trouble(trouble.no_answer(lab, 200, "the answer is empty", most_tokens(lab)))
    return _Finding("pass", f"{lab.model} answered with {len(answer.split())} words")


def _signed_in(ui: OpenWebUI) -> Trouble | None:
    if ui.key:
        return None
    if ui.wants_login():
        return trouble.login_needed("there is no API key to show")
    try:
        ui.sign_in()
    except OpenWebUIRefused as error:
        return trouble.existing_users(error.detail)
    return None


def _holder(url: str) -> str | None:
    return holder(port_of(url)) if is_loopback(url) else None
