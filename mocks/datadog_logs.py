"""Datadog's logs: an intake that always says {}, a search, and a count that may be incomplete and says so.

Source: https://docs.datadoghq.com/api/latest/logs/
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.boolean_query import UnreadableQuery
from mocks.datadog_org import (
    LOG_INTAKE,
    LogLine,
    Organisation,
    errors,
    new_id,
    reader,
    sender,
    served_only_by,
    spend,
)
from mocks.datadog_search import Searchable, instant, search_test
from mocks.splunk_search import iso
from mocks.stage import Ask, Refused

PAYLOAD_LIMIT_BYTES = 5 * 1024 * 1024
BATCH_LIMIT_LINES = 1000
PAGE_LIMIT_LINES = 1000


def take_logs(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/logs/#send-logs; the intake has a host of its own."""
    served_only_by(LOG_INTAKE, ask)
    if not ask.headers.get("dd-api-key"):
        return _intake_error(401, "Unauthorized")
    try:
        key = sender(desk, ask)
    except Refused:
        return _intake_error(403, "Forbidden")
    if len(ask.body) > PAYLOAD_LIMIT_BYTES:
        return _intake_error(413, "Payload Too Large")
    for item in _items(ask):
        desk.memory.logs.append(
            LogLine(
                id=new_id(), message=str(item.get("message", "")), source=str(item.get("ddsource", "")),
                service=str(item.get("service", "")), host=str(item.get("hostname", "")),
                status=str(item.get("status", "info")), tags=[t for t in str(item.get("ddtags", "")).split(",") if t],
                at=desk.now(), visible_at=desk.visible_at(), api_key_id=key.id,
            )
        )  # fmt: skip
    return JSONResponse({}, 202)


def search_logs(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/logs/#search-logs-post."""
    reader(desk, ask, "logs_read_data")
    spend(desk, "logs_query")
    sent = ask.fields()
    found = _filtered(desk, sent.get("filter") or {})
    limit = min(int((sent.get("page") or {}).get("limit") or 10), PAGE_LIMIT_LINES)
    return JSONResponse({"data": [_as_log(line) for line in found[:limit]], "meta": _meta(desk)})


def aggregate_logs(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/logs/#aggregate-events; a count is whole only when status is done."""
    reader(desk, ask, "logs_read_data")
    spend(desk, "logs_query")
    sent = ask.fields()
    computes = sent.get("compute") or [{"aggregation": "count"}]
    if [compute.get("aggregation") for compute in computes] != ["count"]:
        return JSONResponse({"stand_in": "datadog is not stood in for aggregations other than one count"}, 501)
    facets = [str(group.get("facet", "")) for group in sent.get("group_by") or []]
    buckets: dict[tuple[str, ...], int] = {}
    for line in _filtered(desk, sent.get("filter") or {}):
        of_line = searchable_line(line).fields
        names = tuple(of_line.get(facet, "") for facet in facets)
        buckets[names] = buckets.get(names, 0) + 1
    rows = [
        {"by": dict(zip(facets, names, strict=True)), "computes": {"c0": float(count)}}
        for names, count in sorted(buckets.items())
    ]
    return JSONResponse({"data": {"buckets": rows}, "meta": _meta(desk)})


def matching_logs(desk: Organisation, query: str, start: float, end: float) -> list[LogLine]:
    """Return the indexed log lines in [start, end) epoch seconds that fit a search query.

    Raises:
        UnreadableQuery: the query does not follow the syntax.
    """
    test = search_test(query)
    visible = [line for line in desk.memory.logs if line.visible_at <= desk.now()]
    return [line for line in visible if start <= line.at < end and test(searchable_line(line))]


def _filtered(desk: Organisation, wanted: dict[str, Any]) -> list[LogLine]:
    now = desk.now()
    try:
        start, end = instant(wanted.get("from", "now-15m"), now), instant(wanted.get("to", "now"), now)
        return matching_logs(desk, str(wanted.get("query", "*")), start, end)
    except UnreadableQuery as problem:
        raise Refused(errors(400, f"Invalid request: {problem}")) from problem


def _items(ask: Ask) -> list[dict[str, Any]]:
    if "json" not in ask.headers.get("content-type", "json"):
        return [{"message": line} for line in ask.body.decode(errors="replace").splitlines() if line]
    sent = ask.json()
    items = sent if isinstance(sent, list) else [sent]
    if not all(isinstance(item, dict) for item in items):
        raise Refused(_intake_error(400, "Bad Request"))
    if len(items) > BATCH_LIMIT_LINES:
        raise Refused(_intake_error(413, "Payload Too Large"))
    return items


def searchable_line(line: LogLine) -> Searchable:
    fields = {"source": line.source, "service": line.service, "host": line.host, "status": line.status}
    return Searchable(line.message, line.tags, fields)


def _as_log(line: LogLine) -> dict[str, Any]:
    attributes = {
        "message": line.message, "service": line.service, "host": line.host, "status": line.status,
        "tags": [*line.tags, f"source:{line.source}"], "timestamp": iso(line.at), "attributes": {},
    }  # fmt: skip
    return {"id": line.id, "type": "log", "attributes": attributes}


def _meta(desk: Organisation) -> dict[str, Any]:
    meta: dict[str, Any] = {"elapsed": 12, "request_id": new_id(), "status": desk.memory.log_status}
    if desk.memory.log_status != "done":
        warning = {"code": "timeout", "title": "The query timed out", "detail": "The result is incomplete."}
        meta["warnings"] = [warning]
    return meta


def _intake_error(status: int, title: str) -> Response:
    return JSONResponse({"errors": [{"status": str(status), "title": title, "detail": title}]}, status)
