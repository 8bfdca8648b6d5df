"""Health over HTTP: three questions with their own answers, and metrics."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest
from asgi_server import served
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from labkit import health, simulator
from labkit.health import Monitor, MonitorGroup
from labkit.simulator import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Gives a simulated cloud that answers at once."""
    with simulator.run("instant", text="one two three") as running:
        yield running


@contextmanager
def _mounted(what: Monitor | MonitorGroup, registry: CollectorRegistry | None = None) -> Iterator[str]:
    with served(Starlette(routes=[Mount("/health", health.asgi(what, registry))])) as url:
        yield f"{url}/health"


def _get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:  # noqa: S310  # an address of this test
            return reply.status, reply.headers["content-type"], reply.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


def _codes(url: str) -> tuple[int, ...]:
    return tuple(_get(f"{url}/{path}")[0] for path in ("livez", "startupz", "readyz", "healthz"))


def test_a_healthy_backend_answers_yes_to_all(cloud: Cloud) -> None:
    """The body is health+json with every check."""
    monitor = Monitor(cloud.lab)
    monitor.check()
    with _mounted(monitor) as url:
        assert _codes(url) == (200, 200, 200, 200)
        _code, content_type, body = _get(f"{url}/healthz")
    assert content_type == "application/health+json"
    assert json.loads(body)["checks"]["simulated-cloud:completion"][0]["status"] == "pass"


def test_before_the_first_check_the_program_is_alive_and_not_ready(cloud: Cloud) -> None:
    """Unknown is a no."""
    with _mounted(Monitor(cloud.lab)) as url:
        assert _codes(url) == (200, 503, 503, 503)
        assert json.loads(_get(f"{url}/readyz")[2])["status"] == "unknown"


def test_a_broken_backend_is_no_reason_to_restart_this_program(cloud: Cloud) -> None:
    """Alive and started, but not ready; the answer says why."""
    monitor = Monitor(cloud.lab)
    monitor.check()
    cloud.stop()
    monitor.check()
    with _mounted(monitor) as url:
        assert _codes(url) == (200, 200, 503, 503)
        assert "nothing listens" in json.loads(_get(f"{url}/readyz")[2])["output"]


def test_one_backend_that_can_answer_is_enough(cloud: Cloud) -> None:
    """With another one down, the whole is degraded, and ready."""
    with simulator.run("instant", text="one", faults="500") as other:
        group = MonitorGroup(Monitor(cloud.lab, name="good"), Monitor(other.lab, name="bad"))
        group.check()
        with _mounted(group) as url:
            assert _codes(url) == (200, 200, 200, 200)
            body = json.loads(_get(f"{url}/healthz")[2])
    assert body["status"] == "warn"
    assert body["checks"]["bad:completion"][0]["status"] == "fail"
    assert body["checks"]["good:completion"][0]["status"] == "pass"


def test_asking_costs_nothing(cloud: Cloud) -> None:
    """An endpoint that probed would let anybody send requests."""
    monitor = Monitor(cloud.lab)
    monitor.check()
    with _mounted(monitor) as url:
        for _ in range(20):
            _get(f"{url}/healthz")
    assert len(cloud.requests) == 1


def test_the_metrics_can_be_parsed_by_prometheus(cloud: Cloud) -> None:
    """Names with quotes and line breaks are escaped, and the program's own metrics stand beside them."""
    registry = CollectorRegistry()
    Counter("my_counter", "A metric of the program.", registry=registry).inc()
    monitor = Monitor(cloud.lab, name='odd "name"\n')
    monitor.check()
    with _mounted(monitor, registry) as url:
        families = {family.name: family for family in text_string_to_metric_families(_get(f"{url}/metrics")[2])}
    states = {sample.labels["status"]: sample.value for sample in families["labkit_health_status"].samples}
    assert states == {"pass": 1, "warn": 0, "fail": 0, "unknown": 0}
    assert families["labkit_health_status"].samples[0].labels["backend"] == 'odd "name"\n'
    assert families["labkit_health_first_token_seconds"].samples[0].value > 0
    assert "my_counter" in families
