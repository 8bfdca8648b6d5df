"""What the gateway counts, for Prometheus. No label holds a name or a word of a learner's.

It knows nothing of HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from labkit.gateway.journal import Entry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one gateway.

    Attributes:
        registry: where they are read, and where others may add theirs.
        in_flight: requests that are with the model.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter("labkit_gateway_requests", "Requests.", ("route", "status"), registry=registry)
        self._endings = Counter("labkit_gateway_endings", "How requests ended.", ("ending",), registry=registry)
        self._first = Histogram(
            "labkit_gateway_first_byte_seconds", "Until the first byte.", buckets=_SECONDS, registry=registry
        )
        self._whole = Histogram(
            "labkit_gateway_duration_seconds", "Until the last byte.", buckets=_SECONDS, registry=registry
        )
        self._sent = Counter("labkit_gateway_sent_bytes", "Bytes of answers.", registry=registry)
        self.in_flight = Gauge("labkit_gateway_in_flight", "Requests with the model.", registry=registry)

    def add(self, route: str, entry: Entry) -> None:
        """Counts a request that is over.

        Args:
            route: one of the gateway's own, or `other`: what clients invent must not become a label.
            entry: its entry in the journal.
        """
        self._requests.labels(route, str(entry.status)).inc()
        self._endings.labels(entry.ending).inc()
        if entry.key is not None and entry.first_ms is not None:
            self._first.observe(entry.first_ms / 1000)
            self._whole.observe(entry.ms / 1000)
            self._sent.inc(entry.sent)
