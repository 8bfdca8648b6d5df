"""Metrics and spans of a routed request."""

from __future__ import annotations

import pytest

from labkit.routing import Backend, Policy, Price, Router
from labkit.routing.observability import OpenTelemetrySpans, PrometheusMetrics
from labkit.simulator import run

prometheus = pytest.importorskip("prometheus_client", reason="the extra `observability` is not installed")


def route_once(*observers: object) -> None:
    """Routes one request that fails on the first backend and is answered by the second."""
    with run("instant", text="one two", faults="500") as broken, run("instant", text="one two three") as healthy:
        backends = [Backend.of(broken.lab, "a"), Backend.of(healthy.lab, "b", price=Price(0, 1_000_000))]
        Router(backends, Policy([]), observers=observers).complete("a secret question")  # type: ignore[arg-type]


def test_prometheus_counts_attempts_tokens_and_cost() -> None:
    """Each attempt is counted by backend, rule and status; no text gets into a metric."""
    registry = prometheus.CollectorRegistry()
    route_once(PrometheusMetrics(registry))
    text = prometheus.generate_latest(registry).decode()
    assert 'labkit_attempts_total{backend="a"' in text
    assert 'rule="fallback",status="ok"} 1.0' in text
    assert 'labkit_cost_usd_total{backend="b",gen_ai_provider_name="simulated-cloud"' in text
    assert 'labkit_routed_requests_total{answered="true",rule="order"} 1.0' in text
    assert "gen_ai_client_operation_duration_seconds_bucket" in text
    assert "secret" not in text


def test_spans_follow_the_conventions_for_generative_ai() -> None:
    """One span for the request, and in it one for each attempt, the failed one marked as an error."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra `observability` is not installed")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    simple = pytest.importorskip("opentelemetry.sdk.trace.export").SimpleSpanProcessor
    exporter, provider = export.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(simple(exporter))
    route_once(OpenTelemetrySpans(provider))
    failed, answered, request = exporter.get_finished_spans()
    assert (failed.name, answered.name, request.name) == ("chat fixed-text", "chat fixed-text", "labkit.route")
    assert failed.parent.span_id == answered.parent.span_id == request.context.span_id
    assert failed.attributes["error.type"] == "ServerFailed"
    assert not failed.status.is_ok
    assert answered.attributes["gen_ai.operation.name"] == "chat"
    assert answered.attributes["gen_ai.usage.output_tokens"] == 3
    assert answered.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert request.start_time <= failed.start_time <= failed.end_time <= answered.end_time <= request.end_time
