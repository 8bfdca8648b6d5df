"""The parts of the chat application that need no browser: conversation, preferences, errors, accounts, texts."""

from __future__ import annotations

import asyncio
import re
import stat
import string
import sys
from pathlib import Path

import pytest

from labkit import errors
from labkit.chat.accounts import Accounts
from labkit.chat.conversation import Limits, Turn, clean, compose
from labkit.chat.explanation import explain
from labkit.chat.preferences import Preferences
from labkit.chat.turn_queue import TurnQueue
from labkit.chat.words import LANGUAGES, Words

_LIMITS = Limits(context_length=100, max_tokens=20, characters_per_token=1.0)
_BUSY = 5.0  # seconds


def test_a_prompt_holds_system_conversation_and_question() -> None:
    """In the order in which they were said."""
    prompt = compose("Be kind.", [Turn("a", "b")], "c", _LIMITS)
    assert [(m["role"], m["content"]) for m in prompt.messages] == [
        ("system", "Be kind."), ("user", "a"), ("assistant", "b"), ("user", "c")
    ]  # fmt: skip
    assert prompt.forgotten == 0


def test_the_oldest_turns_are_forgotten_until_the_rest_fits() -> None:
    """With the answer's room counted in."""
    turns = [Turn("old" * 10, "x" * 20), Turn("new", "y")]
    prompt = compose("", turns, "question", _LIMITS)
    assert prompt.forgotten == 1
    assert prompt.messages[0]["content"] == "new"
    assert _LIMITS.tokens(prompt.messages) + _LIMITS.max_tokens <= 100


def test_a_question_that_fits_by_no_means_is_refused_with_numbers() -> None:
    """Forgetting everything does not help, and the error says how much would be needed."""
    with pytest.raises(errors.ContextTooLong) as refused:
        compose("", [Turn("a", "b")], "q" * 200, _LIMITS)
    assert (refused.value.needed, refused.value.limit) == (224, 100)


def test_without_a_known_context_nothing_is_forgotten() -> None:
    """The server decides then."""
    turns = [Turn("a" * 1000, "b" * 1000)] * 50
    assert compose("", turns, "q", _LIMITS._replace(context_length=None)).forgotten == 0


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  a\x00b\x1b[0m ", "ab[0m"),
        ("line\r\nline\tend", "line\nline\tend"),
        ("ä €😀", "ä €😀"),
        ("\x07", ""),
        ("\ud800", ""),
    ],
)
def test_control_characters_are_taken_out(typed: str, kept: str) -> None:
    """Line ends, tabs and everything that people write stay."""
    assert clean(typed) == kept


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (None, Preferences()),
        ({"temperature": "hot", "max_tokens": None, "model": 3, "system": [], "private": "yes"}, Preferences()),
        ({"temperature": 99, "max_tokens": -5}, Preferences(temperature=2.0, max_tokens=1)),
        ({"temperature": float("nan"), "max_tokens": True}, Preferences()),
        ({"model": "m", "private": True, "system": ""}, Preferences(model="m", private=True, system="")),
    ],
)
def test_settings_from_a_browser_are_checked(values: dict[str, object] | None, expected: Preferences) -> None:
    """Anybody can send anything over a websocket."""
    assert Preferences.parse(values) == expected


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    "error",
    [
        errors.EndpointUnreachable("Nothing answers at http://127.0.0.1:1."),
        errors.Unauthorised("no"),
        errors.ContextTooLong(2000, 1024),
        errors.RateLimited(3, "slow down"),
        errors.StreamInterrupted("cut", "half", "gone"),
        errors.NoBackend([("cloud", "down")]),
        errors.ModelNotFound("x", [], "here"),
        errors.ServerFailed(500, None, "oops"),
        ValueError("a mistake of ours"),
    ],
)
def test_each_error_has_words_a_fix_and_its_details(error: Exception, language: str) -> None:
    """In both languages, with every gap filled."""
    text = explain(error, "Local", Words(language))
    assert str(error).splitlines()[0].replace("`", "'") in text
    assert not re.search(r"[{}]", text)
    assert ("Einzelheiten" if language == "de" else "Details") in text


def test_both_languages_say_the_same_things() -> None:
    """Each text has its twin, with the same gaps."""
    english, german = LANGUAGES["en"], LANGUAGES["de"]
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert _gaps(text) == _gaps(german[key]), key


@pytest.mark.parametrize(
    ("asked", "given"), [("de", "de"), ("de-AT", "de"), ("en-GB", "en"), ("fr", "en"), (None, "en")]
)
def test_the_browser_decides_the_language(asked: str | None, given: str) -> None:
    """English for everybody who does not ask for German."""
    assert Words(asked).language == given


def test_passwords_are_kept_as_hashes_and_checked(tmp_path: Path) -> None:
    """The file tells nobody the password, and nobody else can read the file."""
    accounts = Accounts(tmp_path)
    accounts.add("anna", "correct horse")
    accounts.add("ben", "correct horse")
    assert accounts.names == ["anna", "ben"]
    assert accounts.check("anna", "correct horse")
    assert not accounts.check("anna", "wrong horse")
    assert not accounts.check("eve", "correct horse")
    kept = (tmp_path / "users.json").read_text()
    assert "horse" not in kept
    assert len(set(re.findall(r"scrypt\S+", kept))) == 2  # equal passwords have different hashes
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "password", "said"), [("", "long enough", "name is empty"), ("a", "short", "fewer than")]
)
def test_bad_accounts_are_refused(tmp_path: Path, name: str, password: str, said: str) -> None:
    """With what to do."""
    with pytest.raises(errors.SettingsError, match=said):
        Accounts(tmp_path).add(name, password)


def test_a_damaged_file_of_accounts_lets_nobody_in(tmp_path: Path) -> None:
    """The message names the file and the way out."""
    (tmp_path / "users.json").write_text("{")
    with pytest.raises(errors.SettingsError, match=r"users.json is damaged.*--add-user"):
        Accounts(tmp_path).check("anna", "x")


def test_the_secret_outlives_a_restart(tmp_path: Path) -> None:
    """So that a login does, too."""
    assert Accounts(tmp_path).secret() == Accounts(tmp_path).secret()
    assert len(Accounts(tmp_path).secret()) >= 48


def test_answers_are_made_one_after_the_other_and_cancelled_together() -> None:
    """Those that wait are cancelled with the one that runs."""

    async def main() -> tuple[list[str], list[bool]]:
        queue, made, go = TurnQueue(), list[str](), asyncio.Event()

        async def work(name: str) -> None:
            async with queue.turn(name):
                made.append(name)
                await go.wait()

        tasks = [asyncio.create_task(work(name)) for name in "abc"]
        await asyncio.sleep(0.05)
        queue.cancel()
        await asyncio.wait(tasks, timeout=_BUSY)
        return made, [task.cancelled() for task in tasks]

    assert asyncio.run(main()) == (["a"], [True, True, True])


def test_a_new_wording_cancels_the_old_one_only() -> None:
    """Somebody edits the question that is being answered."""

    async def main() -> list[bool]:
        queue, go = TurnQueue(), asyncio.Event()

        async def work(name: str) -> None:
            async with queue.turn(name):
                await go.wait()

        old = asyncio.create_task(work("question"))
        await asyncio.sleep(0.05)
        other, new = asyncio.create_task(work("other")), asyncio.create_task(work("question"))
        await asyncio.sleep(0.05)
        go.set()
        await asyncio.wait([old, other, new], timeout=_BUSY)
        return [old.cancelled(), other.cancelled(), new.cancelled()]

    assert asyncio.run(main()) == [True, False, False]


def _gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
