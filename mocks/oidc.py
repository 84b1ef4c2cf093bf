"""Keycloak's stand-in: one realm with a client that applications use, one that looks after it, and a rotation policy.

Source: https://www.keycloak.org/docs-api/latest/rest-api/index.html, https://www.keycloak.org/docs/latest/server_admin/#_secret_rotation
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.oidc_admin import ROUTES as ADMIN_ROUTES
from mocks.oidc_console import ACTIONS
from mocks.oidc_memory import REALM, Memory, Realm, Seed, new_memory, new_seed
from mocks.oidc_tokens import ROUTES as TOKEN_ROUTES
from mocks.stage import Ask, Route, StandIn


def _credentials(desk: Realm, base_url: str) -> Mapping[str, str]:
    return {
        "OIDC_ISSUER": f"{base_url}/realms/{REALM}",
        "OIDC_CLIENT_ID": desk.seed.client_id,
        "OIDC_CLIENT_SECRET": desk.seed.client_secret,
        "OIDC_ADMIN_CLIENT_ID": desk.seed.admin_client_id,
        "OIDC_ADMIN_CLIENT_SECRET": desk.seed.admin_client_secret,
    }


def _inbox(desk: Realm) -> list[dict[str, Any]]:
    """Return nothing: nobody is told of a token."""
    del desk
    return []


def _no_realm(desk: Realm, ask: Ask) -> Response:
    del desk, ask
    return JSONResponse({"error": "Realm does not exist"}, 404)


def _no_admin_realm(desk: Realm, ask: Ask) -> Response:
    del desk, ask
    return JSONResponse({"error": "Realm not found."}, 404)


STAND_IN = StandIn(
    name="oidc",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        *TOKEN_ROUTES,
        *ADMIN_ROUTES,
        # Of every other realm it is said that there is none.
        Route("POST", "/realms/{realm}/protocol/openid-connect/token", _no_realm),
        Route("GET", "/admin/realms/{realm}/clients", _no_admin_realm),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
)
