"""Splunk's HTTP Event Collector: answers 200 before anything is indexed; acknowledgements are read once.

Source: https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data (REST API endpoints for HEC,
troubleshooting, indexer acknowledgement)
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.splunk_memory import INTROSPECTION, TOKEN_METRICS, Channel, Event, HecToken, Instance, as_text
from mocks.stage import Ask, Refused

# Every answer of HEC: code -> status and text.
ANSWERS: Mapping[int, tuple[int, str]] = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    16: (400, "Query string authorization is not enabled"),
    17: (200, "HEC is healthy"),
    18: (503, "HEC is unhealthy, queues are full"),
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SCIENTIFIC_TIME = re.compile(r'"time"\s*:\s*"?-?[\d.]+[eE]')
_NO_TIME = float("nan")


def answer(code: int, **more: Any) -> Response:
    status, text = ANSWERS[code]
    return JSONResponse({"text": text, "code": code, **more}, status)


def take_events(desk: Instance, ask: Ask) -> Response:
    """Take JSON objects one after another; stop at the first bad one, keeping those before it."""
    token = _token(desk, ask)
    channel = _channel(desk, token, ask)
    taken = 0
    try:
        for number, (sent, text) in enumerate(_objects(ask.body.decode(errors="replace"))):
            desk.memory.events.extend(_event(desk, token, sent, text, number))
            taken += 1
    except Refused:
        _note_use(desk, token, taken, 1)
        raise
    _note_use(desk, token, taken, 0)
    return _taken(desk, channel)


def take_raw(desk: Instance, ask: Ask) -> Response:
    """Take text, a line an event; index, source and host come from the query or the token."""
    token = _token(desk, ask)
    channel = _channel(desk, token, ask)
    lines = [line for line in ask.body.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        raise Refused(answer(5))
    named = {name: ask.query[name] for name in ("host", "index", "source", "sourcetype") if name in ask.query}
    for number, line in enumerate(lines):
        desk.memory.events.extend(_event(desk, token, {**named, "event": line}, "", number))
    _note_use(desk, token, len(lines), 0)
    return _taken(desk, channel)


def show_acks(desk: Instance, ask: Ask) -> Response:
    """Say which requests of the channel are indexed. A true is told once: its status is deleted by telling it."""
    token = _token(desk, ask)
    if not token.use_ack:
        return answer(14)
    channel = _channel(desk, token, ask)
    wanted = ask.fields().get("acks")
    if channel is None or not isinstance(wanted, list) or not all(isinstance(number, int) for number in wanted):
        return answer(6)
    told = {str(number): channel.true_from.get(str(number), float("inf")) <= desk.now() for number in wanted}
    for number, indexed in told.items():
        if indexed:
            del channel.true_from[number]
    return JSONResponse({"acks": told})


def show_health(desk: Instance, ask: Ask) -> Response:
    """Needs no token."""
    del ask
    return answer(18 if desk.memory.busy else 17)


def _token(desk: Instance, ask: Ask) -> HecToken:
    """Return the token that the request carries, in the order in which Splunk checks.

    Raises:
        Refused: it is missing, malformed, unknown or disabled, or Splunk is busy.
    """
    value, by_query = _sent_token(ask)
    tokens = desk.memory.hec_tokens
    found = next((row for row in tokens if secrets.compare_digest(row.token.encode(), value.encode())), None)
    if by_query and not (found and found.query_string_auth):
        raise Refused(answer(16))
    if found is None:
        raise Refused(answer(4))
    if found.disabled:
        raise Refused(answer(1))
    if desk.memory.busy:
        raise Refused(answer(9))
    return found


def _sent_token(ask: Ask) -> tuple[str, bool]:
    """Return the token, and whether it came in the query string."""
    header = ask.headers.get("authorization", "")
    if not header:
        if "token" in ask.query:
            return ask.query["token"], True
        raise Refused(answer(2))
    if value := ask.authorization("Splunk"):
        return value, False
    try:
        _, _, value = base64.b64decode(ask.authorization("Basic"), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        value = ""
    if not value:
        raise Refused(answer(3))
    return value, False


def _channel(desk: Instance, token: HecToken, ask: Ask) -> Channel | None:
    """Return the channel of a token that acknowledges, None where it does not."""
    named = ask.query.get("channel") or ask.headers.get("x-splunk-request-channel", "")
    if named and not _GUID.fullmatch(named):
        raise Refused(answer(11))
    if not token.use_ack:
        return None
    if not named:
        raise Refused(answer(10))
    return desk.memory.channels.setdefault(f"{token.name}/{named.lower()}", Channel())


def _taken(desk: Instance, channel: Channel | None) -> Response:
    if channel is None:
        return answer(0)
    ack_id, channel.next_id = channel.next_id, channel.next_id + 1
    channel.true_from[str(ack_id)] = desk.visible_at()
    return answer(0, ackId=ack_id)


def _objects(text: str) -> list[tuple[Any, str]]:
    """Return the JSON values in the body with the text of each; an unreadable one ends the list as None."""
    if not text.strip():
        raise Refused(answer(5))
    found: list[tuple[Any, str]] = []
    decoder, text, at = json.JSONDecoder(), text.strip(), 0
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            return [*found, (None, "")]
        found.append((value, text[at:end]))
        at = end
        while text[at : at + 1].isspace():
            at += 1
    return found


def _event(desk: Instance, token: HecToken, sent: Any, text: str, number: int) -> list[Event]:
    """Return the event, or nothing where its index does not exist: Splunk says Success and drops it."""
    if not isinstance(sent, dict):
        raise _bad(6, number)
    for wrong, code in _CHECKS:
        if wrong(sent):
            raise _bad(code, number)
    at = desk.now() if "time" not in sent else _number(sent["time"])
    if at != at or _SCIENTIFIC_TIME.search(text):  # noqa: PLR0124 - not a number
        raise _bad(15, number)
    index = str(sent.get("index") or token.index or "main")
    if token.indexes and index not in token.indexes:
        raise _bad(7, number)
    event = Event(
        index, str(sent.get("host") or "stand-in"), str(sent.get("source") or token.source or f"http:{token.name}"),
        str(sent.get("sourcetype") or token.sourcetype or "httpevent"), at, desk.visible_at(), as_text(sent["event"]),
        token.name, {name: _joined(value) for name, value in (sent.get("fields") or {}).items()},
    )  # fmt: skip
    return [event] if index in desk.memory.indexes else []


def _fields_are_deep(sent: dict[str, Any]) -> bool:
    """Indexed fields are text, or lists of text."""
    fields = sent.get("fields") or {}
    if not isinstance(fields, dict):
        return True
    values = [item for value in fields.values() for item in (value if isinstance(value, list) else [value])]
    return not all(isinstance(value, str) for value in values)


_CHECKS: tuple[tuple[Callable[[dict[str, Any]], bool], int], ...] = (
    (lambda sent: "event" not in sent, 12),
    (lambda sent: sent["event"] in ("", None), 13),
    (_fields_are_deep, 15),
)


def _joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "\n".join(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return _NO_TIME


def _bad(code: int, number: int) -> Refused:
    return Refused(answer(code, **{"invalid-event-number": number}))


def _note_use(desk: Instance, token: HecToken, events: int, errors: int) -> None:
    """Splunk counts per token in an index of its own: the only counter that tells tokens apart."""
    counted = {
        "series": "http_event_collector_token", "token_name": token.name, "num_of_events": events,
        "num_of_errors": errors, "num_of_parser_errors": errors,
    }  # fmt: skip
    raw = json.dumps({"component": "HttpEventCollector", "data": counted})
    at = desk.now()
    desk.memory.events.append(
        Event(INTROSPECTION, "stand-in", "http_event_collector_metrics.log", TOKEN_METRICS, at, at, raw, token.name)
    )
