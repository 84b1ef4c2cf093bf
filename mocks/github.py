"""GitHub's stand-in: one app as it sees itself, its webhook, and one repository in which it is installed.

Source: https://docs.github.com/en/rest/apps, https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.github_callers import as_app, with_a_name
from mocks.github_console import ACTIONS
from mocks.github_hook import ROUTES as HOOK_ROUTES
from mocks.github_memory import OWNER, GitHub, Memory, Seed, new_memory, new_seed
from mocks.github_repository import ROUTES as REPOSITORY_ROUTES
from mocks.stage import Ask, Route, StandIn

_CALLS_PER_HOUR = 5000
_HOUR_S = 3600


def _show_app(desk: GitHub, ask: Ask) -> Response:
    """Source: https://docs.github.com/en/rest/apps/apps#get-the-authenticated-app."""
    del ask
    return JSONResponse(
        {
            "id": int(desk.seed.app_id),
            "client_id": desk.seed.client_id,
            "slug": "stand-in",
            "name": "stand-in",
            "owner": {"login": OWNER},
            "html_url": "https://github.com/apps/stand-in",
            "permissions": desk.memory.granted,
            "events": ["issues"],
            "installations_count": 1,
        }
    )


def _show_rate_limit(desk: GitHub, ask: Ask) -> Response:
    """Answer anybody; this costs nothing of the limit. Source: https://docs.github.com/en/rest/rate-limit."""
    del ask
    core = {"limit": 60, "remaining": 60, "used": 0, "reset": int(desk.now()) + _HOUR_S}
    return JSONResponse({"resources": {"core": core}, "rate": core})


def _rate_headers(desk: GitHub, ask: Ask, response: Response) -> Mapping[str, str]:
    del ask, response
    return {
        "x-ratelimit-limit": str(_CALLS_PER_HOUR),
        "x-ratelimit-remaining": str(_CALLS_PER_HOUR - 1),
        "x-ratelimit-used": "1",
        "x-ratelimit-reset": str(int(desk.now()) + _HOUR_S),
        "x-ratelimit-resource": "core",
    }


def _limited(ask: Ask, seconds: int) -> Response:
    """Answer as over the secondary limit, with the status that many clients take for a missing permission."""
    del ask
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    return JSONResponse({"message": message}, 403, {"retry-after": str(seconds)})


def _credentials(desk: GitHub, base_url: str) -> Mapping[str, str]:
    del base_url
    return {
        "GITHUB_APP_PRIVATE_KEY": desk.seed.private_key,
        "GITHUB_APP_ID": desk.seed.app_id,
        "GITHUB_INSTALLATION_ID": desk.seed.installation_id,
        "GITHUB_WEBHOOK_SECRET": desk.seed.webhook_secret,
    }


def _inbox(desk: GitHub) -> list[dict[str, Any]]:
    """Return what the app's page shows under Advanced > Recent deliveries."""
    return [
        {"text": f"{row.event}.{row.action} {row.guid}: {row.status_code} {row.status}", "at": row.at, "where": "recent deliveries", "acknowledged": False}
        for row in desk.memory.deliveries
    ]  # fmt: skip


STAND_IN = StandIn(
    name="github",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("GET", "/app", as_app(_show_app)),
        Route("GET", "/rate_limit", with_a_name(_show_rate_limit)),
        *HOOK_ROUTES,
        *REPOSITORY_ROUTES,
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=("api.github.com",),
    request_id_header="x-github-request-id",
    limited=_limited,
    headers=_rate_headers,
)
