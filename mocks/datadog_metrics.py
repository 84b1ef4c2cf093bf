"""Datadog's metrics and the query over one of them.

Source: https://docs.datadoghq.com/api/latest/metrics/
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.boolean_query import UnreadableQuery
from mocks.datadog_org import Organisation, Point, errors, reader, sender, spend
from mocks.datadog_search import MetricQuery, metric_query
from mocks.stage import Ask, Refused

PAYLOAD_LIMIT_BYTES = 5 * 1024 * 1024
# Source: https://docs.datadoghq.com/metrics/custom_metrics/historical_metrics/; others are taken and not stored.
OLDEST_POINT_S = 3600
NEWEST_POINT_S = 600
_NAME = re.compile(r"[A-Za-z][\w.]{0,199}")
_V1_KINDS = {"count": 1, "rate": 2, "gauge": 3}
_KINDS = range(4)
SPACE: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
}


def submit_v2(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/metrics/#submit-metrics; 202 also for points it will not keep."""
    key = sender(desk, ask)
    for row in _series(ask):
        if row.get("type", 0) not in _KINDS:
            raise Refused(_malformed("type"))
        tags = [*_tags(row), *(f"{r.get('type')}:{r.get('name')}" for r in row.get("resources") or [])]
        pairs = [(p.get("timestamp"), p.get("value")) for p in row.get("points") or [] if isinstance(p, dict)]
        _store(desk, pairs, Point(row["metric"], int(row.get("type", 0)), 0, 0, tags, desk.visible_at(), key.id))
    return JSONResponse({"errors": []}, 202)


def submit_v1(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/metrics/#submit-metrics (the v1 tab)."""
    key = sender(desk, ask)
    for row in _series(ask):
        kind = _V1_KINDS.get(str(row.get("type") or "gauge"), 0)
        tags = [*_tags(row), *([f"host:{row['host']}"] if row.get("host") else [])]
        pairs = [tuple(pair) for pair in row.get("points") or [] if isinstance(pair, list)]
        _store(desk, pairs, Point(row["metric"], kind, 0, 0, tags, desk.visible_at(), key.id))
    return JSONResponse({"status": "ok"}, 202)


def query_v1(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points; times in seconds."""
    reader(desk, ask, "timeseries_query")
    spend(desk, "metrics_query")
    try:
        start, end = float(ask.query["from"]), float(ask.query["to"])
        query = metric_query(ask.query["query"])
    except (KeyError, ValueError, UnreadableQuery) as problem:
        return JSONResponse({"status": "error", "errors": [f"Error parsing query: {problem}"]}, 400)
    points = points_of(desk, query, start, end)
    body = {
        "status": "ok", "res_type": "time_series", "resp_version": 1, "query": ask.query["query"],
        "from_date": int(start * 1000), "to_date": int(end * 1000), "group_by": [], "message": "",
        "series": [_as_series(query, points, ask.query["query"], start, end)] if points else [],
    }  # fmt: skip
    return JSONResponse(body)


def _series(ask: Ask) -> list[dict[str, Any]]:
    if len(ask.body) > PAYLOAD_LIMIT_BYTES:
        raise Refused(errors(413, "Payload too large"))
    rows = ask.fields().get("series")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Refused(_malformed("series"))
    for row in rows:
        if not _NAME.fullmatch(str(row.get("metric", ""))):
            raise Refused(_malformed("metric"))
        if not isinstance(row.get("points"), list) or not row["points"]:
            raise Refused(_malformed("points"))
    return rows


def _tags(row: dict[str, Any]) -> list[str]:
    return [str(tag) for tag in row.get("tags") or []]


def _store(desk: Organisation, pairs: Sequence[tuple[Any, ...]], like: Point) -> None:
    """Keep (second, value) pairs as points like the one given, leaving out the too old and the too new."""
    now = desk.now()
    for pair in pairs:
        match pair:
            case (int() | float() as at, int() | float() as value):
                if now - OLDEST_POINT_S <= at <= now + NEWEST_POINT_S:
                    desk.memory.points.append(replace(like, at=float(at), value=float(value)))
            case _:
                raise Refused(_malformed("points"))


def points_of(desk: Organisation, query: MetricQuery, start: float, end: float) -> list[tuple[float, float]]:
    """Return (second, value) of the metric within [start, end], aggregated over the rows of a second."""
    at_second: dict[float, list[float]] = {}
    for point in desk.memory.points:
        in_time = point.visible_at <= desk.now() and start <= point.at <= end
        if in_time and point.metric == query.metric and all(scope in point.tags for scope in query.scope):
            at_second.setdefault(point.at, []).append(point.value)
    return [(at, SPACE[query.aggregator](values)) for at, values in sorted(at_second.items())]


def _as_series(
    query: MetricQuery, points: list[tuple[float, float]], text: str, start: float, end: float
) -> dict[str, Any]:
    return {
        "metric": query.metric, "display_name": query.metric, "aggr": query.aggregator, "expression": text,
        "scope": ",".join(query.scope) or "*", "tag_set": [], "interval": 1, "length": len(points),
        "start": int(start * 1000), "end": int(end * 1000), "query_index": 0, "unit": None,
        "pointlist": [[at * 1000, value] for at, value in points],
    }  # fmt: skip


def _malformed(what: str) -> Response:
    return errors(400, f"Payload is not in the expected format: {json.dumps(what)} is missing or malformed")
