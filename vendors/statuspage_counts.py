"""Statuspage counts nothing: what was posted to the page is counted from its list of incidents, update by update.

An old incident may have a new update, so the list is read to its end, 100 incidents at a time. Its pages are numbered: one
that is posted or deleted meanwhile moves the others, so the first page is looked at once more at the end.
Source: https://developer.statuspage.io/#operation/getPagesPageIdIncidents
"""

import json
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from domain.diagnosis import Kind, Signature
from domain.errors import BadInput, OpsError, Unavailable
from domain.event_counts import NOT_SPLIT, Clock, Count, Fate, Page, Unit
from domain.exchanges import Effect
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, Window, day_window
from vendors.answers import iso_moment
from vendors.count_rows import hour_of, our_type, our_types, part_of_hour
from vendors.counting import Counting
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.statuspage import API, PUBLISHED_HOSTS, SIGNATURES

PAGE_INCIDENTS = 100
# The name of an incident that vendors/statuspage.py posts; where it cannot be deleted it stays on the page.
_PROBE = "verify=true"
_COUNTING = frozenset({"list_incidents", "look_again"})

COUNT_SIGNATURES = (
    Signature("statuspage.counts_page_not_found", frozenset({404}), Kind.REJECTED, "Statuspage answered {status} to {verb}.", "STATUSPAGE_PAGE_ID names no page that the key's organisation has.", "Compare STATUSPAGE_PAGE_ID with the page ids under the avatar > API info.", "", _COUNTING),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Which page is next; the ids of the first page and of the one before, by which a moved list is known."""

    number: int = 1
    first: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    is_end: bool = False

    @classmethod
    def read(cls, cursor: str) -> "_Place":
        if not cursor:
            return cls()
        said = json.loads(cursor)
        return cls(said["number"], tuple(said["first"]), tuple(said["before"]), said["is_end"])

    def written(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class StatuspageCounter:
    """Reads the incidents of one page."""

    api_key: str = field(repr=False)
    page_id: str
    api: str
    section: ReceivedSection
    wire: Wire

    def page(self, window: Window, cursor: str) -> Page:
        place = _Place.read(cursor)
        return self.look_again(window, place) if place.is_end else self.list_incidents(window, place)

    def close(self) -> None:
        self.wire.close()

    def list_incidents(self, window: Window, place: _Place) -> Page:
        """Return the updates of one page of incidents that were posted within the window, by hour."""
        incidents = self._incidents("list_incidents", place.number)
        ids = tuple(str(incident.get("id")) for incident in incidents)
        if set(ids) & set(place.before):
            raise _moved(window)
        is_end = len(ids) < PAGE_INCIDENTS
        following = _Place(place.number + 1, place.first or ids, ids, is_end)
        return Page(tuple(_by_hour(self._updates(incidents, window), window)), cursor=following.written())

    def look_again(self, window: Window, place: _Place) -> Page:
        """Return a 0 for every day of the window, once the first page is the one that it was.

        Raises:
            Unavailable: an incident was posted or deleted meanwhile.
        """
        ids = tuple(str(incident.get("id")) for incident in self._incidents("look_again", 1))
        if ids != place.first:
            raise _moved(window)
        days = filter(None, (day_window(day).overlap(window) for day in window.days()))
        return Page(tuple(Count(day.start, day.span, NOT_SPLIT, Fate.ACCEPTED, 0) for day in days))

    def _updates(self, incidents: list[dict[str, Any]], window: Window) -> Iterator[tuple[datetime, str, bool]]:
        """Yield the time, the type and whether it is a probe of each update within the window."""
        types = our_types(self.section)
        for incident in incidents:
            is_probe = _PROBE in str(incident.get("name", ""))
            for update in _rows(incident.get("incident_updates")):
                at = iso_moment(update.get("created_at"))
                if at is None:
                    raise _unreadable(window)
                if window.start <= at < window.end:
                    kind = _TYPES[self.section.type_field](incident, update)
                    yield at.astimezone(UTC), our_type(types, kind) if kind else NOT_SPLIT, is_probe

    def _incidents(self, verb: str, number: int) -> list[dict[str, Any]]:
        # Which number the first page has is not documented, so it is left out there.
        asked = {"limit": PAGE_INCIDENTS, **({"page": number} if number > 1 else {})}
        url = f"{self.api}/v1/pages/{quote(self.page_id, safe='')}/incidents?{urlencode(asked)}"
        call = json_call(verb, Effect.READS, "GET", url, headers={"authorization": f"OAuth {self.api_key}"})
        return _rows(json.loads(self.wire.exchange(call, accepted=_lists_objects).body))


def _by_hour(updates: Iterator[tuple[datetime, str, bool]], window: Window) -> Iterator[Count]:
    tally = Tally((hour_of(at), kind, is_probe) for at, kind, is_probe in updates)
    for (hour, kind, is_probe), events in sorted(tally.items()):
        part = part_of_hour(hour, window)
        yield Count(part.start, part.span, kind, Fate.ACCEPTED, events, is_probe=is_probe)


# What type_field may name, and where it stands.
_TYPES: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str]] = {
    "": lambda _, __: "",
    "status": lambda _, update: str(update.get("status") or ""),
    "impact": lambda incident, _: str(incident.get("impact") or ""),
}


def _lists_objects(answer: Answer) -> bool:
    try:
        rows = json.loads(answer.body) if succeeded(answer) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _rows(rows: object) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _moved(window: Window) -> OpsError:
    return _contradiction(window, "an incident was posted or deleted while the list was read")


def _unreadable(window: Window) -> OpsError:
    return _contradiction(window, "an update has no time")


def _contradiction(window: Window, what: str) -> OpsError:
    return Unavailable(
        f"Statuspage's incidents from {window.start.isoformat()} to {window.end.isoformat()} cannot be counted: {what}.",
        "Pages of the list are numbered, so that an update may be missing or counted twice; no number of it is taken.",
        "Count again when nobody posts; a verification posts and deletes an incident, too.",
        "statuspage.counts_contradict",
    )


def connect(
    values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection
) -> StatuspageCounter:
    """Return a client that counts as the section says.

    Raises:
        BadInput: the section asks for what Statuspage cannot tell, or the host is not allowed in this environment.
    """
    our_types(section)
    for is_so, happened, next_step in _CANNOT:
        if is_so(section):
            raise BadInput(happened, "Nothing was asked.", next_step)
    wire = Wire("statuspage", conduct, signatures=(*COUNT_SIGNATURES, *SIGNATURES), published_hosts=PUBLISHED_HOSTS)
    api = address or API
    wire.check_host(api)
    return StatuspageCounter(values["api_key"], values["page_id"], api, section, wire)


_CANNOT: tuple[tuple[Callable[[ReceivedSection], bool], str, str], ...] = (
    (lambda section: section.by == "ids", "Statuspage knows no id that an application gave an update.", "Count instead: leave by out."),
    (lambda section: section.type_field not in _TYPES, "Statuspage tells updates apart by status or impact alone.", "Write type_field as status or impact, or leave it out."),
    (lambda section: bool(section.query), "Statuspage's list is not narrowed down by query: it searches names and texts, not all of them documented.", "Leave query out."),
)  # fmt: skip

COUNTING = Counting(
    integration="statuspage",
    connect=connect,
    counts="updates of the page's incidents (the first post is one), by when each was posted; incidents that were deleted are gone",
    unit=Unit.EVENTS,
    clock=Clock.RECEIVED,
    lists_ids=False,
    type_fields="status (investigating, identified, monitoring, resolved, ...) or impact (none, minor, major, critical, maintenance)",
    reporting_lag=timedelta(minutes=5),
    retention=None,
    longest=31 * DAY,
    # An update has the time of its posting: an account may ask once a second, and a refused sender comes back later.
    shifts_at_day_end=timedelta(minutes=5),
)
