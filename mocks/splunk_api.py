"""Splunk's REST API: searches that stream their rows, and the life of HEC tokens.

Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (search endpoints: search/v2/jobs/export;
input endpoints: data/inputs/http)
"""

import json
import secrets
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.boolean_query import UnreadableQuery
from mocks.splunk_memory import ApiToken, HecToken, Instance, found_in, new_guid
from mocks.splunk_search import UnsupportedCommand, run, time_modifier
from mocks.stage import Ask, Refused

SCHEME = "http://"
_FALSE = frozenset({"0", "false", "f", "no"})


def messages(status: int, kind: str, text: str) -> Response:
    return JSONResponse({"messages": [{"type": kind, "text": text}]}, status)


def export(desk: Instance, ask: Ask) -> Response:
    """Answer with JSON lines; rows of a preview come first and are not the result.

    Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (search/v2/jobs/export)
    """
    token = _caller(desk, ask)
    sent = {**dict(ask.query), **ask.fields()}
    if sent.get("output_mode") != "json":
        return JSONResponse({"stand_in": "splunk is not stood in for output modes other than json"}, 501)
    search = str(sent.get("search", "")).strip()
    try:
        events = found_in(desk, token.search_indexes, *_bounds(search, sent, desk.now()))
        answered = run(search, events, sent, desk.now())
    except UnreadableQuery as problem:
        return messages(400, "FATAL", str(problem))
    except UnsupportedCommand as problem:
        return JSONResponse({"stand_in": f"splunk is not stood in for {problem}"}, 501)
    rows = answered.rows
    lines: list[dict[str, Any]] = []
    if answered.transforming and rows and str(sent.get("preview", "1")).lower() not in _FALSE:
        lines.append({"preview": True, "offset": 0, "result": dict.fromkeys(rows[0], "0")})
    for offset, row in enumerate(rows):
        last = {"lastrow": True} if offset == len(rows) - 1 else {}
        lines.append({"preview": False, "offset": offset, **last, "result": row})
    lines = lines or [{"preview": False, "lastrow": True}]
    if desk.memory.peer_down:
        text = "Search results might be incomplete: the search process on the peer indexer-2 ended prematurely."
        lines.insert(0, {"preview": False, "messages": [{"type": "WARN", "text": text}]})
    return Response("".join(f"{json.dumps(line)}\n" for line in lines), media_type="application/json")


def _bounds(search: str, sent: dict[str, Any], now: float) -> tuple[float, float]:
    """Return the request's own times, by which events are looked up; none where the search itself may name others."""
    named = [str(sent.get(name) or "") for name in ("earliest_time", "latest_time")]
    if not all(named) or "earliest" in search or "latest" in search:
        return 0.0, float("inf")
    return time_modifier(named[0], now), time_modifier(named[1], now)


def show_server(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (server/info)."""
    _caller(desk, ask)
    return _entries([{"name": "server-info", "content": {"version": "9.3.2", "serverName": "stand-in"}}])


def show_context(desk: Instance, ask: Ask) -> Response:
    """Say whose token it is; any valid one may ask.

    Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (authentication/current-context)
    """
    token = _caller(desk, ask)
    capabilities = ["search", *(["edit_token_http", "list_token_http"] if token.may_edit_tokens else [])]
    content = {"username": token.name, "roles": [token.name], "capabilities": capabilities}
    return _entries([{"name": "context", "content": content}])


def create_token(desk: Instance, ask: Ask) -> Response:
    """Take a name, and a token value of the caller's choice where it gives one.

    Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http, POST)
    """
    _editor(desk, ask)
    sent = ask.fields()
    name = str(sent.get("name") or "").removeprefix(SCHEME)
    if not name:
        return messages(400, "ERROR", "The following required arguments are missing: name.")
    if any(row.name == name for row in desk.memory.hec_tokens):
        return messages(409, "ERROR", f"An object with name={name} already exists")
    value = str(sent.get("token") or new_guid())
    if any(row.token == value for row in desk.memory.hec_tokens):
        return messages(400, "ERROR", "The token value is in use by another input")
    created = HecToken(name, value, created_at=desk.now())
    _change(desk, created, sent)
    desk.memory.hec_tokens.append(created)
    return _entries([_as_entry(created)], 201)


def list_tokens(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http, GET)."""
    _editor(desk, ask)
    offset, count = int(ask.query.get("offset", "0")), int(ask.query.get("count", "30"))
    listed = [row for row in desk.memory.hec_tokens if desk.listed(row.created_at)]
    rows = listed[offset : offset + count if count else None]
    return _entries([_as_entry(row) for row in rows], total=len(listed))


