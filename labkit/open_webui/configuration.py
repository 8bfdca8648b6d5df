"""What Open WebUI is told, as environment variables, each with the reason why.

It knows nothing of files, containers and processes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import NamedTuple

from labkit.catalog import find_bundled
from labkit.client import Lab

PORT = 3000  # where the course says that Open WebUI is
ADMIN = "admin@localhost"  # Open WebUI's own name for the account of an installation without login
_MOST_TOKENS = 1_024  # for one answer, where the model has room for it
_SHARE = 4  # an answer may take this part of the model's context; the rest is for the conversation

_CAPABILITIES = {"builtin_tools": False, "code_interpreter": False, "vision": False}
_INTERFACE = {"showChangelog": False}
OFF, ON = "False", "True"  # Open WebUI compares with "true", in any case


class Variable(NamedTuple):
    """One environment variable.

    Attributes:
        name: its name.
        value: its value.
        why: why it has this value; empty when the variable above it says it for both.
    """

    name: str
    value: str
    why: str = ""


@dataclass(frozen=True)
class Configuration:
    """How Open WebUI is set up for small local models and one person.

    Attributes:
        lab: the model that it starts with, and the server that it asks.
        secret: what signs its sessions.
        admin_password: the administrator's password. With one, people must sign in; without one, nobody has to, and
            so nobody else may reach it.
    """

    lab: Lab
    secret: str = field(repr=False)
    admin_password: str | None = field(default=None, repr=False)

    def variables(self, server: str | None = None, data: Path | None = None) -> list[Variable]:
        """Gives all variables, in the order in which people read them.

        Args:
            server: the model server's address as Open WebUI sees it; as this machine sees it when left out.
            data: the folder for accounts, conversations and uploads; Open WebUI's choice when left out.
        """
        return [
            *self._connection(server or self.lab.endpoint),
            *self._model(),
            *self._access(),
            *_quiet(),
            *(_storage(data) if data else ()),
        ]

    def environment(self, data: Path) -> Mapping[str, str]:
        """Gives the variables for a process on this machine.

        Args:
            data: the folder for accounts, conversations and uploads.
        """
        return {variable.name: variable.value for variable in self.variables(data=data)}

    def _repr_html_(self) -> str:
        hidden = (self.secret, self.admin_password)
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{v.name}</th><td style='text-align:left'>"
            f"{'(secret)' if v.value in hidden else escape(v.value)}</td><td style='text-align:left'>{v.why}</td></tr>"
            for v in self.variables()
        )
        head = "".join(f"<th scope='col'>{title}</th>" for title in ("Variable", "Value", "Why"))
        caption = f"<caption>Open WebUI for {escape(self.lab.model)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _connection(self, server: str) -> list[Variable]:
        return [
            Variable("OPENAI_API_BASE_URLS", server, "who answers; several servers are separated by semicolons"),
            Variable("OPENAI_API_KEYS", self.lab.api_key, "a key for each server; Foundry Local checks none"),
            Variable("ENABLE_OPENAI_API", ON),
            Variable("ENABLE_OLLAMA_API", OFF, "nobody runs Ollama here, and looking for it takes time"),
            Variable("ENABLE_DIRECT_CONNECTIONS", OFF, "a browser cannot ask Foundry Local: it sends no CORS headers"),
            Variable("ENABLE_PERSISTENT_CONFIG", OFF, "these values win over those that were saved in its pages"),
        ]

    def _model(self) -> list[Variable]:
        bundled = find_bundled(self.lab.model)
        model = bundled.id if bundled else self.lab.model  # its list shows no aliases
        limit = "without a limit Foundry Local reserves 2,048 tokens for each answer, more than small models hold"
        tools = "its page offers the model tools of its own, whose descriptions take thousands of tokens"
        return [
            Variable("DEFAULT_MODELS", model, "the model that a new chat begins with"),
            Variable("DEFAULT_MODEL_PARAMS", json.dumps(model_params(self.lab)), limit),
            Variable("DEFAULT_MODEL_METADATA", json.dumps({"capabilities": _CAPABILITIES}), tools),
            Variable("DEFAULT_INTERFACE_SETTINGS", json.dumps(_INTERFACE), "it opens with the chat, not with its news"),
            Variable("ENABLE_TITLE_GENERATION", OFF, "each of these asks the model again after every answer"),
            Variable("ENABLE_TAGS_GENERATION", OFF),
            Variable("ENABLE_FOLLOW_UP_GENERATION", OFF),
            Variable("ENABLE_AUTOCOMPLETE_GENERATION", OFF),
            Variable("ENABLE_SEARCH_QUERY_GENERATION", OFF),
            Variable("ENABLE_RETRIEVAL_QUERY_GENERATION", OFF),
        ]

    def _access(self) -> list[Variable]:
        secret = Variable("WEBUI_SECRET_KEY", self.secret, "signs the sessions; keep it secret")
        if self.admin_password is None:
            return [Variable("WEBUI_AUTH", OFF, "no login, because only this machine reaches the page"), secret]
        return [
            Variable("WEBUI_AUTH", ON, "more than this machine reaches the page, so people sign in"),
            Variable("WEBUI_ADMIN_EMAIL", ADMIN, "else the first visitor would become the administrator"),
            Variable("WEBUI_ADMIN_PASSWORD", self.admin_password),
            Variable("ENABLE_SIGNUP", OFF, "the administrator makes the accounts"),
            Variable("BYPASS_MODEL_ACCESS_CONTROL", ON, "else only the administrator sees the models"),
            Variable("ENABLE_API_KEYS", ON, "for `labkit open-webui check`, which needs one here"),
            secret,
        ]


def model_params(lab: Lab) -> dict[str, int | float]:
    """Gives what Open WebUI adds to each request.

    Args:
        lab: the model.
    """
    limit: dict[str, int | float] = {"max_tokens": most_tokens(lab)}
    # Small models wander off where the draw is free, and Open WebUI leaves it free.
    return {**limit, "temperature": 0} if find_bundled(lab.model) else limit


def most_tokens(lab: Lab) -> int:
    """Gives the longest answer that leaves room for a conversation, in tokens.

    Args:
        lab: the model.
    """
    bundled = find_bundled(lab.model)
    length = lab.context_length or (bundled.context_length if bundled else None)
    return min(_MOST_TOKENS, length // _SHARE) if length else _MOST_TOKENS


def _quiet() -> list[Variable]:
    return [
        Variable("OFFLINE_MODE", ON, "nothing is fetched from elsewhere, and nobody is told"),
        Variable("HF_HUB_OFFLINE", "1"),
        Variable("ENABLE_VERSION_UPDATE_CHECK", OFF),
        Variable("ENABLE_COMMUNITY_SHARING", OFF),
        Variable("ANONYMIZED_TELEMETRY", "false"),
        Variable("DO_NOT_TRACK", "true"),
        Variable("SCARF_NO_ANALYTICS", "true"),
    ]


def _storage(data: Path) -> list[Variable]:
    return [
        Variable("DATA_DIR", str(data), "accounts, conversations and uploads"),
        Variable("DATABASE_URL", f"sqlite:///{data.as_posix()}/webui.db"),  # not another program's, if that is set
    ]
