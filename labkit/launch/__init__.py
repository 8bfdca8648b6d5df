"""Starts the programs that a learner opens in a browser, waits until they answer, and ends them for certain."""

from labkit.launch.chat_app import chat
from labkit.launch.port import choose_port
from labkit.launch.program import Program
from labkit.launch.webgpu_demo import webgpu

__all__ = ["Program", "chat", "choose_port", "webgpu"]
