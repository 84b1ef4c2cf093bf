"""Keycloak's Admin REST API, as far as clients and their secrets go, for the service account of a client.

Traps kept: a client is named by its uuid; an update that leaves authorizationServicesEnabled out switches them off; who may
only view clients sees a mask in place of secrets.
Source: https://www.keycloak.org/docs-api/latest/rest-api/index.html#_clients,
services/src/main/java/org/keycloak/services/resources/admin/ClientResource.java of keycloak/keycloak
"""

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.oidc_memory import MASK, REALM, SECOND, Client, Realm, client_named
from mocks.oidc_secrets import drop_second, has_second, regenerate, updated
from mocks.oidc_tokens import caller_of
from mocks.stage import Ask, Refused, Route

_ADMIN = f"/admin/realms/{REALM}/clients"
_FIELDS = {
    "enabled": "enabled", "publicClient": "public", "serviceAccountsEnabled": "service_accounts",
    "description": "description", "redirectUris": "redirect_uris", "clientId": "client_id",
}  # fmt: skip


def _allowed(answer: Callable[[Realm, Ask, Client], Response], role: str) -> Callable[[Realm, Ask], Response]:
    """Return a handler that first looks who asks, whether they may, and which client is meant."""

    def handle(desk: Realm, ask: Ask) -> Response:
        _require(desk, ask, role)
        found = next((row for row in desk.memory.clients if row.id == ask.ids["uuid"]), None)
        if found is None:
            raise Refused(JSONResponse({"error": "Could not find client"}, 404))
        return answer(desk, ask, found)

    return handle


def _require(desk: Realm, ask: Ask, role: str) -> Client:
    caller = caller_of(desk, ask)
    if caller is None:
        raise Refused(JSONResponse({"error": "HTTP 401 Unauthorized"}, 401))
    # Who manages may view as well: the one role is composed of the other.
    if role not in caller.roles and "manage-clients" not in caller.roles:
        raise Refused(JSONResponse({"error": "HTTP 403 Forbidden"}, 403))
    return caller


def _list_clients(desk: Realm, ask: Ask) -> Response:
    """Source: #_get_adminrealmsrealmclients; clientId is compared as a whole."""
    caller, wanted = _require(desk, ask, "view-clients"), ask.query.get("clientId", "")
    found = [row for row in desk.memory.clients if not wanted or row.client_id == wanted]
    return JSONResponse([_represented(row, caller) for row in found])


def _show_client(desk: Realm, ask: Ask, client: Client) -> Response:
    return JSONResponse(_represented(client, _require(desk, ask, "view-clients")))


def _update_client(desk: Realm, ask: Ask, client: Client) -> Response:
    """Source: #_put_adminrealmsrealmclientsclient_uuid. What is left out stays, with one exception."""
    said = ask.fields()
    taken = client_named(desk, str(said.get("clientId") or client.client_id))
    if taken is not None and taken is not client:
        return JSONResponse({"errorMessage": "Client already exists"}, 409)
    for theirs, ours in _FIELDS.items():
        if said.get(theirs) is not None:
            setattr(client, ours, said[theirs])
    client.authorization = said.get("authorizationServicesEnabled") is True
    if said.get("secret") is not None:
        client.secret = str(said["secret"])
    for name, value in (said.get("attributes") or {}).items():
        if str(value or "").strip():
            client.attributes[name] = str(value)
        else:
            client.attributes.pop(name, None)
    updated(desk, client)
    return Response(status_code=204)


def _show_secret(desk: Realm, ask: Ask, client: Client) -> Response:
    del desk, ask
    return JSONResponse({"type": "secret", "value": client.secret})


def _regenerate_secret(desk: Realm, ask: Ask, client: Client) -> Response:
    """Source: #_post_adminrealmsrealmclientsclient_uuidclient_secret."""
    del ask
    return JSONResponse({"type": "secret", "value": regenerate(desk, client)})


def _show_second(desk: Realm, ask: Ask, client: Client) -> Response:
    """Source: #_get_adminrealmsrealmclientsclient_uuidclient_secretrotated."""
    del desk, ask
    if not has_second(client):
        return JSONResponse({"error": "Client does not have a rotated secret"}, 404)
    return JSONResponse({"type": "secret", "value": client.attributes[SECOND]})


def _delete_second(desk: Realm, ask: Ask, client: Client) -> Response:
    """Source: #_delete_adminrealmsrealmclientsclient_uuidclient_secretrotated; one that is not there is no error."""
    del desk, ask
    drop_second(client)
    return Response(status_code=204)


def _represented(client: Client, caller: Client) -> dict[str, Any]:
    manages = "manage-clients" in caller.roles
    attributes = dict(client.attributes)
    if not manages and SECOND in attributes:
        attributes[SECOND] = MASK
    return {
        "id": client.id, "clientId": client.client_id, "enabled": client.enabled, "description": client.description,
        "clientAuthenticatorType": "client-secret", "publicClient": client.public, "bearerOnly": False,
        "serviceAccountsEnabled": client.service_accounts, "protocol": "openid-connect",
        "redirectUris": client.redirect_uris, "attributes": attributes,
        **({} if client.public else {"secret": client.secret if manages else MASK}),
        **({"authorizationServicesEnabled": True} if client.authorization else {}),
        "access": {"view": True, "configure": manages, "manage": manages},
    }  # fmt: skip


ROUTES = (
    Route("GET", _ADMIN, _list_clients),
    Route("GET", f"{_ADMIN}/{{uuid}}", _allowed(_show_client, "view-clients")),
    Route("PUT", f"{_ADMIN}/{{uuid}}", _allowed(_update_client, "manage-clients")),
    Route("GET", f"{_ADMIN}/{{uuid}}/client-secret", _allowed(_show_secret, "manage-clients")),
    Route("POST", f"{_ADMIN}/{{uuid}}/client-secret", _allowed(_regenerate_secret, "manage-clients")),
    Route("GET", f"{_ADMIN}/{{uuid}}/client-secret/rotated", _allowed(_show_second, "manage-clients")),
    Route("DELETE", f"{_ADMIN}/{{uuid}}/client-secret/rotated", _allowed(_delete_second, "manage-clients")),
)
