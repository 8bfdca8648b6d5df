"""Metrics for Prometheus and spans for OpenTelemetry, made of the traces of finished requests (extra `observability`).

Names follow OpenTelemetry's semantic conventions for generative AI where they have one. Texts are never recorded. It
knows nothing of how requests are routed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from labkit.errors import SettingsError
from labkit.routing.trace import OK, Attempt, Trace

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

_INSTALL = "Install it with: uv sync --extra observability"
# The buckets that the conventions name for the duration of an operation, in seconds.
_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_PROVIDERS = {"azure": "azure.ai.openai"}


class PrometheusMetrics:
    """An observer that counts and times in a Prometheus registry.

    Args:
        registry: where to; Prometheus' own when left out.

    Raises:
        SettingsError: prometheus-client is not installed.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Histogram
        except ImportError as error:
            raise SettingsError(f"prometheus-client is missing. {_INSTALL}") from error
        where: dict[str, Any] = {"registry": registry or REGISTRY}
        who = ("backend", "gen_ai_request_model", "gen_ai_provider_name")
        self._requests = Counter("labkit_routed_requests", "Requests by deciding rule.", ("rule", "answered"), **where)
        self._attempts = Counter("labkit_attempts", "Calls to backends.", (*who, "rule", "status"), **where)
        self._seconds = Histogram(
            "gen_ai_client_operation_duration_seconds", "Duration of calls.", who, buckets=_BUCKETS, **where
        )
        self._first = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds", "Wait for a token.", who, buckets=_BUCKETS, **where
        )
        self._tokens = Counter("gen_ai_client_token_usage", "Tokens.", (*who, "gen_ai_token_type"), **where)
        self._cost = Counter("labkit_cost_usd", "Cost in USD.", who, **where)

    def __call__(self, trace: Trace) -> None:
        """Takes the trace of a finished request."""
        self._requests.labels(trace.decision.rule, str(trace.is_answered).lower()).inc()
        for attempt in trace:
            who = (attempt.backend, attempt.model, _provider(attempt))
            self._attempts.labels(*who, attempt.rule, attempt.status).inc()
            self._seconds.labels(*who).observe(attempt.ms / 1000)
            if attempt.first_token_ms is not None:
                self._first.labels(*who).observe(attempt.first_token_ms / 1000)
            self._tokens.labels(*who, "input").inc(attempt.prompt_tokens)
            self._tokens.labels(*who, "output").inc(attempt.completion_tokens)
            self._cost.labels(*who).inc(attempt.cost)


class OpenTelemetrySpans:
    """An observer that makes a span of each request, and in it one of each attempt.

    Args:
        provider: where spans go; the global one when left out.

    Raises:
        SettingsError: opentelemetry-api is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise SettingsError(f"opentelemetry-api is missing. {_INSTALL}") from error
        self._api = trace
        self._tracer = trace.get_tracer("labkit.routing", tracer_provider=provider)

    def __call__(self, trace: Trace) -> None:
        """Takes the trace of a finished request."""
        began = time.time_ns() - _ns(trace.ms)
        request = self._tracer.start_span("labkit.route", start_time=began)
        request.set_attribute("labkit.routing.rule", trace.decision.rule)
        request.set_attribute("labkit.routing.reason", trace.decision.reason)
        inside = self._api.set_span_in_context(request)
        for attempt in trace:
            self._record(attempt, began, inside)
        if not trace.is_answered:
            request.set_status(self._api.StatusCode.ERROR)
        request.end(began + _ns(trace.ms))

    def _record(self, attempt: Attempt, began: int, inside: Any) -> None:
        start = began + _ns(attempt.started)
        name, kind = f"chat {attempt.model}", self._api.SpanKind.CLIENT
        span = self._tracer.start_span(name, inside, kind, _attributes(attempt), start_time=start)
        if attempt.error is not None:
            span.set_status(self._api.StatusCode.ERROR, attempt.status)
        span.end(start + _ns(attempt.ms))


def _attributes(attempt: Attempt) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _provider(attempt),
        "gen_ai.request.model": attempt.model,
        "gen_ai.usage.input_tokens": attempt.prompt_tokens,
        "gen_ai.usage.output_tokens": attempt.completion_tokens,
        "labkit.backend": attempt.backend,
        "labkit.routing.rule": attempt.rule,
        "labkit.cost.usd": attempt.cost,
    }
    if attempt.finish_reason is not None:
        attributes["gen_ai.response.finish_reasons"] = [attempt.finish_reason]
    if attempt.status != OK:
        attributes["error.type"] = attempt.error or attempt.status
    return attributes


def _provider(attempt: Attempt) -> str:
    return _PROVIDERS.get(attempt.source, attempt.source)


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)
