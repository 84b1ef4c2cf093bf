"""What an administrator does in Keycloak's console: the control plane's actions. `client` is `application` or `admin`."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.oidc_memory import ENDS_AT, SECOND_ENDS_AT, Client, Realm
from mocks.oidc_secrets import drop_second, regenerate, updated
from mocks.stage import Action, Order


def _switch_policy(desk: Realm, order: Order) -> object:
    """Let the policy apply, or not. Nothing changes for a client until it is updated."""
    policy = desk.memory.policy
    policy.enabled = bool(order.fields.get("on", False))
    policy.expiration_s = int(order.number("expiration_s", policy.expiration_s))
    policy.rotated_expiration_s = int(order.number("rotated_expiration_s", policy.rotated_expiration_s))
    return {
        "on": policy.enabled,
        "expiration_s": policy.expiration_s,
        "rotated_expiration_s": policy.rotated_expiration_s,
    }


def _expire(desk: Realm, order: Order) -> object:
    """Let the first secret, or with `second` the second one, have ended a second ago."""
    name = SECOND_ENDS_AT if order.fields.get("second") else ENDS_AT
    _client(desk, order).attributes[name] = str(int(desk.now()) - 1)
    return {"ended": name}


def _rotate(desk: Realm, order: Order) -> object:
    """Regenerate the secret, as somebody else would."""
    return {"secret": regenerate(desk, _client(desk, order))}


def _invalidate(desk: Realm, order: Order) -> object:
    """Invalidate the second secret."""
    drop_second(_client(desk, order))
    return {}


def _edit(desk: Realm, order: Order) -> object:
    """Save the client as somebody else would: `secret`, `description`, `authorization`, `service_accounts`, `enabled`, `public`."""
    client = _client(desk, order)
    client.secret = order.text("secret", client.secret)
    client.description = order.text("description", client.description)
    for name in ("authorization", "service_accounts", "enabled", "public"):
        setattr(client, name, bool(order.fields.get(name, getattr(client, name))))
    updated(desk, client)
    return {"client_id": client.client_id}


def _delete(desk: Realm, order: Order) -> object:
    desk.memory.clients.remove(_client(desk, order))
    return {}


def _set_roles(desk: Realm, order: Order) -> object:
    """Give the admin client's service account these roles of realm-management, and no others."""
    admin = next(row for row in desk.memory.clients if row.id == desk.seed.admin_uuid)
    admin.roles = [str(role) for role in order.fields.get("roles", [])]
    return {"roles": admin.roles}


def _set_frontend_url(desk: Realm, order: Order) -> object:
    """Let tokens say that they come from another address than the one the client used."""
    desk.memory.frontend_url = order.text("url")
    return {"url": desk.memory.frontend_url}


def _client(desk: Realm, order: Order) -> Client:
    wanted = {"application": desk.seed.client_uuid, "admin": desk.seed.admin_uuid}[order.text("client", "application")]
    return next(row for row in desk.memory.clients if row.id == wanted)


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "switch_policy": _switch_policy,
        "expire": _expire,
        "rotate": _rotate,
        "invalidate": _invalidate,
        "edit": _edit,
        "delete": _delete,
        "set_roles": _set_roles,
        "set_frontend_url": _set_frontend_url,
    }
)
