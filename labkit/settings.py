"""What can be set from outside, each variable documented here once.

This module knows nothing about models, servers or networks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from labkit.errors import SettingsError

_HINT = "Correct it in the environment or in .env."


@dataclass(frozen=True)
class Settings:
    """The settings of labkit, from the environment first and from the nearest `.env` file second.

    A variable that is set to nothing counts as not set. The nearest `.env` is the one in the working directory or in
    the first folder above it, so that notebooks find the one of the project.

    Attributes:
        model: MODEL, the alias or id that `connect()` takes when it is given none.
        base_url: BASE_URL, an OpenAI-compatible server to use instead of starting Foundry Local.
        api_key: API_KEY, the key for BASE_URL. Foundry Local itself checks none.
        foundry_port: FOUNDRY_PORT, where a shared Foundry Local service is looked for and served.
        catalog_url: FOUNDRY_CATALOG_URL, the public model catalog or an organisation's mirror of it. It is asked
            only for models that are not bundled.
        home: LABKIT_HOME, the folder for model cache, progress and logs.
        azure_endpoint: AZURE_OPENAI_ENDPOINT, an Azure OpenAI resource; it becomes the course's cloud.
        azure_api_key: AZURE_OPENAI_API_KEY, the key for it.
        azure_deployment: AZURE_OPENAI_DEPLOYMENT, the deployment in it that answers.
        openai_api_key: OPENAI_API_KEY, a key for api.openai.com, which becomes the course's cloud without Azure.
        openai_model: OPENAI_MODEL, the model there.
        open_webui_url: OPEN_WEBUI_URL, where Open WebUI is looked for.
        open_webui_key: OPEN_WEBUI_API_KEY, an API key of Open WebUI; needed where people must sign in.
        open_webui_env: OPEN_WEBUI_ENV, the folder of Open WebUI's own Python environment, of about 3 GB;
            `open-webui/env` in the folder of labkit when not set.
        chat_login: CHAT_LOGIN, whether users of the chat application must log in.
        chat_history: CHAT_HISTORY, whether the chat application keeps conversations on disk.
    """

    model: str = "course-large"
    base_url: str | None = None
    api_key: str = field(default="not-required", repr=False)
    foundry_port: int = 51211
    catalog_url: str = "https://api.catalog.azureml.ms/asset-gallery/v1.0/models"
    home: Path = field(default_factory=lambda: _default_home())  # noqa: PLW0108  # it is defined below
    azure_endpoint: str | None = None
    azure_api_key: str | None = field(default=None, repr=False)
    azure_deployment: str | None = None
    openai_api_key: str | None = field(default=None, repr=False)
    openai_model: str = "gpt-4o-mini"
    open_webui_url: str = "http://127.0.0.1:3000"
    open_webui_key: str | None = field(default=None, repr=False)
    open_webui_env: Path | None = None
    chat_login: bool = False
    chat_history: bool = True

    @property
    def model_cache(self) -> Path:
        """The folder in which Foundry Local keeps its models."""
        return self.home / "models"

    @classmethod
    def load(cls, **overrides: str) -> Settings:
        """Reads the settings.

        Args:
            overrides: values that win over the environment, by the name of the variable (`MODEL=...`).

        Raises:
            SettingsError: a variable holds a value that cannot be used.
        """
        found = {**_dotenv(), **_filled(os.environ), **_filled(overrides)}
        return cls(
            model=found.get("MODEL", cls.model),
            base_url=_address(found, "BASE_URL"),
            api_key=found.get("API_KEY", cls.api_key),
            foundry_port=_port(found, "FOUNDRY_PORT") or cls.foundry_port,
            catalog_url=_catalog(found, "FOUNDRY_CATALOG_URL") or cls.catalog_url,
            home=_folder(found, "LABKIT_HOME") or _default_home(),
            azure_endpoint=_address(found, "AZURE_OPENAI_ENDPOINT"),
            azure_api_key=found.get("AZURE_OPENAI_API_KEY"),
            azure_deployment=found.get("AZURE_OPENAI_DEPLOYMENT"),
            openai_api_key=found.get("OPENAI_API_KEY"),
            openai_model=found.get("OPENAI_MODEL", cls.openai_model),
            open_webui_url=_address(found, "OPEN_WEBUI_URL") or cls.open_webui_url,
            open_webui_key=found.get("OPEN_WEBUI_API_KEY"),
            open_webui_env=_folder(found, "OPEN_WEBUI_ENV"),
            chat_login=_switch(found, "CHAT_LOGIN", cls.chat_login),
            chat_history=_switch(found, "CHAT_HISTORY", cls.chat_history),
        )


def _filled(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value.strip() for name, value in variables.items() if value and value.strip()}


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values, find_dotenv

    if not (path := find_dotenv(usecwd=True)):
        return {}
    try:
        return _filled(dotenv_values(path))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Save it as UTF-8 text, or delete it.") from error


def _default_home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("labkit")


def _folder(found: Mapping[str, str], name: str) -> Path | None:
    return Path(found[name]).expanduser().absolute() if name in found else None


def _port(found: Mapping[str, str], name: str) -> int | None:
    value = found.get(name)
    if value is None:
        return None
    if not value.isdecimal() or not 1 <= int(value) <= 65535:  # noqa: PLR2004  # the range of TCP ports
        raise SettingsError(f"{name}={value!r} cannot be used: a port is a number from 1 to 65535. {_HINT}")
    return int(value)


def _switch(found: Mapping[str, str], name: str, default: bool) -> bool:
    words = {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}
    value = found.get(name)
    if value is None:
        return default
    if value.lower() not in words:
        raise SettingsError(f"{name}={value!r} cannot be used: it is either on or off. {_HINT}")
    return words[value.lower()]


def _address(found: Mapping[str, str], name: str) -> str | None:
    value = found.get(name)
    if value is None or _is_address(value):
        return value
    raise SettingsError(
        f"{name}={value!r} cannot be used: it must be a whole address, such as http://127.0.0.1:51211/v1. {_HINT}"
    )


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        return False


def _catalog(found: Mapping[str, str], name: str) -> str | None:
    value = _address(found, name)
    if value is None or urlsplit(value).path.endswith("/asset-gallery/v1.0/models"):
        return value
    raise SettingsError(f"{name}={value!r} cannot be used: it must end in /asset-gallery/v1.0/models. {_HINT}")
