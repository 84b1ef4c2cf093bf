"""Prometheus, asked how much counters grew in a span of time. What it answers is an estimate, and never said to be more.

`increase` extrapolates from the scrapes in a span to the whole of it, so that it gives fractions of events; what a counter
counted before its first scrape and after its last one is in no answer. A series that is not there is not a count of 0.
Source: https://prometheus.io/docs/prometheus/latest/querying/functions/#increase,
https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput
from domain.exchanges import Effect
from domain.reconciliation_sections import PrometheusCounters
from domain.windows import Window
from vendors.fields import NOTHING_SENT
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.object_stores import conduct_towards

SYSTEM = "prometheus"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ASKED = frozenset({"query"})


def _row(name: str, statuses: set[int], means: str, next_step: str, kind: Kind = Kind.REJECTED) -> Signature:
    saw = "Prometheus answered {status} to {verb}."
    return Signature(f"{SYSTEM}.{name}", frozenset(statuses), kind, saw, means, next_step, "", _ASKED)


# Source: the second page above, "Format overview"
SIGNATURES = (
    _row("query_refused", {400}, "It cannot read the query that the section's metric and labels come to.", "Correct metric, integration_label and type_label in opsflows.toml."),
    _row("query_failed", {422}, "It read the query and cannot carry it out: most often it would load more samples than Prometheus allows.", "Narrow the metric down with labels in braces, or raise --query.max-samples."),
    _row("busy", {503}, "The query took longer than Prometheus allows, or Prometheus is starting.", "Nothing: it is asked again. If it lasts, raise --query.timeout.", Kind.UNAVAILABLE),
    _row("not_found", {404}, "Nothing at this address knows Prometheus's API.", "Correct the section's address: what stands before /api/v1 in a query."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grown:
    """By how many events the counters of one integration and type grew, as Prometheus extrapolates it."""

    integration: str
    type: str
    events: float


@dataclass(frozen=True, slots=True)
class Growth:
    """One answer. `unusable` is how many series have no number; `warnings` are Prometheus's own words."""

    grown: tuple[Grown, ...]
    unusable: int
    warnings: tuple[str, ...]


class Prometheus:
    """The counters of one section. No credentials are sent."""

    def __init__(self, section: PrometheusCounters, conduct: Conduct) -> None:
        odd = [name for name in (section.integration_label, section.type_label) if not _LABEL.fullmatch(name)]
        if odd:
            raise BadInput(
                f"{odd[0]!r} is not a label of Prometheus.", NOTHING_SENT,
                "Correct integration_label and type_label in opsflows.toml.",
            )  # fmt: skip
        self._section = section
        towards = conduct_towards(section.address, conduct)
        self._wire = Wire(SYSTEM, towards, signatures=SIGNATURES, published_hosts=())
        self._wire.check_host(section.address)

    def growth(self, window: Window) -> Growth:
        """Return what the counters grew by in the window. One request.

        Raises:
            Rejected: the query or the address is wrong.
            Unavailable: nothing was answered; repeating is safe.
        """
        told = {"query": self._query(window), "time": f"{window.end.timestamp():.3f}"}
        url = f"{self._section.address.rstrip('/')}/api/v1/query?{urlencode(told)}"
        said = self._wire.exchange(
            json_call("query", Effect.READS, "GET", url, headers={}), accepted=_is_vector
        ).fields()
        rows = [*self._read(said["data"]["result"])]
        usable = tuple(row for row in rows if row is not None)
        warnings = said.get("warnings") or ()
        return Growth(usable, len(rows) - len(usable), tuple(str(one) for one in warnings))

    def close(self) -> None:
        self._wire.close()

    def _query(self, window: Window) -> str:
        section = self._section
        seconds = int(window.span.total_seconds())
        return f"sum by ({section.integration_label}, {section.type_label}) (increase({section.metric}[{seconds}s]))"

    def _read(self, result: list[Any]) -> Iterator[Grown | None]:
        for row in result:
            labels = row.get("metric", {})
            events = _number(row)
            if events is None:
                yield None
            else:
                integration, kind = (
                    str(labels.get(name, "")) for name in (self._section.integration_label, self._section.type_label)
                )
                yield Grown(integration, kind, events)


def _is_vector(answer: Answer) -> bool:
    said = answer.fields()
    data = said.get("data")
    if not (succeeded(answer) and said.get("status") == "success" and isinstance(data, dict)):
        return False
    result = data.get("result")
    return (
        data.get("resultType") == "vector" and isinstance(result, list) and all(isinstance(row, dict) for row in result)
    )


def _number(row: dict[str, Any]) -> float | None:
    """Return the sample's value: a text beside its moment. NaN and infinities are no numbers of events."""
    try:
        value = float(row["value"][1])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None
