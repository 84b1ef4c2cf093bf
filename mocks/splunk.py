"""Splunk's stand-in: an instance with its HTTP Event Collector and its REST API on one port, at the root.

Source: https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from mocks import splunk_api as api
from mocks import splunk_hec as hec
from mocks.splunk_memory import (
    INDEX,
    INTROSPECTION,
    ApiToken,
    HecToken,
    Instance,
    Memory,
    Seed,
    memory,
    new_guid,
    seed,
)
from mocks.splunk_received import receive_many
from mocks.stage import Ask, Order, Route, StandIn


def _limited(ask: Ask, seconds: int) -> Response:
    """Splunk has no rate limit: over its capacity it is busy, and names no time."""
    del ask, seconds
    return hec.answer(9)


def _credentials(desk: Instance, base_url: str) -> Mapping[str, str]:
    return {
        "SPLUNK_HEC_TOKEN": desk.seed.hec_token,
        "SPLUNK_HEC_URL": f"{base_url}/services/collector",
        "SPLUNK_HEC_INSECURE": "0",
        "SPLUNK_TOKEN": desk.seed.api_token,
        "SPLUNK_API_URL": base_url,
        "SPLUNK_INDEX": INDEX,
        "SPLUNK_MANAGE_TOKEN": desk.seed.manager_token,
    }


def _inbox(desk: Instance) -> list[dict[str, Any]]:
    return [
        {"text": event.raw, "at": event.at, "where": event.index, "acknowledged": False, "token": event.token_name}
        for event in desk.memory.events
        if event.indexed_at <= desk.now() and event.index != INTROSPECTION
    ]


def _set_busy(desk: Instance, order: Order) -> Any:
    """Let HEC refuse everything with 503 code 9, or take it again."""
    desk.memory.busy = bool(order.fields.get("on", True))
    return {"on": desk.memory.busy}


def _set_peer_down(desk: Instance, order: Order) -> Any:
    """Let searches miss what one indexer holds, and say so, or find everything again."""
    desk.memory.peer_down = bool(order.fields.get("on", True))
    return {"on": desk.memory.peer_down}


def _switch_token(desk: Instance, order: Order) -> Any:
    """Enable or disable a HEC token by name; the first where none is given."""
    for row in desk.memory.hec_tokens:
        if row.name == order.text("name", "first"):
            row.disabled = not order.fields.get("on", False)
            return {"name": row.name, "disabled": row.disabled}
    raise ValueError(f"there is no token {order.text('name')}")


def _change_token(desk: Instance, order: Order) -> Any:
    """Set index, indexes, sourcetype, use_ack or query_string_auth of a HEC token by name; the first where none is given."""
    for row in desk.memory.hec_tokens:
        if row.name == order.text("name", "first"):
            row.index = order.text("index", row.index)
            row.indexes = [str(name) for name in order.fields.get("indexes", row.indexes)]
            row.sourcetype = order.text("sourcetype", row.sourcetype)
            row.use_ack = bool(order.fields.get("use_ack", row.use_ack))
            row.query_string_auth = bool(order.fields.get("query_string_auth", row.query_string_auth))
            return {"name": row.name, "index": row.index, "indexes": row.indexes, "use_ack": row.use_ack}
    raise ValueError(f"there is no token {order.text('name')}")


def _mint_token(desk: Instance, order: Order) -> Any:
    minted = HecToken(order.text("name", "minted"), new_guid(), order.text("index", INDEX))
    minted.use_ack = bool(order.fields.get("use_ack", False))
    desk.memory.hec_tokens.append(minted)
    return {"name": minted.name, "token": minted.token}


def _revoke_token(desk: Instance, order: Order) -> Any:
    """Delete a HEC token by name; the first where none is given."""
    kept = [row for row in desk.memory.hec_tokens if row.name != order.text("name", "first")]
    revoked, desk.memory.hec_tokens = len(desk.memory.hec_tokens) - len(kept), kept
    return {"revoked": revoked}


def _mint_api_token(desk: Instance, order: Order) -> Any:
    indexes = [str(name) for name in order.fields.get("search_indexes", desk.memory.indexes)]
    may_edit = bool(order.fields.get("may_edit_tokens", False))
    minted = ApiToken(order.text("name", "minted"), new_guid(), indexes, may_edit)
    desk.memory.api_tokens.append(minted)
    return {"name": minted.name, "token": minted.token}


def _revoke_api_token(desk: Instance, order: Order) -> Any:
    """Delete a REST API token by name; the reader where none is given."""
    kept = [row for row in desk.memory.api_tokens if row.name != order.text("name", "reader")]
    revoked, desk.memory.api_tokens = len(desk.memory.api_tokens) - len(kept), kept
    return {"revoked": revoked}


def _set_search_indexes(desk: Instance, order: Order) -> Any:
    """Set which indexes the role of a REST API token may search; the reader's where no name is given."""
    for row in desk.memory.api_tokens:
        if row.name == order.text("name", "reader"):
            row.search_indexes = [str(name) for name in order.fields["indexes"]]
            return {"name": row.name, "indexes": row.search_indexes}
    raise ValueError(f"there is no token {order.text('name')}")


