"""Datadog counts events of the window in one query, and by hour in a second one: both must say the same.

Its end is exclusive, its times are milliseconds. It takes a larger interval than it was asked for where there would be
too many points, and leaves out groups beyond a limit: so the hours are looked at, and all events are counted beside
those that have a type. A list of events says itself whether it is whole.
Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-data-across-multiple-products,
https://docs.datadoghq.com/api/latest/events/#search-events
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.errors import BadInput, Rejected
from domain.event_counts import NOT_SPLIT, Clock, Count, Listed, Page, Unit
from domain.exchanges import Effect
from domain.reconciliation_sections import ReceivedSection
from domain.windows import HOUR, Window
from vendors.answers import iso_moment
from vendors.count_rows import accepted, hours_touched, our_type, our_types, part_of_hour, probes
from vendors.counting import Counting
from vendors.datadog import DEFAULT_SITE, PUBLISHED_HOSTS, SIGNATURES, api_of
from vendors.datadog_answers import COUNT_SIGNATURES, Series, contradiction, scalar_of, series_of
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.rate_limits import seconds_header

# Source: https://docs.datadoghq.com/api/latest/events/#search-events
PAGE_EVENTS = 1000
MOST_TYPES = 1000
# What vendors/datadog.py sends carries this tag.
_OURS = "tags:verify:true"
_PROBE_TAG = "verify:true"
# The queries' names, in the order in which their answers are numbered.
_ALL, _PROBES, _TYPES = "everything", "probes", "types"
_WHOLE = frozenset({"done", "ok"})


@dataclass(frozen=True, slots=True)
class DatadogCounter:
    """Asks one organisation on its site, with both keys, as the section says."""

    api_key: str = field(repr=False)
    app_key: str = field(repr=False)
    api: str
    section: ReceivedSection
    wire: Wire

    def page(self, window: Window, cursor: str) -> Page:
        if self.section.by == "ids":
            return self.list_events(window, cursor)
        return self.count_events(window, json.loads(cursor)) if cursor else self.count_total(window)

    def close(self) -> None:
        self.wire.close()

    def count_total(self, window: Window) -> Page:
        """Return nothing but what the hours will have to come to."""
        found = scalar_of(self._query("count_total", "scalar", window, (_ALL, _PROBES)), window)
        return Page(cursor=json.dumps(found))

    def count_events(self, window: Window, whole: list[int]) -> Page:
        """Return the events of every hour, by type where types are split; capped where Datadog shows larger steps.

        Raises:
            Unavailable: the hours are not as many events as the whole; some are still coming in, or an hour was left out.
        """
        hours = hours_touched(window)
        names = (_ALL, _PROBES, *((_TYPES,) if self.section.type_field else ()))
        found = series_of(self._query("count_events", "timeseries", window, names), window, hours)
        if found is None:
            return Page(is_capped=True)
        every, ours, typed = ([one for one in found if one.query == number] for number in range(3))
        if len(typed) >= MOST_TYPES:
            raise _too_many_types(self.section.type_field)
        alike, of_probes = _added(every, len(hours)), _added(ours, len(hours))
        if [sum(alike), sum(of_probes)] != whole:
            raise contradiction(window, f"its hours have {sum(alike)} events together, and the window {whole[0]}")
        parts = tuple(part_of_hour(hour, window) for hour in hours)
        probed = (probes(part, number) for part, number in zip(parts, of_probes, strict=True) if number)
        return Page((*self._by_type(typed, alike, parts, window), *probed))

    def list_events(self, window: Window, cursor: str) -> Page:
        """Return events by the application's id: a tag, or an attribute written @path.to.it."""
        page = {"limit": PAGE_EVENTS, **({"cursor": cursor} if cursor else {})}
        search = {
            "query": self.section.query or "*",
            "from": _milliseconds(window.start),
            "to": _milliseconds(window.end, up=True),
        }
        payload = {"filter": search, "page": page, "sort": "timestamp"}
        said = self._ask("list_events", "/api/v2/events/search", payload, _lists_events)
        meta = said.get("meta") or {}
        if str(meta.get("status", "done")).lower() not in _WHOLE or meta.get("warnings"):
            raise contradiction(window, "the list says that it is not whole")
        events = (self._listed(row, window) for row in said["data"])
        inside = tuple(event for event in events if window.start <= event.at < window.end)
        return Page(listed=inside, cursor=str((meta.get("page") or {}).get("after") or ""))

    def _listed(self, row: Any, window: Window) -> Listed:
        attributes = row.get("attributes") if isinstance(row, dict) else None
        at = iso_moment(attributes.get("timestamp")) if isinstance(attributes, dict) else None
        if at is None or not isinstance(attributes, dict):
            raise contradiction(window, "an event has no time")
        kind = _value(attributes, self.section.type_field) if self.section.type_field else NOT_SPLIT
        # An event without the application's id was received all the same, under Datadog's own.
        event_id = _value(attributes, self.section.id_field) or _value(attributes, "@evt.id")
        return Listed(event_id, at, our_type(our_types(self.section), kind), is_probe=_PROBE_TAG in _tags(attributes))

    def _by_type(
        self, typed: list[Series], alike: list[int], parts: tuple[Window, ...], window: Window
    ) -> Iterator[Count]:
        """Yield what has a type, by it, and what has none as not split: with its noughts, for they were seen."""
        with_type = _added(typed, len(parts))
        if any(some > every for some, every in zip(with_type, alike, strict=True)):
            raise contradiction(window, "an event has several types, or types count events that the whole does not")
        types = our_types(self.section)
        for one in typed:
            kind = our_type(types, one.group.removeprefix(f"{self.section.type_field}:"))
            yield from (
                accepted(part, number, of=kind) for part, number in zip(parts, one.values, strict=True) if number
            )
        yield from (accepted(part, alike[i] - with_type[i]) for i, part in enumerate(parts))

    def _query(self, verb: str, kind: str, window: Window, names: tuple[str, ...]) -> Mapping[str, Any]:
        attributes: dict[str, Any] = {
            "from": _up_to_millisecond(window.start), "to": _up_to_millisecond(window.end),
            "formulas": [{"formula": name} for name in names], "queries": [self._named(name) for name in names],
        }  # fmt: skip
        if kind == "timeseries":
            attributes["interval"] = int(HOUR.total_seconds()) * 1000
        payload = {"data": {"type": f"{kind}_request", "attributes": attributes}}
        found: Mapping[str, Any] = self._ask(verb, f"/api/v2/query/{kind}", payload, _holds_attributes)["data"]
        return dict(found["attributes"])

    def _named(self, name: str) -> dict[str, Any]:
        sign = "" if name == _PROBES else "-"
        narrowed = f"({self.section.query}) " if self.section.query else ""
        query = {
            "name": name, "data_source": "events", "indexes": ["*"], "compute": {"aggregation": "count"},
            "search": {"query": f"{narrowed}{sign}{_OURS}"},
        }  # fmt: skip
        split = [{"facet": self.section.type_field, "limit": MOST_TYPES}]
        return query | ({"group_by": split} if name == _TYPES else {})

    def _ask(self, verb: str, path: str, payload: object, whole: Callable[[Answer], bool]) -> dict[str, Any]:
        headers = {"dd-api-key": self.api_key, "dd-application-key": self.app_key}
        call = json_call(verb, Effect.READS, "POST", f"{self.api}{path}", headers=headers, payload=payload)
        return self.wire.exchange(call, accepted=whole).fields()


