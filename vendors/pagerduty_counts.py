"""PagerDuty counts no events: the log entries that events left are listed, and counted here.

Events that were suppressed, paused, dropped or sent to a paused service leave no entry, though each was answered 202.
Source: https://developer.pagerduty.com/api-reference ("List log entries"), https://developer.pagerduty.com/docs/pagination
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Symptom, error_of
from domain.errors import BadInput, Unavailable
from domain.event_counts import Clock, Listed, Page, Unit
from domain.exchanges import Effect
from domain.listed_events import page_of
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, Window
from vendors.answers import iso_moment
from vendors.counting import Counting
from vendors.event_fields import Field, Fields, as_text, nested, text_at, type_reader
from vendors.http import Answer, Conduct, Wire, is_json_object, json_call
from vendors.pagerduty import API_OF_REGION, PUBLISHED_HOSTS, rest_headers
from vendors.pagerduty_signatures import REST_VERBS, SIGNATURES
from vendors.rate_limits import seconds_header

LIST_VERB = "list_events"
# Refusals of REST read the same, whatever is read.
COUNT_SIGNATURES = tuple(
    replace(row, verbs=frozenset({LIST_VERB})) for row in SIGNATURES if row.verbs == REST_VERBS and not row.marker
)
# https://developer.pagerduty.com/docs/pagination
PAGE_ENTRIES = 100
REACHABLE_ENTRIES = 10_000

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("pagerduty.log_partial", "PagerDuty's answer to list_events is not a whole page of the log.", "It lacks the total that was asked for, an entry's time, or entries that its total says are there; a count of it would be too low.", "Ask again; if it stays, compare the answer's form with PagerDuty's page on log entries and on pagination."),
        Symptom("pagerduty.log_moved", "PagerDuty's log held {before} entries at the first page and holds {now} at this one.", "Entries came or went in between, so pages overlap or leave something out.", "Ask for the window again, once it is over."),
    )
}  # fmt: skip

_SETTING = "received.<environment>.pagerduty"
_SECOND = timedelta(seconds=1)
_SERVICES = re.compile(r"P[A-Z0-9]+(,P[A-Z0-9]+)*")
_EVERY_SERVICE = "*"
_OUR_ALERTS = "opsflows"
_PROBE_KEY = "opsflows-verify-"
_TOO_DEEP = (400, "offset+limit exceeds")
_ACTIONS = {
    "trigger_log_entry": "trigger",
    "acknowledge_log_entry": "acknowledge",
    "resolve_log_entry": "resolve",
}


@dataclass(frozen=True, slots=True)
class PagerDutyCounter:
    """Reads the account's log. `services` are those whose events count, none named: all. `actions` are event actions."""

    api_key: str = field(repr=False)
    api: str
    wire: Wire
    by_ids: bool
    type_of: Field
    id_of: Field
    services: frozenset[str]
    actions: frozenset[str]

    def page(self, window: Window, cursor: str) -> Page:
        """Return one page of the log, capped where the window has more entries of any kind than can be paged through.

        Raises:
            Rejected, Unavailable: PagerDuty refused, did not answer with a whole page, or the log changed meanwhile.
        """
        offset, _, before = (cursor or "0/").partition("/")
        url = f"{self.api}/log_entries?{_query(window, int(offset))}"
        call = json_call(LIST_VERB, Effect.READS, "GET", url, headers=rest_headers(self.api_key))
        answer = self.wire.exchange(call, accepted=lambda a: is_json_object(a) or _is_too_deep(a))
        if _is_too_deep(answer) or (total := _total(answer.fields())) > REACHABLE_ENTRIES:
            return Page(is_capped=True)
        if before and int(before) != total:
            raise error_of(SYMPTOMS["pagerduty.log_moved"], Unavailable, before=before, now=str(total))
        entries = _whole_page(answer.fields(), int(offset), total)
        read = int(offset) + len(entries)
        return page_of(self._listed(entries), window, f"{read}/{total}" if read < total else "", by_ids=self.by_ids)

    def close(self) -> None:
        self.wire.close()

    def _listed(self, entries: list[dict[str, Any]]) -> Iterator[Listed]:
        for entry in entries:
            at = iso_moment(entry.get("created_at"))
            if at is None:
                raise error_of(SYMPTOMS["pagerduty.log_partial"], Unavailable)
            if self._is_counted(entry):
                event_id = self.id_of(entry) or f"pagerduty:{as_text(entry.get('id'))}"
                yield Listed(event_id, at, self.type_of(entry), is_probe=_is_probe(entry))

    def _is_counted(self, entry: Mapping[str, Any]) -> bool:
        """Tell an event's entry from what people, REST and timers left, and from opsflows' own alerts."""
        return (
            nested(entry, "channel", "type") == "api"
            and _ACTIONS.get(as_text(entry.get("type"))) in self.actions
            and (not self.services or nested(entry, "service", "id") in self.services)
            and (_is_probe(entry) or _in_event("source_origin")(entry) != _OUR_ALERTS)
        )


