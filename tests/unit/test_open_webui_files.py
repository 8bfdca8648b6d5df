"""`.env` and `compose.yaml` say the same on every system, lead to this machine, and keep their secret."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from dotenv import dotenv_values

from labkit.client import Lab
from labkit.errors import OpenWebUIError
from labkit.open_webui import Configuration, Installation, configure
from labkit.open_webui.files import Network, find_network, seen_from_container, write
from labkit.open_webui.start import plan
from labkit.ports import free_port

LAB = Lab("foundry-local", "http://127.0.0.1:51211/v1", "not-required", "course-large", None)
CONFIGURATION = Configuration(LAB, "a$secret")


def files(folder: Path, network: Network = "desktop") -> tuple[dict[str, str | None], Any]:
    """Writes both files, and reads them back."""
    env, compose = write(CONFIGURATION, folder, network, 3001)
    return dotenv_values(env, interpolate=False), yaml.safe_load(compose.read_text("utf-8"))


def test_the_page_is_published_on_this_machine_only(tmp_path: Path) -> None:
    """Nobody else reaches a page without login, with either kind of Docker."""
    _, compose = files(tmp_path)
    desktop, host = compose["services"]["open-webui"], compose["services"]["open-webui-host"]
    assert desktop["ports"] == ["127.0.0.1:${OPEN_WEBUI_PORT}:8080"]
    assert host["environment"] == {"HOST": "127.0.0.1", "PORT": "${OPEN_WEBUI_PORT}"}


@pytest.mark.parametrize(
    ("network", "server"),
    [("desktop", "http://host.docker.internal:51211/v1"), ("host", "http://127.0.0.1:51211/v1")],
)
def test_the_container_reaches_this_machine(network: Network, server: str, tmp_path: Path) -> None:
    """Docker Desktop has a name for it; on Linux the container shares its network."""
    variables, compose = files(tmp_path, network)
    assert variables["OPENAI_API_BASE_URLS"] == server
    assert variables["COMPOSE_PROFILES"] == network
    (service,) = [s for s in compose["services"].values() if network in s["profiles"]]
    assert service.get("network_mode") == ("host" if network == "host" else None)
    assert ("extra_hosts" in service) == (network == "desktop")


def test_the_address_of_a_cloud_is_left_as_it_is() -> None:
    """Only this machine has another name in a container."""
    assert seen_from_container("https://name.example/v1", "desktop") == "https://name.example/v1"


def test_the_settings_suit_a_small_model(tmp_path: Path) -> None:
    """No Ollama, no extra questions after each answer, a limit for answers, and the file wins over what was saved."""
    variables, _ = files(tmp_path)
    switched_off = {name for name, value in variables.items() if value == "False"}
    assert switched_off >= {
        "ENABLE_OLLAMA_API",
        "ENABLE_TITLE_GENERATION",
        "ENABLE_TAGS_GENERATION",
        "ENABLE_FOLLOW_UP_GENERATION",
        "ENABLE_PERSISTENT_CONFIG",
        "WEBUI_AUTH",
    }
    assert json.loads(variables["DEFAULT_MODEL_PARAMS"] or "") == {"max_tokens": 256, "temperature": 0}
    assert "false" in (variables["DEFAULT_MODEL_METADATA"] or "")
    assert variables["DEFAULT_MODELS"] == "course-large:1"


def test_a_dollar_sign_in_a_value_stays_one(tmp_path: Path) -> None:
    """Compose would put another variable in its place."""
    variables, _ = files(tmp_path)
    assert variables["WEBUI_SECRET_KEY"] == CONFIGURATION.secret
    assert "WEBUI_SECRET_KEY='a$secret'" in (tmp_path / ".env").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_reads_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the written file nor the kept one is for others."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    write(configure(LAB), tmp_path, "host")
    for path in (tmp_path / ".env", tmp_path / "home" / "open-webui" / "secrets.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_secret_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one would sign everybody out at each start."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    assert configure(LAB).secret == configure(LAB).secret
    (tmp_path / "open-webui" / "secrets.json").write_text("damaged", "utf-8")
    assert len(configure(LAB).secret) > 20


def test_what_exists_is_never_overwritten(tmp_path: Path) -> None:
    """A project has an .env of its own."""
    (tmp_path / ".env").write_text("MODEL=mine\n", "utf-8")
    with pytest.raises(OpenWebUIError, match=r"\.env exists already. Move it away"):
        files(tmp_path)
    assert (tmp_path / ".env").read_text("utf-8") == "MODEL=mine\n"
    assert not (tmp_path / "compose.yaml").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(OpenWebUIError, match=r"cannot be written.*Name another folder"):
        write(CONFIGURATION, tmp_path / "file" / "folder", "host")


def test_wider_than_this_machine_means_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator exists from the start with a password of its own, and nobody else signs up."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    shared = configure(LAB, "0.0.0.0").environment(tmp_path)  # noqa: S104  # that is what is tested
    assert shared["WEBUI_AUTH"] == "True"
    assert shared["ENABLE_SIGNUP"] == "False"
    assert len(shared["WEBUI_ADMIN_PASSWORD"]) > 20
    assert shared["WEBUI_ADMIN_PASSWORD"] != shared["WEBUI_SECRET_KEY"]
    assert "WEBUI_ADMIN_PASSWORD" not in configure(LAB).environment(tmp_path)


@pytest.mark.parametrize(
    ("host", "url", "wants_login"),
    [
        ("127.0.0.1", "http://127.0.0.1:", False),
        ("localhost", "http://127.0.0.1:", False),
        ("::1", "http://[::1]:", False),
        ("0.0.0.0", "http://127.0.0.1:", True),  # noqa: S104  # that is what is tested
        ("::", "http://[::1]:", True),
        ("192.0.2.7", "http://192.0.2.7:", True),
    ],
)
def test_where_it_listens_decides_about_the_login(
    host: str, url: str, wants_login: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the start waits where this machine reaches it."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    planned = plan(Installation(tmp_path), LAB, host, free_port())
    assert planned.url.startswith(url)
    assert planned.command[planned.command.index("--host") + 1] == host
    assert planned.env is not None
    assert planned.env["WEBUI_AUTH"] == str(wants_login)
    assert ("data-shared" in planned.env["DATA_DIR"]) == wants_login


def test_secrets_are_not_shown() -> None:
    """A set-up ends up in notebooks and in bug reports."""
    shared = Configuration(LAB, "hush-hush", "hidden")
    shown = repr(shared) + shared._repr_html_()
    assert "WEBUI_ADMIN_PASSWORD" in shown
    assert "hush-hush" not in shown
    assert "hidden" not in shown


def test_without_docker_the_usual_kind_is_assumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files can be written for another day."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_network() in ("host", "desktop")


def test_compose_keeps_to_its_schema(tmp_path: Path) -> None:
    """compose-spec knows each field."""
    _, compose = files(tmp_path)
    # What Docker itself puts in: the host's address, and the variables of .env.
    filled = json.dumps(compose).replace("host-gateway", "172.17.0.1").replace("${OPEN_WEBUI_PORT}", "3001")
    checked = compose_spec.PyCompose.from_json(filled).to_spec()
    assert set(checked.services or {}) == {"open-webui", "open-webui-host"}


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("network", ["desktop", "host"])
def test_docker_compose_understands_both_files(network: Network, tmp_path: Path) -> None:
    """Its own parser fills the variables in."""
    files(tmp_path, network)
    command = ["docker-compose", "-f", str(tmp_path / "compose.yaml"), "--project-directory", str(tmp_path), "config"]
    read = yaml.safe_load(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    service = read["services"]["open-webui"]
    assert service["ports"] == ["127.0.0.1:3001:8080/tcp"]
    assert service["environment"]["DEFAULT_MODEL_PARAMS"] == '{"max_tokens": 256, "temperature": 0}'
    assert read["services"]["open-webui-host"]["environment"]["PORT"] == "3001"
