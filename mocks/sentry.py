"""Sentry's stand-in: ingest, and the part of the web API that reads events back, counts, and keeps client keys.

Traps kept: 200 at ingest is no proof; an event is unknown until it is indexed; only a new issue raises an alert; key
changes reach ingest late; stats include their end.
"""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.sentry_console import ACTIONS
from mocks.sentry_discover import list_events
from mocks.sentry_ingest import limited_ingest, region_of, take_envelope, take_store
from mocks.sentry_keys import (
    change_key,
    create_key,
    delete_key,
    dsn_of,
    iso,
    limited_api,
    list_keys,
    missing,
    project_of,
    show_key,
)
from mocks.sentry_memory import (
    API_CALLS_PER_WINDOW,
    WINDOW_S,
    Event,
    Issue,
    Memory,
    Seed,
    SentryDesk,
    new_memory,
    new_seed,
)
from mocks.sentry_stats import stats
from mocks.stage import Ask, Refused, Route, StandIn

_STATUSES = ("resolved", "unresolved", "ignored", "resolvedInNextRelease")


def _get_event(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/events/retrieve-an-event-for-a-project/."""
    project = project_of(desk, ask)
    event = _event(desk, ask)
    if event.project_id != project.project_id:
        raise missing("Event not found")
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
    project = project_of(desk, ask)
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


def _get_stats(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/organizations/retrieve-event-counts-for-an-organization-v2/."""
    return JSONResponse(stats(ask, desk.memory.outcomes, desk.now()))


def _get_organization(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/organizations/retrieve-an-organization/."""
    del ask
    return JSONResponse({"id": desk.seed.organization_id, "slug": desk.seed.organization})


def _get_project(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/projects/retrieve-a-project/."""
    project = project_of(desk, ask)
    status = "active" if project.enabled else "disabled"
    return JSONResponse({"id": project.project_id, "slug": project.slug, "status": status})


def _event(desk: SentryDesk, ask: Ask) -> Event:
    event = desk.memory.events.get(ask.ids["event"].replace("-", "").lower())
    if event is None or event.visible_at > desk.now():
        raise missing("Event not found")
    return event


def _issue(desk: SentryDesk, ask: Ask) -> Issue:
    issue = desk.memory.issues.get(ask.ids["issue"])
    if issue is None or issue.visible_at > desk.now():
        raise missing("The requested resource does not exist")
    return issue


def _written_event(event: Event) -> dict[str, Any]:
    tags = event.payload.get("tags") or {}
    pairs = tags.items() if isinstance(tags, dict) else [tuple(pair) for pair in tags]
    return {
        "id": event.event_id, "eventID": event.event_id, "groupID": event.issue_id, "projectID": event.project_id,
        "title": event.title, "message": event.title, "type": "error" if event.payload.get("exception") else "default",
        "dateCreated": iso(event.at), "dateReceived": iso(event.at),
        "tags": [{"key": str(key), "value": str(value)} for key, value in pairs],
    }  # fmt: skip


def _written_issue(desk: SentryDesk, issue: Issue) -> dict[str, Any]:
    project = desk.memory.projects[issue.project_id]
    return {
        "id": issue.issue_id, "shortId": issue.short_id, "title": issue.title, "status": issue.status,
        "count": str(issue.count), "firstSeen": iso(issue.first_seen), "lastSeen": iso(issue.last_seen),
        "project": {"id": project.project_id, "slug": project.slug},
    }  # fmt: skip


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
            raise missing("The requested resource does not exist")
        if not set(scopes) & set(granted):
            raise Refused(JSONResponse({"detail": "You do not have permission to perform this action."}, 403))
        return answer(desk, ask)

    return Route(method, path, authorised)


def _limited(ask: Ask, seconds: int) -> Response:
    if not ask.path.startswith("/api/0/"):
        return limited_ingest(seconds)
    return limited_api(ask, seconds)


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
        "SENTRY_DSN": dsn_of(desk.seed.public_key, desk.seed.project_id, base_url),
        "SENTRY_AUTH_TOKEN": desk.seed.auth_token,
        "SENTRY_ORG": desk.seed.organization,
        "SENTRY_PROJECT": desk.seed.project,
        "SENTRY_MANAGE_TOKEN": desk.seed.manage_token,
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
        _api("GET", _PROJECT + "/keys/", _READ_PROJECT, list_keys),
        _api("POST", _PROJECT + "/keys/", ("project:write", "project:admin"), create_key),
        _api("GET", _PROJECT + "/keys/{key}/", _READ_PROJECT, show_key),
        _api("PUT", _PROJECT + "/keys/{key}/", ("project:write", "project:admin"), change_key),
        _api("DELETE", _PROJECT + "/keys/{key}/", ("project:admin",), delete_key),
        _api("GET", _ORGANIZATION + "/", ("org:read",), _get_organization),
        _api("GET", _ORGANIZATION + "/eventids/{event}/", ("org:read",), _resolve_event_id),
        _api("GET", _ORGANIZATION + "/events/", ("org:read",), list_events),
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
