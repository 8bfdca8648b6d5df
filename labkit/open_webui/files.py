"""`.env` and `compose.yaml`: Open WebUI in a container, on Windows, macOS and Linux.

A container has a loopback interface of its own, so `127.0.0.1` in it is not this machine. Docker Desktop leads
`host.docker.internal` to this machine's loopback interface; Docker on Linux does not, and there the container has to
share the machine's network. It knows nothing of running programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from labkit.errors import OpenWebUIError
from labkit.fetch import is_loopback
from labkit.open_webui.configuration import PORT, Configuration

Network = Literal["desktop", "host"]
VERSION = "0.12.4"
IMAGE = f"ghcr.io/open-webui/open-webui:v{VERSION}"
HOST = "host.docker.internal"
_DOCKER_TIMEOUT = 10.0  # seconds

COMPOSE = f"""\
# Open WebUI in front of Foundry Local. Written by `labkit open-webui files`; the settings are in .env beside this file.
#
#   docker compose up -d      starts it     http://127.0.0.1:{PORT}
#   docker compose logs -f    what it says
#   docker compose down       stops it; conversations stay in the volume
#
# COMPOSE_PROFILES in .env chooses one of the two services.

x-open-webui: &open-webui
  image: {IMAGE}
  restart: unless-stopped
  env_file: .env
  volumes:
    - open-webui-data:/app/backend/data

services:
  # Docker Desktop on Windows, macOS and Linux: {HOST} is this machine, its loopback interface included.
  open-webui:
    <<: *open-webui
    profiles: [desktop]
    extra_hosts:
      - "{HOST}:host-gateway"
    ports:
      - "127.0.0.1:${{OPEN_WEBUI_PORT}}:8080"

  # Docker Engine on Linux: only a container in the machine's own network reaches what listens on 127.0.0.1.
  open-webui-host:
    <<: *open-webui
    profiles: [host]
    network_mode: host
    environment:
      HOST: 127.0.0.1
      PORT: ${{OPEN_WEBUI_PORT}}

volumes:
  open-webui-data:
"""


def write(
    configuration: Configuration, folder: Path, network: Network | None = None, port: int = PORT
) -> tuple[Path, Path]:
    """Writes both files.

    Args:
        configuration: what Open WebUI is told.
        folder: where to, made if it does not exist.
        network: which kind of Docker; found out when left out.
        port: the port of the page on 127.0.0.1.

    Returns:
        The paths of `.env` and `compose.yaml`.

    Raises:
        OpenWebUIError: one of the files exists already, or the folder cannot be written.
    """
    env, compose = folder / ".env", folder / "compose.yaml"
    for path in (env, compose):
        if path.exists():
            raise OpenWebUIError(f"{path} exists already. Move it away, or name another folder, and run it again.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_secret(env, dotenv(configuration, network or find_network(), port))
        compose.write_text(COMPOSE, "utf-8")
    except OSError as error:
        raise OpenWebUIError(f"{folder} cannot be written: {error.strerror or error}. Name another folder.") from error
    return env, compose


def dotenv(configuration: Configuration, network: Network, port: int = PORT) -> str:
    """Gives the text of `.env`.

    Args:
        configuration: what Open WebUI is told.
        network: which kind of Docker.
        port: the port of the page on 127.0.0.1.
    """
    return "\n".join(_lines(configuration, network, port)) + "\n"


def seen_from_container(url: str, network: Network) -> str:
    """Gives the address under which a container reaches a server.

    Args:
        url: the address on this machine.
        network: which kind of Docker.
    """
    if network == "host" or not is_loopback(url):
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{HOST}:{parts.port or 80}"))


def find_network() -> Network:
    """Finds out which kind of Docker this machine has; the usual one for its system where Docker does not answer."""
    named = docker_info("{{.OperatingSystem}}")
    if named is not None:
        return "desktop" if "Docker Desktop" in named or sys.platform != "linux" else "host"
    return "host" if sys.platform == "linux" else "desktop"


def docker_info(template: str = "{{.ServerVersion}}") -> str | None:
    """Asks the Docker engine about itself, or gives None when none answers.

    Args:
        template: what to ask, as `docker info --format` takes it.
    """
    if (docker := shutil.which("docker")) is None:
        return None
    try:
        asked = subprocess.run(  # noqa: S603  # docker itself, constant arguments
            [docker, "info", "--format", template], capture_output=True, text=True, timeout=_DOCKER_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def _lines(configuration: Configuration, network: Network, port: int) -> Iterator[str]:
    yield "# Settings of Open WebUI for compose.yaml. This file holds a secret: keep it out of version control."
    yield "\n# which service of compose.yaml: desktop (Docker Desktop) or host (Docker Engine on Linux)"
    yield f"COMPOSE_PROFILES={network}"
    yield f"\n# the page: http://127.0.0.1:{port}\nOPEN_WEBUI_PORT={port}"
    for variable in configuration.variables(seen_from_container(configuration.lab.endpoint, network)):
        if variable.why:
            yield f"\n# {variable.why}"
        yield f"{variable.name}={_quoted(variable.value)}"


def _quoted(value: str) -> str:
    # Single quotes keep Compose from putting other variables in place of a dollar sign.
    return value if value.replace("_", "").replace("-", "").isalnum() else f"'{value}'"


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="\n"
    ) as file:
        file.write(text)
