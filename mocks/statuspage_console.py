"""What an account owner does in Statuspage's console, under API info: the control plane's actions."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from mocks.stage import Action, Order
from mocks.statuspage_memory import ApiKey, Page, new_id, new_key
from mocks.statuspage_received import receive_many

LONGEST_LIFE_DAYS = 365


def _mint_api_key(desk: Page, order: Order) -> object:
    """Make a key that lives for so many `days`, 1 to 365."""
    days = order.number("days", LONGEST_LIFE_DAYS)
    if not 1 <= days <= LONGEST_LIFE_DAYS:
        raise ValueError(f"days are 1 to {LONGEST_LIFE_DAYS}")
    expires_at = desk.now() + timedelta(days=days).total_seconds()
    minted = ApiKey(new_id(), order.text("name", "minted"), new_key(), expires_at=expires_at)
    desk.memory.keys.append(minted)
    return {"id": minted.id, "name": minted.name, "api_key": minted.key}


def _revoke_api_key(desk: Page, order: Order) -> object:
    """Delete a key by `api_key` or `id`; the first where neither is given."""
    by_value, by_id = order.text("api_key"), order.text("id")
    wanted = by_id or ("" if by_value else desk.seed.key_id)
    kept = [row for row in desk.memory.keys if row.id != wanted and row.key != by_value]
    revoked, desk.memory.keys = len(desk.memory.keys) - len(kept), kept
    return {"revoked": revoked}


def _set_access(desk: Page, order: Order) -> object:
    """Let the first key touch the page, or not: 403."""
    for row in desk.memory.keys:
        if row.id == desk.seed.key_id:
            row.allowed = bool(order.fields.get("allowed", False))
    return {"allowed": [row.id for row in desk.memory.keys if row.allowed]}


def _keep_incidents(desk: Page, order: Order) -> object:
    """Refuse to delete incidents, or allow it again."""
    desk.memory.keeps_incidents = bool(order.fields.get("on", True))
    return {"on": desk.memory.keeps_incidents}


def _set_rate_limit(desk: Page, order: Order) -> object:
    """Allow so many `calls` in 60 seconds for each key (0: as many as you like), and answer `status` above that."""
    desk.memory.calls_per_window = int(order.number("calls", desk.memory.calls_per_window))
    desk.memory.over_limit = int(order.number("status", desk.memory.over_limit))
    return {"calls": desk.memory.calls_per_window, "status": desk.memory.over_limit}


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "mint_api_key": _mint_api_key,
        "revoke_api_key": _revoke_api_key,
        "set_access": _set_access,
        "keep_incidents": _keep_incidents,
        "set_rate_limit": _set_rate_limit,
        "receive_many": receive_many,
    }
)
