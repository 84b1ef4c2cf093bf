"""A project's client keys in Sentry's web API: listed page by page, made, disabled and enabled, deleted.

Traps kept: a name need not be free, an id is the DSN's public key, the next page stands in the Link header.
Source: https://docs.sentry.io/api/projects/, https://docs.sentry.io/api/pagination/
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from mocks.sentry_memory import (
    API_CALLS_PER_WINDOW,
    WINDOW_S,
    ClientKey,
    Project,
    SentryDesk,
    new_client_key,
    set_active,
)
from mocks.stage import Ask, Refused

DEFAULT_PAGE = 10
MAX_PAGE = 100
MAX_NAME = 64


def list_keys(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/list-a-projects-client-keys/; the newest first."""
    project = project_of(desk, ask)
    _spend(desk, ask, "list_keys")
    keys = [
        key
        for key in reversed(desk.memory.keys.values())
        if key.project_id == project.project_id and not key.deleted and desk.listed(key.created_at)
    ]
    size = min(MAX_PAGE, _number(ask.query.get("per_page", str(DEFAULT_PAGE))))
    start = _number(ask.query.get("cursor", "0:0:0").partition(":")[2].partition(":")[0])
    rows = [_written_key(ask, key) for key in keys[start : start + size]]
    return JSONResponse(rows, headers={"link": _links(ask, start, size, len(keys))})


def create_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/create-a-new-client-key/."""
    project = project_of(desk, ask)
    _spend(desk, ask, "create_key")
    name = str(ask.fields().get("name") or "Unnamed")
    if len(name) > MAX_NAME:
        raise Refused(JSONResponse({"name": [f"Ensure this field has no more than {MAX_NAME} characters."]}, 400))
    key = new_client_key(project.project_id, name, desk.now())
    desk.memory.keys[key.key_id] = key
    return JSONResponse(_written_key(ask, key), 201)


def show_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/retrieve-a-client-key/."""
    return JSONResponse(_written_key(ask, _key(desk, ask)))


def change_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/update-a-client-key/."""
    key, wanted = _key(desk, ask), ask.fields()
    key.name = str(wanted.get("name") or key.name)
    set_active(desk, key, active=bool(wanted.get("isActive", key.active)))
    return JSONResponse(_written_key(ask, key))


def delete_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/delete-a-client-key/."""
    key = _key(desk, ask)
    set_active(desk, key, active=False)
    key.deleted = True
    return Response(status_code=204)


def project_of(desk: SentryDesk, ask: Ask) -> Project:
    wanted = ask.ids["project"]
    project = next((p for p in desk.memory.projects.values() if wanted in {p.slug, p.project_id}), None)
    if project is None:
        raise missing("The requested resource does not exist")
    return project


def dsn_of(public_key: str, project_id: str, base_url: str) -> str:
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{public_key}@{parts.netloc}{parts.path}/{project_id}"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def missing(detail: str) -> Refused:
    return Refused(JSONResponse({"detail": detail}, 404))


def limited_api(ask: Ask, seconds: int) -> Response:
    """Source: https://docs.sentry.io/api/ratelimits/."""
    detail = "You are attempting to use this endpoint too frequently."
    return JSONResponse({"detail": detail}, 429, {"x-sentry-rate-limit-reset": str(int(ask.at) + seconds)})


def _spend(desk: SentryDesk, ask: Ask, endpoint: str) -> None:
    """Count one call of the endpoint's window.

    Raises:
        Refused: 429 when the window holds as many as it may.
    """
    calls = [at for at in desk.memory.api_calls.get(endpoint, []) if at > desk.now() - WINDOW_S]
    if len(calls) >= API_CALLS_PER_WINDOW:
        raise Refused(limited_api(ask, WINDOW_S))
    desk.memory.api_calls[endpoint] = [*calls, desk.now()]


def _key(desk: SentryDesk, ask: Ask) -> ClientKey:
    project = project_of(desk, ask)
    key = desk.memory.keys.get(ask.ids["key"])
    if key is None or key.deleted or key.project_id != project.project_id:
        raise missing("The requested resource does not exist")
    return key


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Refused(JSONResponse({"detail": "Invalid cursor parameter."}, 400))
    return int(text)


def _links(ask: Ask, start: int, size: int, total: int) -> str:
    """Return both directions; `results` says whether there is anything. Source: https://docs.sentry.io/api/pagination/."""
    url = f"{ask.base_url}{ask.path}?cursor="
    before, after = max(0, start - size), start + size
    return ", ".join(
        f'<{url}0:{cursor}:{back}>; rel="{name}"; results="{str(there).lower()}"; cursor="0:{cursor}:{back}"'
        for name, cursor, back, there in (("previous", before, 1, start > 0), ("next", after, 0, after < total))
    )


def _written_key(ask: Ask, key: ClientKey) -> dict[str, Any]:
    dsn = dsn_of(key.public, key.project_id, ask.base_url)
    return {
        "id": key.key_id, "name": key.name, "label": key.name, "public": key.public, "secret": key.secret,
        "projectId": int(key.project_id), "isActive": key.active, "rateLimit": None,
        "dsn": {"public": dsn, "secret": dsn.replace("@", f":{key.secret}@", 1)}, "dateCreated": iso(key.created_at),
    }  # fmt: skip
