"""Datadog's scalar and timeseries queries: several named queries at once, over events, logs or metrics, split by facets.

Traps kept: `to` is exclusive; an interval that would give too many points is answered with a larger one, without a word;
an event without the facet is in no group; groups beyond the limit are left out, and the limit is small unless named; a
group's empty interval is null.
Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-data-across-multiple-products
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.boolean_query import UnreadableQuery
from mocks.datadog_events import matching_events, searchable_event
from mocks.datadog_logs import matching_logs, searchable_line
from mocks.datadog_metrics import SPACE, points_of
from mocks.datadog_org import Organisation, errors, reader, spend
from mocks.datadog_search import Searchable, metric_query
from mocks.stage import Ask, Refused

MOST_POINTS = 1500
DEFAULT_GROUPS = 10
MOST_GROUPS = 10_000
_DEFAULT_INTERVAL_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks: from, to and step in seconds, and the queries that its formulas name, in their order."""

    start: float
    end: float
    step: float
    queries: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """One thing that a query found: when, and what it can be split by."""

    at: float
    value: float
    facets: Searchable


def query_scalar(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/metrics/#query-scalar-data-across-multiple-products."""
    asked = _read(desk, ask, "scalar_request")
    if any(query.get("group_by") for query in asked.queries):
        raise Refused(_not_stood_in("grouping of scalars"))
    columns = [
        {"name": query["name"], "type": "number", "meta": {"unit": None},
         "values": [_value(query, _rows(desk, query, asked.start, asked.end))]}
        for query in asked.queries
    ]  # fmt: skip
    return JSONResponse({"data": {"type": "scalar_response", "attributes": {"columns": columns}}})


def query_timeseries(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-data-across-multiple-products."""
    asked = _read(desk, ask, "timeseries_request")
    first = asked.start // asked.step * asked.step
    times = [first + asked.step * i for i in range(math.ceil((asked.end - first) / asked.step))]
    series: list[dict[str, Any]] = []
    values: list[list[float | None]] = []
    for index, query in enumerate(asked.queries):
        for tags, rows in _groups(query, _rows(desk, query, asked.start, asked.end)):
            series.append({"group_tags": tags, "query_index": index, "unit": None})
            values.append(_by_time(query, rows, first, asked.step, len(times)))
    attributes = {"series": series, "times": [int(at * 1000) for at in times], "values": values}
    return JSONResponse({"data": {"type": "timeseries_response", "attributes": attributes}})


def _read(desk: Organisation, ask: Ask, kind: str) -> _Asked:
    reader(desk, ask, "timeseries_query")
    spend(desk, "metrics_query")
    data = ask.fields().get("data") or {}
    attributes = data.get("attributes") or {}
    queries, formulas = attributes.get("queries") or [], attributes.get("formulas") or []
    if data.get("type") != kind or not queries or not all(isinstance(attributes.get(n), int) for n in ("from", "to")):
        raise Refused(errors(400, f"type must be {kind}; from, to (milliseconds) and queries are required"))
    named = {query.get("name"): query for query in queries}
    names = [formula.get("formula") for formula in formulas] or [queries[0].get("name")]
    if not all(name in named for name in names):
        raise Refused(_not_stood_in("formulas that are more than the name of a query"))
    start, end = attributes["from"] / 1000, attributes["to"] / 1000
    return _Asked(start, end, _step(attributes, start, end), tuple(named[name] for name in names))


def _step(attributes: Mapping[str, Any], start: float, end: float) -> float:
    """Return the step in seconds: a larger one than was asked for where there would be too many points."""
    step = max(1.0, float(attributes.get("interval") or _DEFAULT_INTERVAL_MS) / 1000)
    while (end - start) / step > MOST_POINTS:
        step *= 2
    return step


def _rows(desk: Organisation, query: Mapping[str, Any], start: float, end: float) -> list[_Row]:
    search = str((query.get("search") or {}).get("query", "*"))
    try:
        match query.get("data_source"):
            case "events":
                found = matching_events(desk, search, start, end)
                return [_Row(event.at, 1.0, searchable_event(event)) for event in _counted(query, found)]
            case "logs":
                lines = matching_logs(desk, search, start, end)
                return [_Row(line.at, 1.0, searchable_line(line)) for line in _counted(query, lines)]
            case "metrics":
                points = points_of(desk, metric_query(str(query.get("query"))), start, end)
                return [_Row(at, value, Searchable("", (), {})) for at, value in points]
            case source:
                raise Refused(_not_stood_in(f"data source {source}"))
    except (UnreadableQuery, KeyError) as problem:
        raise Refused(errors(400, f"Invalid query: {problem}")) from problem


def _counted(query: Mapping[str, Any], found: Sequence[Any]) -> Sequence[Any]:
    if (query.get("compute") or {}).get("aggregation") != "count":
        raise Refused(_not_stood_in("aggregations other than count"))
    return found


def _groups(query: Mapping[str, Any], rows: list[_Row]) -> list[tuple[list[str], list[_Row]]]:
    """Return the largest groups of the query's one facet, by their tag; all rows where it does not split."""
    by = query.get("group_by") or []
    if not by:
        return [([], rows)]
    if len(by) > 1:
        raise Refused(_not_stood_in("grouping by several facets"))
    limit = int(by[0].get("limit") or DEFAULT_GROUPS)
    if limit > MOST_GROUPS:
        raise Refused(errors(400, f"at most {MOST_GROUPS} groups are allowed"))
    facet = str(by[0]["facet"])
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        for value in _facet(row.facets, facet):
            groups.setdefault(value, []).append(row)
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:limit]
    return [([f"{facet}:{value}"], members) for value, members in largest]


def _facet(held: Searchable, facet: str) -> list[str]:
    """Return the values that a thing has for a facet: of a field, or of each tag with that name."""
    if facet in held.fields:
        return [held.fields[facet]]
    return [tag.removeprefix(f"{facet}:") for tag in held.tags if tag.startswith(f"{facet}:")]


def _by_time(query: Mapping[str, Any], rows: list[_Row], first: float, step: float, times: int) -> list[float | None]:
    buckets: dict[int, list[_Row]] = {}
    for row in rows:
        buckets.setdefault(int((row.at - first) // step), []).append(row)
    empty = None if query.get("group_by") or query.get("data_source") == "metrics" else 0.0
    return [_value(query, buckets[number]) if number in buckets else empty for number in range(times)]


def _value(query: Mapping[str, Any], rows: list[_Row]) -> float | None:
    if query.get("data_source") != "metrics":
        return float(len(rows))
    return SPACE[query.get("aggregator") or "avg"]([row.value for row in rows]) if rows else None


def _not_stood_in(what: str) -> Response:
    return JSONResponse({"stand_in": f"datadog is not stood in for {what}"}, 501)
