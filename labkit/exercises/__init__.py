"""The exercises of the course: one module a notebook, each with its questions q1, q2, ..."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.exercises import (
        chat_app,
        client_setup,
        deployment,
        health_checks,
        open_webui,
        routing,
        streaming,
        webgpu,
    )
    from labkit.exercises.overview import progress

__all__ = [
    "NOTEBOOKS",
    "chat_app",
    "client_setup",
    "deployment",
    "health_checks",
    "open_webui",
    "progress",
    "routing",
    "streaming",
    "webgpu",
]

NOTEBOOKS = ("client_setup", "streaming", "routing", "health_checks", "chat_app", "webgpu", "open_webui", "deployment")
"""The notebooks that have exercises, in the order of the course; each name is a module of this package."""


def __getattr__(name: str) -> Any:
    # Loaded on first use: a notebook pays only for its own exercises.
    if name == "progress":
        return _import_module("labkit.exercises.overview").progress
    if name in NOTEBOOKS:
        return _import_module(f"labkit.exercises.{name}")
    raise AttributeError(f"module 'labkit.exercises' has no attribute {name!r}")
