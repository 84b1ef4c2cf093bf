"""Sentry's stand-in: ingest, and the part of the web API that reads events back, counts, and keeps client keys.

Traps kept: 200 at ingest is no proof; an event is unknown until it is indexed; only a new issue raises an alert; key
changes reach ingest late; stats include their end.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from mocks.sentry_console import ACTIONS
from mocks.sentry_ingest import limited_ingest, region_of, take_envelope, take_store
from mocks.sentry_memory import (
    ClientKey,
    Event,
    Issue,
    Memory,
    Project,
    Seed,
    SentryDesk,
    new_client_key,
    new_memory,
    new_seed,
    set_active,
)
from mocks.sentry_stats import stats
from mocks.stage import Ask, Refused, Route, StandIn

API_CALLS_PER_WINDOW = 40
WINDOW_S = 1
_STATUSES = ("resolved", "unresolved", "ignored", "resolvedInNextRelease")


def _get_event(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/events/retrieve-an-event-for-a-project/."""
    project = _project(desk, ask)
    event = _event(desk, ask)
    if event.project_id != project.project_id:
        raise _missing("Event not found")
    return JSONResponse(_written_event(event))


def _resolve_event_id(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/organizations/resolve-an-event-id/."""
    event = _event(desk, ask)
    slug = desk.memory.projects[event.project_id].slug
    return JSONResponse(
        {"organizationSlug": desk.seed.organization, "projectSlug": slug, "groupId": event.issue_id,
         "eventId": event.event_id, "event": _written_event(event)}
    )  # fmt: skip


def _list_issues(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/events/list-a-projects-issues/."""
    project = _project(desk, ask)
    wanted = ask.query.get("query", "is:unresolved").removeprefix("is:")
    found = [
        _written_issue(desk, issue)
        for issue in desk.memory.issues.values()
        if issue.project_id == project.project_id and issue.visible_at <= desk.now() and wanted in {"", issue.status}
    ]
    return JSONResponse(found)


def _get_issue(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/events/retrieve-an-issue/."""
    return JSONResponse(_written_issue(desk, _issue(desk, ask)))


def _put_issue(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/events/update-an-issue/."""
    issue, status = _issue(desk, ask), ask.fields().get("status", "")
    if status not in _STATUSES:
        raise Refused(JSONResponse({"status": [f'"{status}" is not a valid choice.']}, 400))
    issue.status = status
    return JSONResponse(_written_issue(desk, issue))


def _delete_issue(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/events/remove-an-issue/."""
    issue = _issue(desk, ask)
    del desk.memory.issues[issue.issue_id]
    for event_id in [e.event_id for e in desk.memory.events.values() if e.issue_id == issue.issue_id]:
        del desk.memory.events[event_id]
    return Response(status_code=202)


def _list_keys(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/list-a-projects-client-keys/."""
    project = _project(desk, ask)
    keys = [key for key in desk.memory.keys.values() if key.project_id == project.project_id and not key.deleted]
    return JSONResponse([_written_key(ask, key) for key in keys])


def _post_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/create-a-new-client-key/."""
    project = _project(desk, ask)
    key = new_client_key(project.project_id, str(ask.fields().get("name") or "Unnamed"), desk.now())
    desk.memory.keys[key.key_id] = key
    return JSONResponse(_written_key(ask, key), 201)


def _get_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/retrieve-a-client-key/."""
    return JSONResponse(_written_key(ask, _key(desk, ask)))


def _put_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/update-a-client-key/."""
    key, wanted = _key(desk, ask), ask.fields()
    key.name = str(wanted.get("name") or key.name)
    set_active(desk, key, active=bool(wanted.get("isActive", key.active)))
    return JSONResponse(_written_key(ask, key))


def _delete_key(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/delete-a-client-key/."""
    key = _key(desk, ask)
    set_active(desk, key, active=False)
    key.deleted = True
    return Response(status_code=204)


def _get_stats(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/organizations/retrieve-event-counts-for-an-organization-v2/."""
    return JSONResponse(stats(ask, desk.memory.outcomes, desk.now()))


def _get_organization(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/organizations/retrieve-an-organization/."""
    del ask
    return JSONResponse({"id": desk.seed.organization_id, "slug": desk.seed.organization})


def _get_project(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/retrieve-a-project/."""
    project = _project(desk, ask)
    status = "active" if project.enabled else "disabled"
    return JSONResponse({"id": project.project_id, "slug": project.slug, "status": status})


def _event(desk: SentryDesk, ask: Ask) -> Event:
    event = desk.memory.events.get(ask.ids["event"].replace("-", "").lower())
    if event is None or event.visible_at > desk.now():
        raise _missing("Event not found")
    return event


def _issue(desk: SentryDesk, ask: Ask) -> Issue:
    issue = desk.memory.issues.get(ask.ids["issue"])
    if issue is None or issue.visible_at > desk.now():
        raise _missing("The requested resource does not exist")
    return issue


def _project(desk: SentryDesk, ask: Ask) -> Project:
    wanted = ask.ids["project"]
    project = next((p for p in desk.memory.projects.values() if wanted in {p.slug, p.project_id}), None)
    if project is None:
        raise _missing("The requested resource does not exist")
    return project


def _key(desk: SentryDesk, ask: Ask) -> ClientKey:
    project = _project(desk, ask)
    key = desk.memory.keys.get(ask.ids["key"])
    if key is None or key.deleted or key.project_id != project.project_id:
        raise _missing("The requested resource does not exist")
    return key


def _written_event(event: Event) -> dict[str, Any]:
    tags = event.payload.get("tags") or {}
    pairs = tags.items() if isinstance(tags, dict) else [tuple(pair) for pair in tags]
    return {
        "id": event.event_id, "eventID": event.event_id, "groupID": event.issue_id, "projectID": event.project_id,
        "title": event.title, "message": event.title, "type": "error" if event.payload.get("exception") else "default",
        "dateCreated": _iso(event.at), "dateReceived": _iso(event.at),
        "tags": [{"key": str(key), "value": str(value)} for key, value in pairs],
    }  # fmt: skip


def _written_issue(desk: SentryDesk, issue: Issue) -> dict[str, Any]:
    project = desk.memory.projects[issue.project_id]
    return {
        "id": issue.issue_id, "shortId": issue.short_id, "title": issue.title, "status": issue.status,
        "count": str(issue.count), "firstSeen": _iso(issue.first_seen), "lastSeen": _iso(issue.last_seen),
        "project": {"id": project.project_id, "slug": project.slug},
    }  # fmt: skip


def _written_key(ask: Ask, key: ClientKey) -> dict[str, Any]:
    dsn = _dsn(key.public, key.project_id, ask.base_url)
    return {
        "id": key.key_id, "name": key.name, "label": key.name, "public": key.public, "secret": key.secret,
        "projectId": int(key.project_id), "isActive": key.active, "rateLimit": None,
        "dsn": {"public": dsn, "secret": dsn.replace("@", f":{key.secret}@", 1)}, "dateCreated": _iso(key.created_at),
    }  # fmt: skip


def _dsn(public_key: str, project_id: str, base_url: str) -> str:
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{public_key}@{parts.netloc}{parts.path}/{project_id}"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _missing(detail: str) -> Refused:
    return Refused(JSONResponse({"detail": detail}, 404))


def _api(method: str, path: str, scopes: tuple[str, ...], answer: Callable[[SentryDesk, Ask], Response]) -> Route:
    """Return a route of the web API that checks token, scope (any of these) and organisation first."""

    def authorised(desk: SentryDesk, ask: Ask) -> Response:
        granted = desk.memory.tokens.get(ask.authorization("Bearer"))
        if granted is None or region_of(ask) != desk.memory.region:
            detail = (
                "Invalid token" if ask.headers.get("authorization") else "Authentication credentials were not provided."
            )
            raise Refused(JSONResponse({"detail": detail}, 401))
        if ask.ids.get("organization") not in {desk.seed.organization, desk.seed.organization_id}:
            raise _missing("The requested resource does not exist")
        if not set(scopes) & set(granted):
            raise Refused(JSONResponse({"detail": "You do not have permission to perform this action."}, 403))
        return answer(desk, ask)

    return Route(method, path, authorised)


def _limited(ask: Ask, seconds: int) -> Response:
    if not ask.path.startswith("/api/0/"):
        return limited_ingest(seconds)
    detail = "You are attempting to use this endpoint too frequently."
    return JSONResponse({"detail": detail}, 429, {"x-sentry-rate-limit-reset": str(int(ask.at) + seconds)})


def _rate_headers(desk: SentryDesk, ask: Ask, response: Response) -> dict[str, str]:
    """Return the web API's headers; the reset is an epoch second. Source: https://docs.sentry.io/api/ratelimits/."""
    if not ask.path.startswith("/api/0/"):
        return {}
    limited = response.status_code == 429  # noqa: PLR2004 - too many requests
    return {
        "x-sentry-rate-limit-limit": str(API_CALLS_PER_WINDOW),
        "x-sentry-rate-limit-remaining": "0" if limited else str(API_CALLS_PER_WINDOW - 1),
        "x-sentry-rate-limit-reset": str(int(desk.now()) + WINDOW_S),
        "x-sentry-rate-limit-concurrentlimit": "25",
        "x-sentry-rate-limit-concurrentremaining": "24",
    }


def _credentials(desk: SentryDesk, base_url: str) -> Mapping[str, str]:
    return {
        "SENTRY_DSN": _dsn(desk.seed.public_key, desk.seed.project_id, base_url),
        "SENTRY_AUTH_TOKEN": desk.seed.auth_token,
        "SENTRY_ORG": desk.seed.organization,
        "SENTRY_PROJECT": desk.seed.project,
    }


def _inbox(desk: SentryDesk) -> list[dict[str, Any]]:
    """The issue list, each issue with its latest event, as its page shows it."""
    latest = {event.issue_id: event for event in desk.memory.events.values() if event.visible_at <= desk.now()}
    return [
        {"text": issue.title, "at": issue.first_seen, "where": desk.memory.projects[issue.project_id].slug,
         "acknowledged": issue.status != "unresolved", "status": issue.status, "id": issue.issue_id,
         "latest_event": {"id": latest[issue.issue_id].event_id, "title": latest[issue.issue_id].title}
         if issue.issue_id in latest else None}
        for issue in desk.memory.issues.values()
        if issue.visible_at <= desk.now()
    ]  # fmt: skip


_PROJECT = "/api/0/projects/{organization}/{project}"
_ORGANIZATION = "/api/0/organizations/{organization}"
_READ_PROJECT = ("project:read", "project:write", "project:admin")
_READ_EVENTS = ("event:read", "event:write", "event:admin")

STAND_IN = StandIn(
    name="sentry",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("POST", "/api/{project}/envelope/", take_envelope),
        Route("POST", "/api/{project}/store/", take_store),
        _api("GET", _PROJECT + "/", _READ_PROJECT, _get_project),
        _api("GET", _PROJECT + "/events/{event}/", _READ_PROJECT, _get_event),
        _api("GET", _PROJECT + "/issues/", _READ_EVENTS, _list_issues),
        _api("GET", _PROJECT + "/keys/", _READ_PROJECT, _list_keys),
        _api("POST", _PROJECT + "/keys/", ("project:write", "project:admin"), _post_key),
        _api("GET", _PROJECT + "/keys/{key}/", _READ_PROJECT, _get_key),
        _api("PUT", _PROJECT + "/keys/{key}/", ("project:write", "project:admin"), _put_key),
        _api("DELETE", _PROJECT + "/keys/{key}/", ("project:admin",), _delete_key),
        _api("GET", _ORGANIZATION + "/", ("org:read",), _get_organization),
        _api("GET", _ORGANIZATION + "/eventids/{event}/", ("org:read",), _resolve_event_id),
        _api("GET", _ORGANIZATION + "/stats_v2/", ("org:read",), _get_stats),
        _api("GET", _ORGANIZATION + "/issues/{issue}/", _READ_EVENTS, _get_issue),
        _api("PUT", _ORGANIZATION + "/issues/{issue}/", ("event:write", "event:admin"), _put_issue),
        _api("DELETE", _ORGANIZATION + "/issues/{issue}/", ("event:admin",), _delete_issue),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=(
        "sentry.io",
        "us.sentry.io",
        "de.sentry.io",
        "*.ingest.sentry.io",
        "*.ingest.us.sentry.io",
        "*.ingest.de.sentry.io",
    ),
    limited=_limited,
    headers=_rate_headers,
)
