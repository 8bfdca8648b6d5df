"""The probes that cost nothing: socket, status, list of models, model in memory.

Each takes a target and its own time limit, and gives a `Finding`. They know nothing of one another.
"""

from __future__ import annotations

from labkit.health.result import Finding
from labkit.health.target import Target, Unhealthy
from labkit.model_info import alias_of, nearest, pick


def socket(target: Target, timeout: float) -> Finding:
    """Looks whether somebody listens.

    Args:
        target: what is probed.
        timeout: seconds.
    """
    if why := target.no_socket:
        return Finding("skipped", f"there is no socket to try: {why}")
    try:
        target.connect(timeout)
    except OSError as error:
        return Finding("fail", f"nothing listens at {target.address} ({error.strerror or error})", target.restart)
    return Finding("pass", f"{target.address} accepts connections")


def status(target: Target, timeout: float) -> Finding:
    """Looks whether the one who listens is Foundry Local.

    Args:
        target: what is probed.
        timeout: seconds.
    """
    if not target.is_foundry:
        return Finding("skipped", "only Foundry Local answers GET /status, and this is another server")
    said = target.status(timeout)
    if not isinstance(said, dict) or "modelCachePath" not in said:
        raise Unhealthy("GET /status gave JSON that is not Foundry Local's", target.wrong_address)
    return Finding("pass", "Foundry Local answers GET /status")


def models(target: Target, timeout: float) -> Finding:
    """Looks whether the server lists the model, and learns its exact id.

    Args:
        target: what is probed.
        timeout: seconds.
    """
    listed = _ids(target, target.models(timeout))
    if target.names_deployments:
        return Finding("pass", f"{_counted(listed)} listed; a deployment goes by a name of its own")
    model_id = pick(target.lab.model, listed)
    if model_id is None:
        raise Unhealthy(f"{target.lab.model!r} is not among the {_counted(listed)} listed", _other(target, listed))
    target.resolve(model_id)
    others = f"among the {len(listed)} models" if len(listed) > 1 else "the one model"
    return Finding("pass", f"{model_id} is {others} listed")


def loaded(target: Target, timeout: float) -> Finding:
    """Looks whether the model is in memory.

    Args:
        target: what is probed.
        timeout: seconds.
    """
    if not target.is_foundry:
        return Finding("skipped", "only Foundry Local says which models are in memory")
    said = target.loaded(timeout)
    in_memory = [str(model_id) for model_id in said] if isinstance(said, list) else []
    model_id = pick(target.lab.model, in_memory)
    if model_id is None:
        alias = alias_of(target.lab.model)
        fix = f'Load it: `labkit ask --model {alias} "Hello"`, or `labkit.connect("{alias}")` in a notebook.'
        raise Unhealthy(f"{target.lab.model} is not in memory ({_counted(in_memory)} there)", fix)
    target.resolve(model_id)
    return Finding("pass", f"{model_id} is in memory")


def _ids(target: Target, said: object) -> list[str]:
    try:
        return [str(entry["id"]) for entry in said["data"]]  # type: ignore[index]  # what is no dictionary is caught
    except (KeyError, TypeError) as error:
        raise Unhealthy("GET /models gave JSON without a list of models", target.wrong_address) from error


def _other(target: Target, listed: list[str]) -> str:
    near = nearest(target.lab.model, map(alias_of, listed)) or [alias_of(model_id) for model_id in listed[:1]]
    return f"Name one that is there, such as --model {near[0]}." if near else target.nurse


def _counted(ids: list[str]) -> str:
    return "1 model" if len(ids) == 1 else f"{len(ids)} models"
