"""The settings window, the profiles and the starters.

It knows nothing of how questions are answered.
"""

from __future__ import annotations

import chainlit as cl
from chainlit.input_widget import InputWidget, Select, Slider, Switch, TextInput

from labkit.catalog import find_bundled
from labkit.chat.backends import AUTO, CLOUD, LOCAL, Backends
from labkit.chat.preferences import HOTTEST, Preferences
from labkit.chat.words import Words
from labkit.settings import Settings

_STARTERS = 4
_STEP, _LONGEST = 16, 1024  # tokens


def profiles(backends: Backends, words: Words) -> list[cl.ChatProfile]:
    """Gives the chat profiles; the first one is the default.

    Args:
        backends: who answers.
        words: the language.
    """
    elsewhere = backends.local_source
    here = words("server", source=elsewhere) if elsewhere else words("local", source=Settings.load().model)
    cloud = words("cloud", source=backends.cloud_source) if backends.cloud_source else words("simulated")
    described = {LOCAL: here, CLOUD: cloud, AUTO: words("auto")}
    icons = {LOCAL: "/public/local.svg", CLOUD: "/public/cloud.svg", AUTO: "/public/auto.svg"}
    return [
        cl.ChatProfile(name=name, markdown_description=text, icon=icons[name], default=name == LOCAL)
        for name, text in described.items()
    ]


def starters(words: Words) -> list[cl.Starter]:
    """Gives questions to begin with. The bundled models understand English, so they are asked in English.

    Args:
        words: the language of the labels.
    """
    asked = Words("en") if find_bundled(Settings.load().model) else words
    keys = [f"starter_{number}" for number in range(1, _STARTERS + 1)]
    return [cl.Starter(label=words(key), message=asked(key)) for key in keys]


async def show_settings(models: list[str], chosen: Preferences, words: Words) -> None:
    """Puts the settings into the browser's window.

    Args:
        models: those to choose from.
        chosen: what is set.
        words: the language.
    """
    picked = chosen.model if chosen.model in models else models[0]
    widgets: list[InputWidget] = [
        Select(id="model", label=words("settings_model"), values=models, initial_value=picked),
        Slider(
            id="temperature", label=words("settings_temperature"), initial=chosen.temperature,
            min=0.0, max=HOTTEST, step=0.1,
        ),
        Slider(
            id="max_tokens", label=words("settings_max_tokens"), initial=chosen.max_tokens,
            min=_STEP, max=_LONGEST, step=_STEP,
        ),
        TextInput(id="system", label=words("settings_system"), initial=chosen.system, multiline=True),
        Switch(id="private", label=words("settings_private"), initial=chosen.private),
    ]  # fmt: skip
    await cl.ChatSettings(widgets).send()