def connect(
    values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection
) -> PagerDutyCounter:
    """Return what counts the events of PAGERDUTY_SERVICE_ID, of the services in the section's query, or of the account.

    Raises:
        BadInput: there is no key to read with, a field or query of opsflows.toml is none that PagerDuty has, or the host
            is not allowed in this environment.
    """
    if not values.get("api_key"):
        raise BadInput(
            "PAGERDUTY_API_KEY is not there.",
            "Without it PagerDuty can be sent to, but not asked. Nothing was counted.",
            "Create a read-only key (Integrations > API Access Keys) and run opsflows connect pagerduty.",
        )
    type_of = type_reader(section, FIELDS, _SETTING)
    id_of = FIELDS.of(section.id_field or "dedup_key", f"{_SETTING}.id_field")
    services = _services(section.query, values.get("service_id", ""))
    wire = Wire(
        "pagerduty", conduct, signatures=COUNT_SIGNATURES, published_hosts=PUBLISHED_HOSTS,
        retry_after=seconds_header("ratelimit-reset"),
    )  # fmt: skip
    api = address or API_OF_REGION[values.get("region", "us")]
    wire.check_host(api)
    # An acknowledgement is an event of its own only to whoever tells events apart by their action.
    actions = frozenset(_ACTIONS.values()) if section.type_field == "event_action" else frozenset({"trigger"})
    return PagerDutyCounter(values["api_key"], api, wire, section.by == "ids", type_of, id_of, services, actions)


def _in_event(*steps: str) -> Field:
    return text_at("channel", "cef_details", *steps)


def _in_details(name: str) -> Field:
    return _in_event("details", name)


def _dedup_key(entry: Mapping[str, Any]) -> str:
    """The key stands among the event's details; entries of older integrations have it beside them."""
    return _in_event("dedup_key")(entry) or as_text(nested(entry, "channel", "incident_key"))


def _action(entry: Mapping[str, Any]) -> str:
    return _ACTIONS.get(as_text(entry.get("type")), "")


# The names that the Events API gives them, and where the log has them.
FIELDS = Fields(
    {
        "dedup_key": _dedup_key,
        "event_action": _action,
        "severity": _in_event("severity"),
        "class": _in_event("event_class"),
        "component": _in_event("source_component"),
        "group": _in_event("service_group"),
        "source": _in_event("source_origin"),
        "service": text_at("service", "id"),
    },
    {"custom_details": _in_details},
)

COUNTING = Counting(
    integration="pagerduty",
    connect=connect,
    counts="trigger events that opened an alert or were added to one; suppressed and dropped events leave no trace",
    unit=Unit.EVENTS,
    clock=Clock.RECEIVED,
    lists_ids=True,
    type_fields="class, component, group, source, severity, service (its id), custom_details.<name>, or event_action "
    "(then acknowledge and resolve events count too)",
    reporting_lag=timedelta(minutes=5),
    retention=None,
    longest=DAY,
    # It has the time at which it took the event: a sender that is throttled (429) tries again for some minutes.
    shifts_at_day_end=timedelta(minutes=5),
)


def _services(query: str, service_id: str) -> frozenset[str]:
    if query == _EVERY_SERVICE:
        return frozenset()
    wanted = query.replace(" ", "") or service_id
    if wanted and not _SERVICES.fullmatch(wanted):
        raise BadInput(
            f"{_SETTING}.query {query!r} names no services.",
            "PagerDuty's log is narrowed down by service alone. Nothing was counted.",
            "Write service ids, P...,P..., or * for every service; without query, PAGERDUTY_SERVICE_ID counts.",
        )
    return frozenset(wanted.split(",")) - {""}


def _query(window: Window, offset: int) -> str:
    # Entries are told by the second: both bounds are widened to one, and what lies outside is left out here. Without
    # time_zone PagerDuty reads bounds in the account's own.
    return urlencode(
        {
            "since": _second(window.start), "until": _second(window.end + _SECOND - timedelta(microseconds=1)),
            "time_zone": "UTC", "is_overview": "false", "include[]": "channels",
            "total": "true", "limit": PAGE_ENTRIES, "offset": offset,
        }
    )  # fmt: skip


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_too_deep(answer: Answer) -> bool:
    status, words = _TOO_DEEP
    return answer.status == status and words in answer.text.lower()


def _total(answer: Mapping[str, Any]) -> int:
    """Return how many entries there are. PagerDuty tells null where it was not asked, and 0 is never read out of that."""
    total = answer.get("total")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise error_of(SYMPTOMS["pagerduty.log_partial"], Unavailable)
    return total


def _whole_page(answer: Mapping[str, Any], offset: int, total: int) -> list[dict[str, Any]]:
    """Return the page's entries, as many as its total says must be there."""
    entries = answer.get("log_entries")
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    expected = min(PAGE_ENTRIES, max(total - offset, 0))
    if not isinstance(entries, list) or len(rows) != len(entries) or len(rows) != expected:
        raise error_of(SYMPTOMS["pagerduty.log_partial"], Unavailable)
    return rows


def _is_probe(entry: Mapping[str, Any]) -> bool:
    return _dedup_key(entry).startswith(_PROBE_KEY)
