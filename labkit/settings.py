"""What can be set from outside, each variable documented here once.

This module knows nothing about models, servers or networks.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from dotenv import find_dotenv
from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from labkit.errors import SettingsError


class Settings(BaseSettings):
    """The settings of labkit, from the environment first and from the nearest `.env` file second.

    Attributes:
        model: MODEL, the alias or id that `connect()` takes when it is given none.
        base_url: BASE_URL, an OpenAI-compatible server to use instead of starting Foundry Local.
        api_key: API_KEY, the key for BASE_URL. Foundry Local itself checks none.
        foundry_port: FOUNDRY_PORT, where a shared Foundry Local service is looked for and served.
        catalog_url: FOUNDRY_CATALOG_URL, the public model catalog or an organisation's mirror of it. It is asked
            only for models that are not bundled.
        home: LABKIT_HOME, the folder for model cache, progress and logs.
    """

    model_config = SettingsConfigDict(env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    model: str = Field("course-large", validation_alias="MODEL")
    base_url: str | None = Field(None, validation_alias="BASE_URL")
    api_key: str = Field("not-required", validation_alias="API_KEY", repr=False)
    foundry_port: int = Field(51211, ge=1, le=65535, validation_alias="FOUNDRY_PORT")
    catalog_url: str = Field(
        "https://api.catalog.azureml.ms/asset-gallery/v1.0/models", validation_alias="FOUNDRY_CATALOG_URL"
    )
    home: Path = Field(default_factory=lambda: user_data_path("labkit"), validation_alias="LABKIT_HOME")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://, for example http://127.0.0.1:51211/v1")
        return value

    @cached_property
    def model_cache(self) -> Path:
        """The folder in which Foundry Local keeps its models."""
        return self.home / "models"

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Reads the settings.

        Args:
            overrides: values that win over the environment, by attribute name in upper case (`MODEL=...`).

        Raises:
            SettingsError: a variable holds a value that cannot be used.
        """
        try:
            return cls(_env_file=find_dotenv(usecwd=True) or None, **overrides)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name, value = first["loc"][0], first["input"]
    return f"{name}={value!r} cannot be used: {first['msg']}. Correct it in the environment or in .env."
