"""Splunk counts events by a search: by the hour of their own time, by type, and our probes apart; it lists them too.

A search that misses an indexer goes on and says so among its rows, a cut answer has no last row, and rows beyond a limit
are left out in silence: none of these is taken for a count. Hours are cut from the epoch, since Splunk's own days are
those of the user's time zone.
Source: https://help.splunk.com/en/splunk-enterprise/rest-api-reference (search/v2/jobs/export)
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any
from urllib.parse import urlencode

from domain.errors import BadInput
from domain.event_counts import NOT_SPLIT, Clock, Count, Fate, Listed, Page, Unit
from domain.exchanges import Effect
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, Window
from vendors.count_rows import hours_touched, our_type, our_types, part_of_hour
from vendors.counting import Counting
from vendors.http import Answer, Call, Conduct, Wire, succeeded
from vendors.splunk import INSECURE, PUBLISHED_HOSTS
from vendors.splunk_rows import contradiction, has_failed, rows_of
from vendors.splunk_signatures import COUNT_SIGNATURES, SIGNATURES

# Groups of stats beyond it are left out. Source: limits.conf, [stats] maxresultrows.
MOST_GROUPS = 50_000
# As many rows as fit well into one answer; a window with more is halved.
MOST_LISTED = 20_000
# In place of a type or an id that an event does not have: groups without a value are left out by stats.
_NONE = "(none)"
# What vendors/splunk.py sends carries this field.
_IS_PROBE = 'opsflows_probe=if(searchmatch("verify=true"),1,0)'
_HOUR = "opsflows_hour=floor(_time/3600)*3600"
_FIELD = re.compile(r"[A-Za-z_@][\w.:{}@-]*")
# A pipe, a subsearch or a macro would make a search of its own; times would outrank the window's.
_NO_TERMS = re.compile(r"[|\[\]`]|\b(_index_)?(earliest|latest)\s*=", re.IGNORECASE)
_NAMES_INDEX = re.compile(r"\bindex\s*(=|::|\bIN\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SplunkCounter:
    """Searches one instance with a token, as the section says. `base` are the terms that events are found by."""

    token: str = field(repr=False)
    api: str
    base: str
    section: ReceivedSection
    wire: Wire

    def page(self, window: Window, cursor: str) -> Page:
        if self.section.by == "ids":
            return self.list_events(window)
        return self.count_total(window) if cursor else self.count_events(window)

    def close(self) -> None:
        self.wire.close()

    def count_events(self, window: Window) -> Page:
        """Return the events of every hour by type; capped where there are more groups than Splunk shows.

        Without any row the cursor asks for the whole, so that a 0 is one that Splunk wrote.
        """
        by = "opsflows_hour opsflows_probe opsflows_type"
        rows = self._search("count_events", window, f"eval {_HOUR}, {self._probe_and_type} | stats count by {by}")
        if len(rows) >= MOST_GROUPS:
            return Page(is_capped=True)
        if not rows:
            return Page(cursor="total")
        types = our_types(self.section)
        return Page(tuple(self._counted(row, window, types) for row in rows))

    def count_total(self, window: Window) -> Page:
        """Return the window's 0 as Splunk says it.

        Raises:
            Unavailable: there are events after all.
        """
        rows = self._search("count_total", window, "stats count")
        if len(rows) != 1 or _number(rows[0], "count", window):
            raise contradiction(window, "it found no hour with events, and events")
        return Page((Count(window.start, window.span, NOT_SPLIT, Fate.ACCEPTED, 0),))

    def list_events(self, window: Window) -> Page:
        """Return events by the application's id, in one page; capped where there are too many for one."""
        identity = f"opsflows_at=_time, {_first(self.section.id_field, 'opsflows_id')}, {self._probe_and_type}"
        shown = "table opsflows_at opsflows_id opsflows_probe opsflows_type"
        rows = self._search("list_events", window, f"head {MOST_LISTED + 1} | eval {identity} | {shown}")
        if len(rows) > MOST_LISTED:
            return Page(is_capped=True)
        types, without_id = our_types(self.section), count(1)
        return Page(listed=tuple(self._listed(row, window, types, without_id.__next__) for row in rows))

    def _counted(self, row: Mapping[str, Any], window: Window, types: Mapping[str, str]) -> Count:
        hour = datetime.fromtimestamp(_number(row, "opsflows_hour", window), UTC)
        if hour not in hours_touched(window):
            raise contradiction(window, "it counted an hour that was not asked for")
        part = part_of_hour(hour, window)
        events, kind = _number(row, "count", window), self._type(row, types)
        return Count(part.start, part.span, kind, Fate.ACCEPTED, events, is_probe=_is_probe(row, window))

    def _listed(
        self, row: Mapping[str, Any], window: Window, types: Mapping[str, str], number: Callable[[], int]
    ) -> Listed:
        at = _moment(row.get("opsflows_at"), window)
        if not window.start <= at < window.end:
            raise contradiction(window, "it listed an event of another time")
        event_id = str(row.get("opsflows_id") or _NONE)
        if event_id == _NONE:  # received all the same; no two of them are taken for one
            event_id = f"no {self.section.id_field} at {at.isoformat()} ({number()})"
        return Listed(event_id, at, self._type(row, types), is_probe=_is_probe(row, window))

    def _type(self, row: Mapping[str, Any], types: Mapping[str, str]) -> str:
        value = str(row.get("opsflows_type") or _NONE)
        return NOT_SPLIT if value == _NONE else our_type(types, value)

    @property
    def _probe_and_type(self) -> str:
        # A field that no event has makes all of them not split.
        return f"{_IS_PROBE}, {_first(self.section.type_field or 'opsflows_no_type', 'opsflows_type')}"

    def _search(self, verb: str, window: Window, then: str) -> list[dict[str, Any]]:
        form = {
            "search": f"search {self.base} | {then}",
            "earliest_time": _epoch(window.start),
            "latest_time": _epoch(window.end),
            "output_mode": "json",
            "preview": "false",
            "allow_partial_results": "false",
        }
        call = Call(
            verb, Effect.READS, "POST", f"{self.api}/services/search/v2/jobs/export",
            {"authorization": f"Bearer {self.token}", "content-type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
        )  # fmt: skip
        return rows_of(self.wire.exchange(call, accepted=_ran), window)


def _ran(answer: Answer) -> bool:
    return succeeded(answer) and not has_failed(answer)


def _first(name: str, into: str) -> str:
    """Return the assignment of a field's first value: a field may hold several, and each would be counted."""
    return f"{into}=coalesce(mvindex('{name}',0),\"{_NONE}\")"


def _epoch(at: datetime) -> str:
    return f"{int(at.timestamp())}.{at.microsecond:06}"


def _moment(text: object, window: Window) -> datetime:
    try:
        microseconds = int((Decimal(str(text)) * 1_000_000).to_integral_value())
    except (InvalidOperation, ValueError) as problem:
        raise contradiction(window, "an event has no time") from problem
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _number(row: Mapping[str, Any], name: str, window: Window) -> int:
    text = str(row.get(name, ""))
    if not text.isdecimal():
        raise contradiction(window, f"a row has no {name}")
    return int(text)


def _is_probe(row: Mapping[str, Any], window: Window) -> bool:
    return _number(row, "opsflows_probe", window) == 1


def connect(
    values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection
) -> SplunkCounter:
    """Return a client that counts as the section says. `address` changes nothing: every Splunk has addresses of its own.

    Raises:
        BadInput: what searching takes is missing, the section says what no search may hold, or a host is not allowed.
    """
    del address
    our_types(section)
    for is_so, happened, next_step in _CANNOT:
        if is_so(values, section):
            raise BadInput(happened, "Nothing was asked.", next_step)
    wire = Wire(
        "splunk", conduct, signatures=(*COUNT_SIGNATURES, *SIGNATURES), published_hosts=PUBLISHED_HOSTS,
        verify_tls=values.get("insecure") != INSECURE,
    )  # fmt: skip
    wire.check_host(values["api_url"])
    terms = f"({section.query})" if section.query else ""
    named = terms if _NAMES_INDEX.search(terms) else f"index={values.get('index', '')} {terms}".rstrip()
    return SplunkCounter(values["token"], values["api_url"], named, section, wire)


_CANNOT: tuple[tuple[Callable[[Mapping[str, str], ReceivedSection], bool], str, str], ...] = (
    (lambda values, _: not (values.get("token") and values.get("api_url")),
     "Splunk's counts need SPLUNK_TOKEN and SPLUNK_API_URL.", "Give both by opsflows connect splunk."),
    (lambda _, section: bool(_NO_TERMS.search(section.query)),
     "query holds a pipe, brackets, a macro or times of its own.",
     "Write search terms alone, like index=payments sourcetype=app: what is made of them, and when, is ours to say."),
    (lambda values, section: not values.get("index") and not _NAMES_INDEX.search(section.query),
     "Neither SPLUNK_INDEX nor query names an index.", "Name the application's index in query, like index=payments."),
    (lambda _, section: section.by == "ids" and not section.id_field,
     "by is ids, and id_field is missing.", "Name the field that holds the application's id, like event_id."),
    (lambda _, section: any(name and not _FIELD.fullmatch(name) for name in (section.type_field, section.id_field)),
     "type_field or id_field is not a field's name.", "Write it as Splunk shows it, like order.kind."),
)  # fmt: skip

COUNTING = Counting(
    integration="splunk",
    connect=connect,
    counts="events of the index by their own time, an hour at a time; of what the collector refused or lost it says nothing",
    unit=Unit.EVENTS,
    clock=Clock.EVENT,
    lists_ids=True,
    type_fields="any field of the events, indexed or extracted (event_type, sourcetype, order.kind)",
    reporting_lag=timedelta(minutes=15),
    retention=None,
    longest=DAY,
    # Events carry the time that our side wrote: what is left is clocks that differ by seconds, and senders that name no time.
    shifts_at_day_end=timedelta(minutes=1),
)
