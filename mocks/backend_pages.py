"""What the encrypting service's stand-in says of itself: its health page, and its metrics in Prometheus' text format.

Source: https://prometheus.io/docs/instrumenting/exposition_formats
"""

import json
from collections.abc import Iterator
from email.utils import formatdate
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from mocks.backend_memory import BUCKETS_S, Backend, Latency, moments
from mocks.stage import Ask

VERSION = "2026.10.1"
_HELP = {
    "decryption_errors": "Decryptions that failed.",
    "encryption_errors": "Encryptions that failed.",
    "init_failures": "Initialisations of the encryption that failed.",
    "kms_unreachable": "KMS calls that got no answer.",
}


def show_health(desk: Backend, ask: Ask) -> Response:
    """Answer with the page of now, or with the one that a cache in front of the service keeps."""
    del ask
    kept = desk.memory.cached
    if kept is None:
        return Response(health_text(desk), desk.memory.status, media_type="application/json")
    # A cache hands on the Date that the service gave the page. Source: RFC 9111, sections 4.2.3 and 5.1
    headers = {
        "age": str(max(0, round(desk.now() - kept.made_at))), "x-cache": "HIT", "date": formatdate(kept.made_at, usegmt=True)
    }  # fmt: skip
    return Response(kept.body, 200, headers, "application/json")


def health_text(desk: Backend) -> str:
    memory = desk.memory
    started_at, _ = moments(desk)
    return json.dumps(
        {
            "status": "ok" if memory.ready else "degraded",
            "crypto_mode": memory.mode,
            "crypto_ready": memory.ready,
            "version": VERSION,
            "uptime_seconds": round(desk.now() - started_at),
            "checks": {"database": "ok", "queue": "ok"},
        }
    )


def show_metrics(desk: Backend, ask: Ask) -> Response:
    del ask
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(desk))
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})


class _Figures(Collector):
    """The metrics that an encrypting service offers to its watchers."""

    def __init__(self, desk: Backend) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        started_at, initialised_at = moments(self._desk)
        for name, value in self._desk.memory.counters.items():
            yield CounterMetricFamily(f"crypto_{name}", _HELP[name], value)
        yield GaugeMetricFamily(
            "crypto_init_timestamp_seconds", "When the encryption was last initialised.", initialised_at
        )
        calls = HistogramMetricFamily(
            "crypto_kms_request_duration_seconds", "KMS calls, in seconds.", labels=("operation",)
        )
        for operation, latency in self._desk.memory.latencies.items():
            calls.add_metric((operation,), _buckets(latency), latency.sum_s)
        yield calls
        yield GaugeMetricFamily("process_start_time_seconds", "When the process started.", started_at)


def _buckets(latency: Latency) -> list[tuple[str, float]]:
    bounds = (*(str(bound) for bound in BUCKETS_S), "+Inf")
    return list(zip(bounds, accumulate(latency.counts), strict=True))
