"""Health over HTTP: a small ASGI application for any server to mount.

It reads what monitors found, and answers at once; nobody can make it send requests. It starts no monitor: mounted
applications are not told when a server starts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labkit.health.group import MonitorGroup
from labkit.health.monitor import Monitor
from labkit.health.report import CONTENT_TYPE
from labkit.health.result import Status

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_BADNESS: tuple[Status, ...] = ("pass", "warn", "unknown", "fail")


def asgi(what: Monitor | MonitorGroup, registry: CollectorRegistry | None = None) -> Starlette:
    """Makes the application.

    - `/livez`: does this program work? It fails when a monitor died, never because of a backend: restarting this
      program would not mend another one.
    - `/startupz`: has a backend been ready since this program started?
    - `/readyz`: can a backend answer now? With several, one that can is enough.
    - `/healthz`: everything that is known, for people and dashboards.
    - `/metrics`: for Prometheus.

    Each answers 200 for yes and 503 for no; stale results are a no.

    Args:
        what: the monitors. Start them yourself.
        registry: the Prometheus registry to add to and to show; one of its own when left out. Give the registry of
            your program to have all its metrics in one place.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    group = MonitorGroup(what) if isinstance(what, Monitor) else what
    answers = _Answers(group, registry)
    paths = ("livez", "startupz", "readyz", "healthz", "metrics")
    return Starlette(routes=[Route(f"/{path}", getattr(answers, path)) for path in paths])


class _Answers:
    def __init__(self, group: MonitorGroup, registry: CollectorRegistry | None) -> None:
        from prometheus_client import CollectorRegistry

        from labkit.health.metrics import HealthCollector

        self._group = group
        self._registry = CollectorRegistry() if registry is None else registry
        self._registry.register(HealthCollector(group))

    async def livez(self, request: Request) -> Response:
        dead = [name for name, monitor in self._group.items() if monitor.has_died]
        return _answer("fail" if dead else "pass", f"the monitor of {', '.join(dead)} died" if dead else "")

    async def startupz(self, request: Request) -> Response:
        started = any(monitor.startup == "pass" for monitor in self._group.values())
        return _answer("pass" if started else "fail", "" if started else "no backend has been ready yet")

    async def readyz(self, request: Request) -> Response:
        status, output = self._best()
        return _answer(status, output)

    async def healthz(self, request: Request) -> Response:
        status, output = self._best()
        bodies = {name: report.to_dict() for name, report in self._group.latest.items()}
        if len(bodies) == 1:
            return _answer(status, output, next(iter(bodies.values())))
        checks = {f"{name}:{key.split(':')[1]}": check for name, body in bodies.items()
                  for key, check in body["checks"].items()}  # fmt: skip
        return _answer(status, output, {"version": "1", "description": "Can the backends answer?", "checks": checks})

    async def metrics(self, request: Request) -> Response:
        from prometheus_client.exposition import choose_encoder
        from starlette.responses import Response

        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": content_type, "cache-control": "no-store"})

    def _best(self) -> tuple[Status, str]:
        """Gives the state of the whole: as good as its best backend, and degraded when another one is worse."""
        latest = self._group.latest
        if not latest:
            return "unknown", "there is no backend"
        ranked = sorted(latest.values(), key=lambda report: _BADNESS.index(report.status))
        best, worst = ranked[0].status, ranked[-1].status
        status: Status = "warn" if best == "pass" and worst != "pass" else best
        return status, "; ".join(f"{name}: {report.output}" for name, report in latest.items() if report.output)


def _answer(status: Status, output: str, body: dict[str, Any] | None = None) -> Response:
    from starlette.responses import Response

    told = {**(body or {}), "status": status} | ({"output": output} if output else {})
    code = 200 if status in ("pass", "warn") else 503
    content = json.dumps(told, ensure_ascii=False)
    return Response(content, code, {"cache-control": "no-store"}, media_type=CONTENT_TYPE)