def _added(series: list[Series], hours: int) -> list[int]:
    return [sum(one.values[hour] for one in series) for hour in range(hours)]


def _too_many_types(name: str) -> Rejected:
    return Rejected(
        f"Datadog's events have {MOST_TYPES} or more values of {name}.",
        "It shows no more of them in one answer, so that some types would be missing; nothing was counted.",
        "Name a field with fewer values in type_field, or narrow events down with query.",
        "datadog.counts_too_many_types",
    )


def _holds_attributes(answer: Answer) -> bool:
    data = answer.fields().get("data")
    return succeeded(answer) and isinstance(data, dict) and isinstance(data.get("attributes"), dict)


def _lists_events(answer: Answer) -> bool:
    return succeeded(answer) and isinstance(answer.fields().get("data"), list)


def _tags(attributes: Mapping[str, Any]) -> list[str]:
    tags = attributes.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _value(attributes: Mapping[str, Any], name: str) -> str:
    """Return the value of a tag, or of the attribute that stands at @path.to.it; empty where there is none."""
    if not name.startswith("@"):
        return next((tag.partition(":")[2] for tag in _tags(attributes) if tag.startswith(f"{name}:")), "")
    inner: Any = attributes.get("attributes")
    for step in name.removeprefix("@").split("."):
        inner = inner.get(step) if isinstance(inner, dict) else None
    return "" if inner is None else str(inner)


def _milliseconds(at: datetime, *, up: bool = False) -> str:
    """Return the time with milliseconds, as Datadog reads it; a fraction of one is rounded down, or up."""
    rest = timedelta(microseconds=at.microsecond % 1000)
    whole = at - rest + (timedelta(milliseconds=1) if up and rest else timedelta(0))
    return whole.isoformat(timespec="milliseconds")


def _up_to_millisecond(at: datetime) -> int:
    """Return the first millisecond that is not before: Datadog's times are whole ones, on either side of a cut."""
    return -((datetime(1970, 1, 1, tzinfo=UTC) - at) // timedelta(milliseconds=1))


def connect(
    values: Mapping[str, str], address: str | None, conduct: Conduct, section: ReceivedSection
) -> DatadogCounter:
    """Return a client that counts as the section says.

    Raises:
        BadInput: events are to be listed and no id is named, or a host is not allowed in this environment.
    """
    our_types(section)
    if section.by == "ids" and not section.id_field:
        raise BadInput(
            "by is ids, and id_field is missing.",
            "Datadog's own event ids are not the application's. Nothing was asked.",
            "Name the tag that holds the application's id (event_id), or an attribute (@order.id).",
        )
    wire = Wire(
        "datadog", conduct, signatures=(*COUNT_SIGNATURES[:1], *SIGNATURES, *COUNT_SIGNATURES[1:]),
        published_hosts=PUBLISHED_HOSTS, retry_after=seconds_header("x-ratelimit-reset"),
    )  # fmt: skip
    api = address or api_of(values.get("site", DEFAULT_SITE))
    wire.check_host(api)
    return DatadogCounter(values["api_key"], values["app_key"], api, section, wire)


COUNTING = Counting(
    integration="datadog",
    connect=connect,
    counts="events of the Events Explorer by their own time, an hour at a time; of what Datadog refused or dropped it says nothing",
    unit=Unit.EVENTS,
    clock=Clock.EVENT,
    lists_ids=True,
    type_fields="a tag (event_type), a facet of events (source, status, priority), or an attribute (@order.kind)",
    reporting_lag=timedelta(minutes=15),
    retention=None,
    longest=timedelta(days=8),
    # Events carry the time that our side wrote: what is left is clocks that differ by seconds, and senders that name no time.
    shifts_at_day_end=timedelta(minutes=1),
)
