"""Opsgenie counts alerts, not events: alerts are listed, and each counts as often as it was raised.

A window is counted first and listed then: a listing that holds another number than was counted is no answer.
Source: https://docs.opsgenie.com/docs/alert-api#count-alerts, .../alert-api#list-alerts,
https://support.atlassian.com/opsgenie/docs/search-queries-for-alerts/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import Kind, Signature, Symptom, error_of
from domain.errors import OpsError, Unavailable
from domain.event_counts import Clock, Listed, Page, Unit
from domain.exchanges import Effect
from domain.listed_events import page_of
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, Window
from vendors.answers import iso_moment
from vendors.counting import Counting
from vendors.event_fields import Field, Fields, as_text, nested, text_at, type_reader
from vendors.http import Conduct, Wire, json_call
from vendors.opsgenie import API_OF_REGION, PUBLISHED_HOSTS, SIGNATURES, throttled

COUNT_VERB, LIST_VERB = "count_events", "list_events"
# https://docs.opsgenie.com/docs/pagination, https://docs.opsgenie.com/docs/alert-api#list-alerts
PAGE_ALERTS = 100
REACHABLE_ALERTS = 20_000

COUNT_SIGNATURES = (
    Signature("opsgenie.query_unreadable", frozenset({400, 422}), Kind.REJECTED, "Opsgenie answered {status} to {verb}.", "It cannot read the search: the query of opsflows.toml, put in brackets behind the window, does not follow its language.", "Try the query in Opsgenie's own alert search, and correct received.<environment>.opsgenie.query.", "", frozenset({COUNT_VERB, LIST_VERB})),
    *SIGNATURES,
)  # fmt: skip

SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("opsgenie.list_partial", "Opsgenie's answer to {verb} is not a whole one.", "It lacks the count, its alerts, an alert's time or number of occurrences; a count of it would be too low.", "Ask again; if it stays, compare the answer's form with Opsgenie's page of the alert API."),
        Symptom("opsgenie.list_differs", "Opsgenie counted {counted} alerts in the window and listed another number.", "Alerts were deleted or made in between, or the key sees some of them only.", "Ask for the window again, once it is over."),
    )
}  # fmt: skip

_SETTING = "received.<environment>.opsgenie"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_OUR_ALERTS = "opsflows"
_PROBE_ALIAS, _PROBE_TAG = "opsflows-verify-", "verify=true"


@dataclass(frozen=True, slots=True)
class OpsgenieCounter:
    """Reads the alerts that the key may see and the query lets through."""

    api_key: str = field(repr=False)
    api: str
    wire: Wire
    by_ids: bool
    type_of: Field
    id_of: Field
    query: str

    def page(self, window: Window, cursor: str) -> Page:
        """Return how many there are to come (first), then one page of the alerts that were first raised in the window.

        The first page is capped where the window has more alerts than can be paged through.

        Raises:
            Rejected, Unavailable: Opsgenie refused, did not answer with a whole page, or listed other than it counted.
        """
        return self._listing(window, cursor) if cursor else self._counting(window)

    def close(self) -> None:
        self.wire.close()

    def _counting(self, window: Window) -> Page:
        counted = nested(self._asked(COUNT_VERB, "/v2/alerts/count", {"query": self._search(window)}), "data", "count")
        if not _is_number(counted):
            raise _partial(COUNT_VERB)
        if counted > REACHABLE_ALERTS:
            return Page(is_capped=True)
        return Page(cursor=f"0/{counted}" if counted else "")

    def _listing(self, window: Window, cursor: str) -> Page:
        offset, counted = (int(number) for number in cursor.split("/"))
        paging = {"offset": offset, "limit": PAGE_ALERTS, "sort": "createdAt", "order": "asc"}
        answer = self._asked(LIST_VERB, "/v2/alerts", {"query": self._search(window), **paging})
        alerts = answer.get("data")
        if not isinstance(alerts, list):
            raise _partial(LIST_VERB)
        read = offset + len(alerts)
        is_last = read == counted
        if len(alerts) != min(PAGE_ALERTS, counted - offset) or (is_last and nested(answer, "paging", "next")):
            raise error_of(SYMPTOMS["opsgenie.list_differs"], Unavailable, counted=str(counted))
        following = "" if is_last else f"{read}/{counted}"
        return page_of(self._listed(alerts), window, following, by_ids=self.by_ids)

    def _asked(self, verb: str, path: str, query: Mapping[str, object]) -> dict[str, Any]:
        headers = {"authorization": f"GenieKey {self.api_key}"}
        call = json_call(verb, Effect.READS, "GET", f"{self.api}{path}?{urlencode(query)}", headers=headers)
        return self.wire.exchange(call).fields()

    def _search(self, window: Window) -> str:
        """An alert's time is known to the millisecond, so both bounds are the first one at or after ours."""
        within = f"createdAt >= {_ms(window.start)} AND createdAt < {_ms(window.end)}"
        return f"{within} AND ({self.query})" if self.query else within

    def _listed(self, alerts: list[object]) -> Iterator[Listed]:
        for alert in alerts:
            if not isinstance(alert, dict):
                raise _partial(LIST_VERB)
            at, copies = iso_moment(alert.get("createdAt")), alert.get("count")
            if at is None or not _is_number(copies) or not copies:
                raise _partial(LIST_VERB)
            is_probe = _is_probe(alert)
            if is_probe or alert.get("source") != _OUR_ALERTS:
                event_id = self.id_of(alert) or f"opsgenie:{as_text(alert.get('id'))}"
                yield Listed(event_id, at, self.type_of(alert), copies, is_probe)


