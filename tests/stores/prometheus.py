"""Prometheus as its HTTP API answers an instant query, for tests: by the moment that it is asked for.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.stores.loopback import Asked, Loopback, Told, serving


@dataclass(slots=True)
class Counters:
    """What is answered for a day, by its end: labels and the value as Prometheus writes it."""

    by_end: dict[datetime, list[tuple[dict[str, str], str]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> Told:
        at = float(asked.query["time"])
        rows = self.by_end.get(datetime.fromtimestamp(at, UTC), [])
        result = [{"metric": labels, "value": [at, value]} for labels, value in rows]
        more = {"warnings": self.warnings} if self.warnings else {}
        return vector(result, **more)


def vector(result: object, **more: object) -> Told:
    said = {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
    return Told(200, json.dumps(said).encode(), {"content-type": "application/json"})


def refused(status: int, kind: str) -> Told:
    return Told(status, json.dumps({"status": "error", "errorType": kind, "error": "refused"}).encode())


@contextmanager
def prometheus() -> Iterator[tuple[Counters, Loopback]]:
    counters = Counters()
    with serving(counters.answer) as loopback:
        yield counters, loopback