def show_token(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http/{name}, GET)."""
    return _entries([_as_entry(_named(desk, ask))])


def edit_token(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http/{name}, POST)."""
    found = _named(desk, ask)
    _change(desk, found, ask.fields())
    return _entries([_as_entry(found)])


def enable_token(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http/{name}/enable)."""
    found = _named(desk, ask)
    found.disabled = False
    return _entries([_as_entry(found)])


def disable_token(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http/{name}/disable)."""
    found = _named(desk, ask)
    found.disabled = True
    return _entries([_as_entry(found)])


def delete_token(desk: Instance, ask: Ask) -> Response:
    """Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (data/inputs/http/{name}, DELETE)."""
    desk.memory.hec_tokens.remove(_named(desk, ask))
    return _entries([_as_entry(row) for row in desk.memory.hec_tokens])


def _caller(desk: Instance, ask: Ask) -> ApiToken:
    sent = ask.authorization("Bearer").encode()
    for row in desk.memory.api_tokens:
        if secrets.compare_digest(row.token.encode(), sent):
            return row
    raise Refused(messages(401, "WARN", "call not properly authenticated"))


def _editor(desk: Instance, ask: Ask) -> None:
    if ask.query.get("output_mode", ask.fields().get("output_mode")) != "json":
        problem = {"stand_in": "splunk is not stood in for output modes other than json"}
        raise Refused(JSONResponse(problem, 501))
    if not _caller(desk, ask).may_edit_tokens:
        raise Refused(messages(403, "ERROR", "Insufficient permissions: requires the capability edit_token_http"))


def _named(desk: Instance, ask: Ask) -> HecToken:
    _editor(desk, ask)
    name = ask.ids["name"].removeprefix(SCHEME)
    for row in desk.memory.hec_tokens:
        if row.name == name:
            return row
    raise Refused(messages(404, "ERROR", f"Could not find object id={name}"))


def _change(desk: Instance, token: HecToken, sent: dict[str, Any]) -> None:
    index = str(sent.get("index") or token.index)
    indexes = str(sent.get("indexes") or ",".join(token.indexes)).split(",")
    token.indexes = [name.strip() for name in indexes if name.strip()]
    if index not in desk.memory.indexes:
        raise Refused(messages(400, "ERROR", f"The index {index} does not exist"))
    if token.indexes and index not in token.indexes:
        raise Refused(messages(400, "ERROR", f"The default index {index} is not among the allowed indexes"))
    token.index = index
    for name in ("sourcetype", "source", "description"):
        setattr(token, name, str(sent.get(name, getattr(token, name))))
    token.use_ack = _flag(sent.get("useACK"), token.use_ack)
    token.disabled = _flag(sent.get("disabled"), token.disabled)


def _flag(value: object, now: bool) -> bool:  # noqa: FBT001 - what it is now
    return now if value is None else str(value).lower() not in _FALSE


def _as_entry(token: HecToken) -> dict[str, Any]:
    content = {
        "token": token.token, "index": token.index, "indexes": token.indexes, "disabled": token.disabled,
        "sourcetype": token.sourcetype, "source": token.source, "description": token.description,
        "useACK": "1" if token.use_ack else "0", "host": "stand-in",
    }  # fmt: skip
    return {"name": f"{SCHEME}{token.name}", "content": content}


def _entries(entries: list[dict[str, Any]], status: int = 200, total: int | None = None) -> Response:
    paging = {"total": len(entries) if total is None else total, "perPage": 30, "offset": 0}
    return JSONResponse({"entry": entries, "paging": paging, "messages": []}, status)