def _create_index(desk: Instance, order: Order) -> Any:
    """Create an index that every role may search."""
    desk.memory.indexes.append(order.text("name"))
    for row in desk.memory.api_tokens:
        row.search_indexes = [*row.search_indexes, order.text("name")]
    return {"indexes": desk.memory.indexes}


def _account(desk: Instance, order: Order) -> Any:
    """Show the REST API token that may edit HEC tokens."""
    del order
    return {"manager_token": desk.seed.manager_token}


_SPACES = ("/services", "/servicesNS/{user}/{app}")
_ROUTES = (
    Route("POST", "/services/collector", hec.take_events),
    Route("POST", "/services/collector/event", hec.take_events),
    Route("POST", "/services/collector/event/1.0", hec.take_events),
    Route("POST", "/services/collector/raw", hec.take_raw),
    Route("POST", "/services/collector/raw/1.0", hec.take_raw),
    Route("POST", "/services/collector/ack", hec.show_acks),
    Route("GET", "/services/collector/health", hec.show_health),
    Route("GET", "/services/collector/health/1.0", hec.show_health),
    Route("GET", "/services/server/info", api.show_server),
    Route("GET", "/services/authentication/current-context", api.show_context),
    *(
        Route(method, f"{space}/search/{version}jobs/export", api.export)
        for space in _SPACES
        for version in ("v2/", "")
        for method in ("POST", "GET")
    ),
    *(
        Route(method, f"{space}/data/inputs/http{rest}", handler)
        for space in _SPACES
        for method, rest, handler in (
            ("POST", "", api.create_token),
            ("GET", "", api.list_tokens),
            # A name may hold slashes (http://name), so the verbs at its end stand first.
            ("POST", "/{name:path}/enable", api.enable_token),
            ("POST", "/{name:path}/disable", api.disable_token),
            ("GET", "/{name:path}", api.show_token),
            ("POST", "/{name:path}", api.edit_token),
            ("DELETE", "/{name:path}", api.delete_token),
        )
    ),
)

STAND_IN = StandIn(
    name="splunk",
    seed=seed,
    memory=memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=_ROUTES,
    credentials=_credentials,
    inbox=_inbox,
    actions={
        "set_busy": _set_busy,
        "switch_token": _switch_token,
        "change_token": _change_token,
        "mint_token": _mint_token,
        "revoke_token": _revoke_token,
        "mint_api_token": _mint_api_token,
        "revoke_api_token": _revoke_api_token,
        "set_search_indexes": _set_search_indexes,
        "create_index": _create_index,
        "account": _account,
        "set_peer_down": _set_peer_down,
        "receive_many": receive_many,
    },
    hosts=("*.splunkcloud.com",),
    at_root=True,
    limited=_limited,
)