def connect(
    values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection
) -> OpsgenieCounter:
    """Return what counts the alerts that the key may see.

    Raises:
        BadInput: a field of opsflows.toml is none that Opsgenie lists, or the host is not allowed in this environment.
    """
    type_of = type_reader(section, FIELDS, _SETTING)
    id_of = FIELDS.of(section.id_field or "alias", f"{_SETTING}.id_field")
    wire = Wire(
        "opsgenie", conduct, signatures=COUNT_SIGNATURES, published_hosts=PUBLISHED_HOSTS, retry_after=throttled
    )
    api = address or API_OF_REGION[values.get("region", "us")]
    wire.check_host(api)
    return OpsgenieCounter(values["api_key"], api, wire, section.by == "ids", type_of, id_of, section.query)


def _in_tags(name: str) -> Field:
    """Return what reads the tag `name=value` or `name:value`."""
    starts = (f"{name}=", f"{name}:")

    def read(alert: Mapping[str, Any]) -> str:
        return next((tag[len(name) + 1 :] for tag in _tags(alert) if tag.startswith(starts)), "")

    return read


# What a listed alert shows; its details, entity and description are shown one alert at a time only.
FIELDS = Fields(
    {
        "alias": text_at("alias"),
        "source": text_at("source"),
        "priority": text_at("priority"),
        "message": text_at("message"),
        "integration.name": text_at("integration", "name"),
        "integration.id": text_at("integration", "id"),
    },
    {"tag": _in_tags},
)

COUNTING = Counting(
    integration="opsgenie",
    connect=connect,
    counts="how often alerts were raised, all at the moment at which each was first raised",
    unit=Unit.EVENTS,
    clock=Clock.RECEIVED,
    lists_ids=True,
    type_fields="tag.<name> (tags name=value or name:value), source, priority, message, alias, integration.name, integration.id",
    reporting_lag=timedelta(minutes=5),
    # Opsgenie publishes no number for every plan; a year is assumed.
    retention=timedelta(days=365),
    longest=DAY,
    # A repeat counts on the day on which its alert was first raised, and alerts stay open over midnight: over each one
    # as many may move as are sent in a day. Alerts that are open for longer at a month's end are not covered.
    shifts_at_day_end=DAY,
)


def _ms(moment: datetime) -> int:
    return -((_EPOCH - moment) // _MILLISECOND)  # rounded up


def _tags(alert: Mapping[str, Any]) -> list[str]:
    tags = alert.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _is_probe(alert: Mapping[str, Any]) -> bool:
    return as_text(alert.get("alias")).startswith(_PROBE_ALIAS) or _PROBE_TAG in _tags(alert)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _partial(verb: str) -> OpsError:
    return error_of(SYMPTOMS["opsgenie.list_partial"], Unavailable, verb=verb)
