"""The functions with which the course introduces routing, on the same backends, policies and router as everything else.

They know nothing that the router does not know.
"""

from __future__ import annotations

import asyncio
import threading

from labkit.routing.discovery import available
from labkit.routing.policy import Policy
from labkit.routing.preferences import Always, LengthThreshold, TaskTable
from labkit.routing.reply import Reply
from labkit.routing.router import Router

_lock = threading.Lock()
_routers: list[Router] = []


async def local_completion(prompt: str) -> Reply:
    """Asks the local model, and nobody else.

    Args:
        prompt: the question.

    Raises:
        NoBackend: the local model cannot answer.
    """
    return await _ask(prompt, Policy([Always("local")], fallback={}))


async def cloud_completion(prompt: str) -> Reply:
    """Asks the cloud, and nobody else; a prompt with personal data goes to the local model all the same.

    Args:
        prompt: the question.

    Raises:
        NoBackend: nobody who may answer can.
    """
    return await _ask(prompt, Policy([Always("cloud")], fallback={}))


async def hybrid_completion(prompt: str, complexity_threshold: int = 100) -> Reply:
    """Asks the local model for short prompts and the cloud for long ones; each stands in for the other.

    Args:
        prompt: the question.
        complexity_threshold: words from which a prompt is long.

    Raises:
        PolicyError: the threshold is below 0.
        NoBackend: nobody who may answer can.
    """
    return await _ask(prompt, Policy([LengthThreshold(complexity_threshold)]))


async def smart_routing(prompt: str, task_type: str) -> Reply:
    """Asks whom the task table names: code and data analysis stay local, everything else goes to the cloud.

    Args:
        prompt: the question.
        task_type: `code_generation`, `creative_writing`, `data_analysis`, `research`, or any other task.

    Raises:
        NoBackend: nobody who may answer can.
    """
    return await _ask(prompt, Policy([TaskTable(otherwise="cloud")]), task_type)


async def _ask(prompt: str, policy: Policy, task: str | None = None) -> Reply:
    router = await asyncio.to_thread(_shared_router)
    return await router.with_policy(policy).acomplete(prompt, task=task)


def _shared_router() -> Router:
    with _lock:
        if not _routers:
            _routers.append(Router(available()))
        return _routers[0]
