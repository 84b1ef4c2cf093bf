"""Sentry counts what became of every event, by hour and reason; what it kept, it also splits by tag and lists by id.

The end of its statistics is inclusive, so the last second of the window is asked for, and the hours that it says it
counted are compared with ours. Probes are no outcome of their own: they are counted among the kept events first, and
taken out of the accepted ones.
Source: https://docs.sentry.io/api/organizations/retrieve-event-counts-for-an-organization-v2/,
https://docs.sentry.io/api/explore/query-explore-events-in-table-format/
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.errors import BadInput
from domain.event_counts import NOT_SPLIT, Clock, Count, Fate, Listed, Page, Unit
from domain.exchanges import Effect
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, HOUR, Window
from vendors.count_rows import accepted, hour_of, hours_begun, hours_touched, our_type, our_types, probes
from vendors.counting import Counting
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.rate_limits import http_date
from vendors.sentry import PAGE_KEYS, PUBLISHED_HOSTS, rate_limit
from vendors.sentry_dsn import parse_dsn
from vendors.sentry_outcomes import FIELD, Outcomes, contradiction, outcomes
from vendors.sentry_signatures import COUNT_SIGNATURES
from vendors.sentry_table import following_of, moment_of, number_of, span_of, text_of

CATEGORY = "category"
ERRORS = "error"
# Deeper into a table Sentry is slow, and its store ends at 10 000 rows: the window is halved instead.
MOST_ROWS = 10_000
# What vendors/sentry.py sends: probes by their tag, errors of the chain by their title, since nothing else marks them.
CHAIN_TITLE = "opsflows chain check"
_OURS = f'(verify:true OR title:"{CHAIN_TITLE}*")'
_NOT_OURS = f'!verify:true !title:"{CHAIN_TITLE}*"'
_HOURLY = "timestamp.to_hour"
_DAILY = "timestamp.to_day"


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the asking has come: which question, and which page of it.

    `probes` are those found so far, by epoch second of their hour; `owed` are the events still to be listed.
    """

    question: str = ""
    page: str = ""
    probes: Mapping[int, int] = field(default_factory=dict)
    owed: int = 0

    @classmethod
    def read(cls, cursor: str) -> "_Place":
        if not cursor:
            return cls()
        said = json.loads(cursor)
        probes = {int(at): number for at, number in said["probes"].items()}
        return cls(said["question"], said["page"], probes, said["owed"])

    def written(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class SentryCounter:
    """Asks one project of one organisation, as the section says."""

    auth_token: str = field(repr=False)
    organisation: str
    project_id: str
    api: str
    section: ReceivedSection
    wire: Wire

    def page(self, window: Window, cursor: str) -> Page:
        place = _Place.read(cursor)
        if self.section.by == "counts":
            window = hours_begun(window)
        if window.start == window.end:
            return Page()
        first = self.count_listed if self.section.by == "ids" else self.count_probes
        questions = {
            "": first, "list": self.list_events, "types": self.count_types, "outcomes": self.count_outcomes,
        }  # fmt: skip
        return questions[place.question](window, place)

    def close(self) -> None:
        self.wire.close()

    def count_probes(self, window: Window, place: _Place) -> Page:
        """Return our own events among those that were kept, by hour."""
        rows, following, is_capped = self._table("count_probes", window, place.page, (_HOURLY, "count()"), _OURS)
        if is_capped:
            return Page(is_capped=True)
        found = {int(moment_of(row, _HOURLY, window).timestamp()): number_of(row, window) for row in rows}
        counts = tuple(
            probes(span_of(row, _HOURLY, HOUR, window), number_of(row, window), of=self._type_of_probes) for row in rows
        )
        together = {**place.probes, **found}
        if following:
            return Page(counts, cursor=_Place("", following, together).written())
        splits = self.section.type_field not in {"", CATEGORY}
        return Page(counts, cursor=_Place("types" if splits else "outcomes", "", together).written())

    def count_types(self, window: Window, place: _Place) -> Page:
        """Return the kept events by the field that tells types apart: by day where the window is of whole days."""
        by, span = (_DAILY, DAY) if _is_of_days(window) else (_HOURLY, HOUR)
        kind, types = self.section.type_field, our_types(self.section)
        query = f"({self.section.query}) {_NOT_OURS}" if self.section.query else _NOT_OURS
        rows, following, is_capped = self._table("count_types", window, place.page, (by, kind, "count()"), query)
        if is_capped:
            return Page(is_capped=True)
        counts = tuple(
            accepted(span_of(row, by, span, window), number_of(row, window), of=our_type(types, text_of(row, kind)))
            for row in rows
        )
        if following:
            return Page(counts, cursor=_Place("types", following, place.probes).written())
        # Outcomes know no search: where one narrows the events down, what was lost of them cannot be told.
        return Page(counts, cursor="" if self.section.query else _Place("outcomes", "", place.probes).written())

    def count_outcomes(self, window: Window, place: _Place) -> Page:
        """Return what became of events by hour, without those that were kept where these were counted by type."""
        hours = hours_touched(window)
        by_category = self.section.type_field == CATEGORY
        grouping = ("outcome", "reason", *((CATEGORY,) if by_category else ()))
        parameters = [
            ("field", FIELD), *(("groupBy", name) for name in grouping), *((CATEGORY, name) for name in self._categories),
            ("project", self.project_id), ("interval", "1h"), ("start", _written(window.start)),
            ("end", _written(window.end - timedelta(seconds=1))),
        ]  # fmt: skip
        answer = self._ask("count_outcomes", "stats_v2", parameters)
        found = outcomes(answer.fields(), window, hours, http_date(answer.headers.get("date", "")))
        is_split = self.section.type_field not in {"", CATEGORY}
        return Page(tuple(self._by_hour(found, hours, place.probes, of_kept=not is_split)))

    def count_listed(self, window: Window, place: _Place) -> Page:
        """Return nothing but how many events are to be listed; capped where they are more than can be paged through."""
        rows, _, _ = self._table("count_listed", window, place.page, ("count()",), self.section.query)
        number = sum(number_of(row, window) for row in rows)
        return Page(is_capped=True) if number > MOST_ROWS else Page(cursor=_Place("list", owed=number).written())

    def list_events(self, window: Window, place: _Place) -> Page:
        """Return the kept events by id: Sentry's own, or a tag that holds the application's.

        Raises:
            Unavailable: the list ends with more or fewer events than were counted.
        """
        kind, own = self.section.type_field, self.section.id_field or "id"
        fields = tuple(dict.fromkeys(("id", "timestamp", "title", "verify", own, *((kind,) if kind else ()))))
        rows, following, is_capped = self._table("list_events", window, place.page, fields, self.section.query)
        if is_capped:
            return Page(is_capped=True)
        owed = place.owed - len(rows)
        if not following and owed:
            raise contradiction(window, f"{place.owed} more events were to be listed, and {len(rows)} were")
        types = our_types(self.section)
        listed = (
            Listed(
                # An event without the tag was received all the same, under Sentry's own id.
                text_of(row, own) or text_of(row, "id"),
                moment_of(row, "timestamp", window),
                our_type(types, text_of(row, kind)) if kind else NOT_SPLIT,
                is_probe=text_of(row, "verify") == "true" or text_of(row, "title").startswith(CHAIN_TITLE),
            )
            for row in rows
        )
        inside = tuple(event for event in listed if window.start <= event.at < window.end)
        return Page(listed=inside, cursor=_Place("list", following, owed=owed).written() if following else "")

    @property
    def _categories(self) -> tuple[str, ...]:
        return tuple(self.section.types.values()) if self.section.type_field == CATEGORY else (ERRORS,)

    @property
    def _type_of_probes(self) -> str:
        return our_type(our_types(self.section), ERRORS) if self.section.type_field == CATEGORY else NOT_SPLIT

    def _by_hour(
        self, found: Outcomes, hours: tuple[datetime, ...], ours: Mapping[int, int], *, of_kept: bool
    ) -> Iterator[Count]:
        types = our_types(self.section)
        for group in found:
            kind = our_type(types, group.category) if group.category else NOT_SPLIT
            is_kept = group.fate is Fate.ACCEPTED
            series = (
                without_probes(hours, group.series, ours) if is_kept and kind == self._type_of_probes else group.series
            )
            yield from (
                Count(hour, HOUR, kind, group.fate, events, group.reason)
                for hour, events in zip(hours, series, strict=True)
                if (events or is_kept) and (of_kept or not is_kept)
            )
        if of_kept and not any(group.fate is Fate.ACCEPTED for group in found):
            yield from (accepted(Window(hour, hour + HOUR), 0) for hour in hours)

    def _table(
        self, verb: str, window: Window, page: str, fields: tuple[str, ...], query: str
    ) -> tuple[list[dict[str, Any]], str, bool]:
        """Return one page of a table, what to ask the next one with, and whether the table is too long to be paged."""
        end = window.end if not window.end.microsecond else window.end + timedelta(seconds=1)
        parameters = [
            *(("field", name) for name in fields), *(("sort", name) for name in fields[:2] if name != "count()"),
            ("dataset", "errors"), ("query", query), ("project", self.project_id), ("per_page", str(PAGE_KEYS)),
            ("start", _written(window.start)), ("end", _written(end)), *((("cursor", page),) if page else ()),
        ]  # fmt: skip
        answer = self._ask(verb, "events", parameters)
        following = following_of(answer, window)
        deep = following.split(":")[1:2]
        rows = [row for row in answer.fields()["data"] if isinstance(row, dict)]
        return rows, following, bool(deep) and deep[0].isdecimal() and int(deep[0]) >= MOST_ROWS

    def _ask(self, verb: str, what: str, parameters: list[tuple[str, str]]) -> Answer:
        url = f"{self.api}/api/0/organizations/{self.organisation}/{what}/?{urlencode(parameters)}"
        call = json_call(verb, Effect.READS, "GET", url, headers={"authorization": f"Bearer {self.auth_token}"})
        return self.wire.exchange(call, accepted=_holds("groups" if what == "stats_v2" else "data"))


def without_probes(hours: tuple[datetime, ...], series: tuple[int, ...], ours: Mapping[int, int]) -> Iterator[int]:
    """Yield the hours' numbers without our own events; one that was received in the next hour is taken out there."""
    owed = 0
    for hour, events in zip(hours, series, strict=True):
        owed += ours.get(int(hour.timestamp()), 0)
        taken = min(owed, events)
        owed -= taken
        yield events - taken


def _holds(name: str) -> Callable[[Answer], bool]:
    return lambda answer: succeeded(answer) and isinstance(answer.fields().get(name), list)


def _is_of_days(window: Window) -> bool:
    return all(hour_of(edge) == edge and edge.hour == 0 for edge in (window.start, window.end))


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def connect(
    values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection
) -> SentryCounter:
    """Return a client that counts as the section says.

    Raises:
        BadInput: what reading takes is missing, the section asks for what Sentry cannot tell, or a host is not allowed.
    """
    our_types(section)
    for is_so, happened, next_step in _CANNOT:
        if is_so(values, section):
            raise BadInput(happened, "Nothing was asked.", next_step)
    parsed = parse_dsn(values["dsn"])
    wire = Wire("sentry", conduct, signatures=COUNT_SIGNATURES, published_hosts=PUBLISHED_HOSTS, retry_after=rate_limit)
    api = address or parsed.api
    wire.check_host(api)
    return SentryCounter(values["auth_token"], values["organisation"], parsed.project_id, api, section, wire)


_CANNOT: tuple[tuple[Callable[[Mapping[str, str], ReceivedSection], bool], str, str], ...] = (
    (lambda values, _: not (values.get("auth_token") and values.get("organisation")),
     "Sentry's counts need SENTRY_AUTH_TOKEN and SENTRY_ORG.",
     "Give both, with the scope org:read, by opsflows connect sentry."),
    (lambda _, section: section.type_field == CATEGORY and section.by == "ids",
     "Sentry lists no event with its category: type_field cannot be category where by is ids.",
     "Name a tag in type_field, or count instead of listing."),
    (lambda _, section: section.type_field == CATEGORY and not section.types,
     "type_field is category, and types names none of Sentry's categories.",
     'Write which type is which category, for example types = { errors = "error", spans = "span" }.'),
    (lambda _, section: bool(section.query) and section.by == "counts" and section.type_field in {"", CATEGORY},
     "Sentry's outcomes cannot be narrowed down by query.",
     "Leave query out, or name a tag in type_field: kept events are then counted by a search."),
)  # fmt: skip

COUNTING = Counting(
    integration="sentry",
    connect=connect,
    counts="outcomes of the project's errors (default and security events among them), by hour of receipt, with Sentry's reasons; "
    "with a tag as type_field, kept errors by event time beside the outcomes of those that were not kept",
    unit=Unit.EVENTS,
    clock=Clock.RECEIVED,
    lists_ids=True,
    type_fields="category, a tag (event_type), or a field of Sentry's events (level, environment, release, transaction)",
    reporting_lag=HOUR,
    retention=timedelta(days=90),
    longest=timedelta(days=8),
    # Outcomes are of the time of receipt: clients send from a queue, and wait a minute or more after a 429.
    shifts_at_day_end=timedelta(minutes=5),
)
