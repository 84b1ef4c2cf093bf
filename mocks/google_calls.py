"""What every call to a Google API goes through, over gRPC or HTTP alike: who calls, may he, is it a message of the API.

A handler takes the request's fields as JSON writes them (camelCase, bytes as base64, 64-bit numbers as text) and
returns those of the answer; both are checked against the client's own message classes.
Source: https://cloud.google.com/apis/design/errors, https://google.aip.dev/127, https://google.aip.dev/193
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeVar

from starlette.responses import JSONResponse, Response

from mocks.google_api import (
    Api,
    NotUnderstood,
    Rpc,
    checked_answer,
    checked_request,
    http_request,
    json_of,
    message_of,
)
from mocks.stage import Ask, Desk, Grpc, Order, Refused, Route

PROJECT = "stand-in-project"
PROJECT_NUMBER = "409173625841"
ACCOUNTS = "gcpkey"
# https://cloud.google.com/apis/design/errors, "Error codes"
_HTTP = MappingProxyType(
    {
        "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
        "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501,
    }
)  # fmt: skip
_PAYLOADS = ("data", "ciphertext", "plaintext", "privateKeyData")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that may be made. `caller` is the account's e-mail address."""

    said: Mapping[str, Any]
    caller: str
    base_url: str

    def text(self, name: str) -> str:
        return str(self.said.get(name, ""))

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a message inside the request, empty where there is none."""
        found: Mapping[str, Any] = self.said.get(name, {})
        return found


@dataclass(frozen=True, slots=True)
class Method:
    """A method that is stood in for, and the permission that its caller needs."""

    permission: str
    answer: Callable[[Desk[Any, Any], Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Service:
    """An API with the methods that are stood in for, by their names."""

    api: Api
    methods: Mapping[str, Method] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def routes(self) -> tuple[Route, ...]:
        verbs = ("GET", "POST", "PATCH", "DELETE")
        return (
            Route("POST", f"/{self.api.service}/{{rpc}}", self._over_grpc),
            *(Route(verb, "/v1/{rest:path}", self._over_http) for verb in verbs),
        )

    @property
    def grpc(self) -> Grpc:
        return Grpc(self.api.service, self._read, self._write)

    def rpc(self, ask: Ask) -> str:
        """Return which method a request calls, empty where it calls none."""
        if ask.path.startswith("/v1/"):
            found = self.api.over_http(ask.method, ask.path)
            return found[0].rpc if found else ""
        return ask.path.rpartition("/")[2] if ask.path.startswith(f"/{self.api.service}/") else ""

    def _over_grpc(self, desk: Desk[Any, Any], ask: Ask) -> Response:
        return self._answered(desk, ask, self.api.rpc_at(ask.path), ask.json())

    def _over_http(self, desk: Desk[Any, Any], ask: Ask) -> Response:
        found = self.api.over_http(ask.method, ask.path)
        if found is None:
            raise refused("UNIMPLEMENTED", f"{ask.method} {ask.path} is not stood in for.")
        rule, held = found
        body = ask.json() if ask.body else {}
        if not isinstance(body, dict):
            raise refused("INVALID_ARGUMENT", "Invalid JSON payload received.")
        return self._answered(desk, ask, self.api.rpcs.get(rule.rpc), http_request(rule, held, str(ask.query), body))

    def _answered(self, desk: Desk[Any, Any], ask: Ask, rpc: Rpc | None, said: Any) -> Response:
        caller = _authenticated(desk, ask)
        method = self.methods.get(rpc.name) if rpc is not None else None
        if rpc is None or method is None:
            raise refused("UNIMPLEMENTED", f"{ask.rpc or ask.path} is not stood in for.")
        try:
            call = Call(checked_request(rpc, said), caller, ask.base_url)
        except NotUnderstood as error:
            raise refused("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error
        _require_permission(desk, call, method.permission)
        numbers = "enum-encoding=int" in (ask.query.get("$alt", "") or ask.query.get("alt", ""))
        return JSONResponse(checked_answer(rpc, method.answer(desk, call), enums_as_numbers=numbers))

    def _read(self, path: str, message: bytes) -> bytes:
        rpc = self.api.rpc_at(path)
        return json_of(rpc, message) if rpc is not None else b"{}"

    def _write(self, path: str, body: bytes) -> bytes:
        rpc = self.api.rpc_at(path)
        if rpc is None:
            raise NotUnderstood(path)
        return message_of(rpc, body)


def _authenticated(desk: Desk[Any, Any], ask: Ask) -> str:
    """Return the e-mail address of the account that calls.

    Source: https://cloud.google.com/docs/authentication/troubleshooting
    """
    token = ask.authorization("Bearer")
    caller = desk.world.act(ACCOUNTS, "whose_token", {"token": token}, ask.base_url)["email"]
    if not caller:
        raise refused(
            "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token."
        )
    return str(caller)


def _require_permission(desk: Desk[Any, Any], call: Call, permission: str) -> None:
    """Look at the permission before the thing itself, whose existence is nobody's business without it.

    Source: https://google.aip.dev/211
    """
    resource = resource_of(call)
    asked = {"email": call.caller, "permission": permission, "resource": resource}
    if not desk.world.act(ACCOUNTS, "may", asked, call.base_url)["may"]:
        raise refused(
            "PERMISSION_DENIED", f"Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
        )


def resource_of(call: Call) -> str:
    """Return the name of what a call is about."""
    inner = (part.get("name", "") for part in call.said.values() if isinstance(part, dict))
    return call.text("name") or call.text("parent") or next(filter(None, inner), "")


def refused(status: str, message: str, *details: Mapping[str, Any]) -> Refused:
    """Return a refusal as Google writes it over HTTP; over gRPC it becomes the code of this name.

    Source: https://google.aip.dev/193
    """
    error: dict[str, Any] = {"code": _HTTP[status], "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return Refused(JSONResponse({"error": error}, _HTTP[status]))


def limited(ask: Ask, seconds: int) -> Response:
    """Source: https://cloud.google.com/secret-manager/quotas, https://google.aip.dev/193 (RetryInfo)."""
    del ask
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}
    return refused("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Requests' per minute.", retry).response


