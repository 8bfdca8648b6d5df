"""Conversations and feedback outlive the page and the application; accounts are demanded where they must be."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attentive import Attentive
from person import Person
from playwright.sync_api import Browser, expect

from labkit import launch
from labkit.chat.accounts import Accounts
from labkit.errors import LaunchFailed
from labkit.launch import Program
from labkit.ports import free_port
from labkit.simulator import Cloud

_LIMIT = 20.0  # seconds until something that should be on disk is not


@contextmanager
def _app(cloud: Cloud, home: Path, port: int, **settings: str) -> Iterator[Program]:
    env = {"BASE_URL": cloud.endpoint, "MODEL": cloud.lab.model, "LABKIT_HOME": str(home), **settings}
    with launch.chat(port=port, env={**env, "CHAINLIT_APP_ROOT": str(home)}) as program:
        yield program


def test_a_conversation_goes_on_after_a_reload_and_after_a_restart(
    browser: Browser, cloud: Cloud, model: Attentive, tmp_path: Path
) -> None:
    """The page shows it again, and the model is told what was said before."""
    port = free_port()
    with _app(cloud, tmp_path, port) as app, Person.at(browser, app.url) as person:
        person.ask("Say: remembered")
        person.wait_for_answer()
        person.ask("Stop in the middle.")
        person.see("word5")
        person.stop()
        person.page.wait_for_url("**/thread/**")
        thread = person.page.url
        person.page.reload()
        expect(person.questions).to_have_text(["Say: remembered", "Stop in the middle."])
        cookies = person.page.context.storage_state()
        _wait_for_row(tmp_path, "SELECT 1 FROM steps WHERE output LIKE '%stopped%'")
    context = browser.new_context(storage_state=cookies)
    with _app(cloud, tmp_path, port):
        back = Person(context.new_page())
        back.page.goto(thread)
        expect(back.questions).to_have_text(["Say: remembered", "Stop in the middle."])
        expect(back.page.locator("#root")).not_to_contain_text("Task manually stopped")
        back.ask("Say: again")
        back.see("again")
    context.close()
    told = [message["content"] for message in model.told("Say: again").messages[1:]]
    assert told[:3] == ["Say: remembered", "remembered", "Stop in the middle."]
    assert told[3].startswith("word0")
    assert told[4:] == ["Say: again"]


def test_thumbs_are_kept(browser: Browser, cloud: Cloud, tmp_path: Path) -> None:
    """Feedback is about the run that an answer belongs to, as Chainlit calls all that one question sets off."""
    with _app(cloud, tmp_path, free_port()) as app, Person.at(browser, app.url) as person:
        person.ask("Say: rate me")
        person.wait_for_answer()
        person.page.locator(".positive-feedback-off").last.click()
        person.page.click("#submit-feedback")
        query = "SELECT value, output FROM feedbacks JOIN steps ON steps.parentId = forId"
        value, output = _wait_for_row(tmp_path, query)
    assert value == 1
    assert output.startswith("rate me")


def test_without_history_nothing_is_kept(browser: Browser, cloud: Cloud, tmp_path: Path) -> None:
    """One setting turns it off, and the chat works all the same."""
    settings = {"CHAT_HISTORY": "off"}
    with _app(cloud, tmp_path, free_port(), **settings) as app, Person.at(browser, app.url) as person:
        person.ask("Say: forget me")
        person.wait_for_answer()
    assert not (tmp_path / "chat" / "history.db").exists()


def test_login_demands_the_right_password(browser: Browser, cloud: Cloud, tmp_path: Path) -> None:
    """One setting turns it on; passwords are kept as hashes; users see their own conversations only."""
    accounts = Accounts(tmp_path / "chat")
    accounts.add("anna", "correct horse")
    accounts.add("ben", "battery staple")
    assert "correct horse" not in (tmp_path / "chat" / "users.json").read_text()
    with _app(cloud, tmp_path, free_port(), CHAT_LOGIN="on") as app:
        with Person.at(browser, app.url) as anna:
            _log_in(anna, "anna", "wrong horse")
            expect(anna.page.get_by_role("alert")).to_be_visible()
            _log_in(anna, "anna", "correct horse")
            anna.ask("Say: secret of Anna")
            anna.wait_for_answer()
            anna.page.wait_for_url("**/thread/**")
            thread = anna.page.url
        with Person.at(browser, app.url) as ben:
            _log_in(ben, "ben", "battery staple")
            ben.page.locator("#chat-input").wait_for()
            ben.page.goto(thread)
            expect(ben.page.locator("body")).not_to_contain_text("secret of Anna")
            reply = ben.page.request.get(f"{app.url}/project/thread/{thread.rpartition('/')[2]}")
            assert reply.status in (401, 403, 404)


def test_other_machines_may_not_connect_while_nobody_has_an_account(cloud: Cloud, tmp_path: Path) -> None:
    """The start is refused, and the message says how to add an account."""
    env = {"BASE_URL": cloud.endpoint, "MODEL": cloud.lab.model, "LABKIT_HOME": str(tmp_path)}
    with pytest.raises(LaunchFailed, match=r"Other machines can connect to 0\.0\.0\.0.*labkit chat --add-user"):
        launch.chat(port=free_port(), host="0.0.0.0", env=env)  # noqa: S104  # that is what is refused


def test_other_machines_have_to_log_in(browser: Browser, cloud: Cloud, tmp_path: Path) -> None:
    """Where an account exists, logins are demanded without being asked for."""
    Accounts(tmp_path / "chat").add("anna", "correct horse")
    env = {"BASE_URL": cloud.endpoint, "MODEL": cloud.lab.model, "LABKIT_HOME": str(tmp_path)}
    host = "0.0.0.0"  # noqa: S104  # that is what demands logins
    with launch.chat(port=free_port(), host=host, env=env) as app, Person.at(browser, app.url) as person:
        person.page.locator("#password").wait_for()


def _log_in(person: Person, name: str, password: str) -> None:
    person.page.fill("#email", name)
    person.page.fill("#password", password)
    person.page.locator("button[type=submit]").click()


def _wait_for_row(home: Path, query: str) -> Any:
    deadline = time.monotonic() + _LIMIT
    while True:
        with closing(sqlite3.connect(home / "chat" / "history.db")) as database:
            if row := database.execute(query).fetchone():
                return row
        assert time.monotonic() < deadline, f"nothing came for {query}"
        time.sleep(0.1)
