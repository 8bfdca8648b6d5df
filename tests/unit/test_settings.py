"""Settings come from the environment first and from the nearest `.env` second, and a bad value is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import SettingsError
from labkit.settings import Settings


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LABKIT_HOME", "FOUNDRY_PORT"):
        monkeypatch.delenv(name)


def test_without_any_variable_the_large_model_runs_on_this_machine() -> None:
    """A newcomer sets nothing."""
    settings = Settings.load()
    assert (settings.model, settings.base_url, settings.foundry_port) == ("course-large", None, 51211)
    assert settings.home.name == "labkit"
    assert settings.home.is_absolute()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the course mean what its text says."""
    for name, value in {"MODEL": "m", "BASE_URL": "http://h/v1", "API_KEY": "k", "FOUNDRY_PORT": "5"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert (settings.model, settings.base_url, settings.api_key, settings.foundry_port) == ("m", "http://h/v1", "k", 5)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value for one run needs no change of the file."""
    (tmp_path / ".env").write_text("MODEL=from-file\nAPI_KEY=key-of-the-file\n")
    monkeypatch.setenv("MODEL", "from-environment")
    settings = Settings.load()
    assert (settings.model, settings.api_key) == ("from-environment", "key-of-the-file")


def test_notebooks_find_the_file_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook runs in its own folder, and `.env` lies above it."""
    (tmp_path / ".env").write_text("MODEL=from-the-project\n")
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.chdir(notebooks)
    assert Settings.load().model == "from-the-project"


def test_an_argument_wins_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell can try a setting without leaving it behind."""
    monkeypatch.setenv("MODEL", "from-environment")
    assert Settings.load(MODEL="argument").model == "argument"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`BASE_URL=` in a copied `.env` switches nothing on, and an empty variable does not hide the file."""
    for name in ("BASE_URL", "API_KEY", "FOUNDRY_PORT", "FOUNDRY_CATALOG_URL", "LABKIT_HOME", "MODEL"):
        monkeypatch.setenv(name, " ")
    (tmp_path / ".env").write_text("BASE_URL=\nMODEL=from-file\n")
    settings = Settings.load()
    assert settings == Settings(model="from-file")


def test_a_file_written_by_an_editor_on_windows_is_read(tmp_path: Path) -> None:
    """The mark that such an editor puts first belongs to no name."""
    (tmp_path / ".env").write_text("MODEL=first\r\n", encoding="utf-8-sig")
    assert Settings.load().model == "first"


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """PowerShell's redirection writes UTF-16."""
    (tmp_path / ".env").write_bytes("MODEL=first\n".encode("utf-16"))
    with pytest.raises(SettingsError, match=r"\.env cannot be read.*Save it as UTF-8"):
        Settings.load()


@pytest.mark.parametrize("value", ["abc", "0", "65536", "-1", "1.5", "\u00b2"])
def test_a_port_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, its value and the range."""
    monkeypatch.setenv("FOUNDRY_PORT", value)
    with pytest.raises(SettingsError, match=r"^FOUNDRY_PORT='.*' cannot be used: a port is a number from 1 to 65535"):
        Settings.load()


@pytest.mark.parametrize("value", ["localhost:51211", "127.0.0.1", "ftp://host/v1", "http://", "http://host:port/v1"])
def test_a_base_url_that_is_no_address_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message shows what an address looks like."""
    monkeypatch.setenv("BASE_URL", value)
    with pytest.raises(SettingsError, match=r"^BASE_URL=.* it must be a whole address, such as http://127.0.0.1:51211"):
        Settings.load()


def test_a_catalog_that_foundry_local_would_not_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime insists on the end of the path."""
    monkeypatch.setenv("FOUNDRY_CATALOG_URL", "https://mirror.example/models")
    with pytest.raises(SettingsError, match=r"^FOUNDRY_CATALOG_URL=.* it must end in /asset-gallery/v1.0/models"):
        Settings.load()


def test_the_home_may_be_relative_to_the_user(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A tilde in `.env` is nobody's folder name."""
    monkeypatch.setenv("LABKIT_HOME", "~/my labs")
    assert Settings.load().home == home / "my labs"


def test_the_keys_stay_out_of_the_repr() -> None:
    """Settings end up in notebooks and in bug reports."""
    assert "secret" not in repr(Settings.load(API_KEY="secret", AZURE_OPENAI_API_KEY="secret", OPENAI_API_KEY="secret"))
