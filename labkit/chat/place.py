"""Where Chainlit finds the application's own files, and where it may write.

Chainlit reads its configuration from the working directory when it is imported. Here it is pointed to the folder of
this module, so that the application looks the same from wherever it is started. It knows nothing of chat.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from chainlit import config as chainlit_config
from chainlit import server
from starlette.middleware.cors import CORSMiddleware

from labkit.errors import LabkitError, SettingsError
from labkit.fetch import is_loopback
from labkit.settings import Settings

HERE = Path(__file__).parent
_CI_KEY = "sk-FAKE-OPENAI-API-KEY"  # Chainlit sets it wherever the variable CI is set


def settle() -> None:
    """Makes Chainlit use the files of this folder."""
    for module in (chainlit_config, server):
        vars(module).update(APP_ROOT=str(HERE), public_dir=str(HERE / "public"))
    chainlit_config.config_file = str(HERE / "config.toml")
    ours = chainlit_config.load_settings()
    config = chainlit_config.config
    config.root = str(HERE)
    config.features, config.ui, config.project = ours["features"], ours["ui"], ours["project"]
    for middleware in server.app.user_middleware:
        if middleware.cls is CORSMiddleware:  # type: ignore[comparison-overlap]  # Starlette types a class as a factory
            middleware.kwargs["allow_origins"] = config.project.allow_origins
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else a line for each question and each look at health
    if os.environ.get("OPENAI_API_KEY") == _CI_KEY:  # it would make api.openai.com the course's cloud
        del os.environ["OPENAI_API_KEY"]


def demands_login(settings: Settings, names: list[str]) -> bool:
    """Decides whether everybody has to log in: if the setting says so, and always where other machines can connect.

    Args:
        settings: the settings.
        names: who has an account.

    Raises:
        SettingsError: everybody has to, and nobody can.
    """
    host = chainlit_config.config.run.host
    is_open = not is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}")
    if not (settings.chat_login or is_open):
        return False
    if not names:
        why = f"Other machines can connect to {host}" if is_open else "CHAT_LOGIN is on"
        raise SettingsError(f"{why}, and nobody has an account. Add one: `labkit chat --add-user anna`.")
    return True


def refuse(error: LabkitError) -> SystemExit:
    """Gives what ends the start of the server with a message and without a traceback.

    Args:
        error: why it may not start.
    """
    return SystemExit(f"Error: {error}")