def corrupted(body: bytes) -> bytes:
    """Return an answer whose payload has one bit changed, and whose checksum has not."""
    said = json.loads(body)
    for holder in (said, said.get("payload", {})):
        for name in _PAYLOADS:
            if name in holder:
                holder[name] = encoded(_one_bit_changed(decoded(holder[name])))
    return json.dumps(said).encode()


def _one_bit_changed(payload: bytes) -> bytes:
    middle = len(payload) // 2
    return payload[:middle] + bytes([(payload[middle] if payload else 0) ^ 1]) + payload[middle + 1 :]


def page(call: Call, rows: Sequence[T], largest: int) -> tuple[Sequence[T], dict[str, str]]:
    """Return the rows of the page that is asked for, and the token of the next one as a field of the answer."""
    try:
        start = int(base64.urlsafe_b64decode(call.text("pageToken") or b"MA=="))
    except ValueError as error:
        raise refused("INVALID_ARGUMENT", "The page token is invalid.") from error
    end = start + min(int(call.said.get("pageSize", 0)) or largest, largest)
    more = {"nextPageToken": base64.urlsafe_b64encode(str(end).encode()).decode()} if end < len(rows) else {}
    return rows[start:end], more


def wanted_states(call: Call) -> set[str]:
    """Return the states that a listing is narrowed to, none for all. Of the filter language it is this one alone."""
    found = [re.fullmatch(r"\s*state\s*[:=]\s*(\w+)\s*", part) for part in call.text("filter").split(" OR ")]
    if call.text("filter") and not all(found):
        raise refused("UNIMPLEMENTED", f"The filter {call.text('filter')} is not stood in for.")
    return {match[1] for match in found if match}


def timestamp(at: float | None) -> str | None:
    """Return the moment as JSON writes a protobuf timestamp, None for none."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def encoded(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def remove_permission(account: str) -> Callable[[Desk[Any, Any], Order], Any]:
    """Return the console action that takes a `permission` (a pattern; all by default) from an account of the project."""
    return _at_accounts("remove_permission", account)


def restore_permission(account: str) -> Callable[[Desk[Any, Any], Order], Any]:
    return _at_accounts("restore_permission", account)


def _at_accounts(action: str, account: str) -> Callable[[Desk[Any, Any], Order], Any]:
    def act(desk: Desk[Any, Any], order: Order) -> Any:
        return desk.world.act(ACCOUNTS, action, {"account": account, **order.fields}, order.base_url)

    return act
