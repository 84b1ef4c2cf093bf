"""Datadog's counts, against its stand-in: every trap of its queries and of its list of events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.event_counts import NOT_SPLIT, Fate
from domain.windows import HOUR, Window
from tests.conftest import StandIns
from tests.vendors.asking import A_DAY, FIRST_DAYS, OCTOBER, counter_of, receive, totals
from tests.vendors.counting_at import counts as counted
from tests.vendors.counting_at import listed, pages
from tests.vendors.rehearsal import connected
from vendors.counting import Counter
from vendors.datadog import INTEGRATION, connect
from vendors.datadog_counts import COUNTING, MOST_TYPES, PAGE_EVENTS

ACCEPTED = (NOT_SPLIT, Fate.ACCEPTED, "", False)
PROBES = (NOT_SPLIT, Fate.ACCEPTED, "", True)
BY_TYPE: dict[str, Any] = {"type_field": "event_type", "types": {"payment.failed": "payment_failed"}}
BY_ID: dict[str, Any] = {"by": "ids", "id_field": "event_id", "type_field": "event_type"}
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


def event(number: int, at: str, **more: Any) -> dict[str, Any]:
    return {"id": f"app-{number}", "at": at, **more}


@pytest.fixture
def counter(stand_ins: StandIns) -> Iterator[Counter]:
    with counter_of(stand_ins, COUNTING) as (counter, _):
        yield counter


def test_every_copy_is_counted_and_what_was_not_accepted_is_not(counter: Counter, stand_ins: StandIns) -> None:
    receive(
        stand_ins, "datadog",
        event(1, "2026-10-01T10:00:00Z", copies=2, type="signup"),
        event(2, "2026-10-04T10:00:00Z"),
        event(3, "2026-10-01T10:00:00Z", fate="rate_limited"),
    )  # fmt: skip

    counts = counted(counter, FIRST_DAYS)

    assert totals(counts) == {ACCEPTED: 3}
    assert len(counts) == 96
    assert {count.span for count in counts} == {HOUR}
    assert [count.start for count in counts if count.events] == [
        datetime(2026, 10, 1, 10, tzinfo=UTC), datetime(2026, 10, 4, 10, tzinfo=UTC),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "is_inside"),
    [
        ("2026-09-30T23:59:59.999999+00:00", False),
        ("2026-10-01T00:00:00+00:00", True),
        ("2026-10-04T23:59:59.999999+00:00", True),
        ("2026-10-05T00:00:00+00:00", False),
        ("2026-10-05T01:30:00+02:00", True),
    ],
)
@pytest.mark.parametrize("section", [{}, BY_TYPE, BY_ID], ids=["counts", "types", "ids"])
def test_the_first_and_the_last_moment_of_a_window_belong_to_it_and_its_end_does_not(
    section: dict[str, Any], at: str, *, is_inside: bool, stand_ins: StandIns
) -> None:
    receive(stand_ins, "datadog", event(1, at, type="payment_failed"))
    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        found = [*counted(counter, FIRST_DAYS), *listed(counter, FIRST_DAYS)]

    assert sum(getattr(row, "events", 1) for row in found) == is_inside


def test_a_count_of_a_part_of_an_hour_says_which_part(counter: Counter, stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", *(event(n, f"2026-10-01T10:{n}:00Z") for n in (14, 15, 44, 45)))
    window = Window(datetime(2026, 10, 1, 10, 15, tzinfo=UTC), datetime(2026, 10, 1, 10, 45, tzinfo=UTC))

    (count,) = counted(counter, window)

    assert (count.start, count.span, count.events) == (window.start, timedelta(minutes=30), 2)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(1, 9_999_999), max_size=4))
def test_adjoining_windows_share_and_lose_no_counted_event(
    cuts: set[int], counter: Counter, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/datadog/reset")
    start = A_DAY.start + timedelta(minutes=59, seconds=55)
    moments = [start + timedelta(microseconds=n * 166_600) for n in range(60)]
    receive(stand_ins, "datadog", *(event(n, at.isoformat()) for n, at in enumerate(moments)))
    edges = [start + timedelta(microseconds=cut) for cut in sorted({0, 10_000_000, *cuts})]

    parts = [totals(counted(counter, Window(*part))) for part in pairwise(edges)]

    assert sum(part.get(ACCEPTED, 0) for part in parts) == 60


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(1, 9_999_999), max_size=4))
def test_adjoining_windows_share_and_lose_no_listed_event(cuts: set[int], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/reset")
    receive(
        stand_ins, "datadog",
        *(event(n, (A_DAY.start + timedelta(milliseconds=n * 333)).isoformat()) for n in range(30)),
    )  # fmt: skip
    edges = [A_DAY.start + timedelta(microseconds=cut) for cut in sorted({0, 10_000_000, *cuts})]

    with counter_of(stand_ins, COUNTING, **BY_ID) as (counter, _):
        found = [row.event_id for part in pairwise(edges) for row in listed(counter, Window(*part))]

    assert sorted(found) == sorted(f"app-{n}" for n in range(30))


@pytest.mark.parametrize("section", [{}, BY_TYPE], ids=["not-split", "types"])
def test_our_probe_is_counted_apart(section: dict[str, Any], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/actions/set_indexing_delay", {"seconds": 0})
    now = datetime.now(UTC)
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        client.send_event(NONCE, now)
    receive(stand_ins, "datadog", event(1, now.isoformat()))
    hour = now.replace(minute=0, second=0, microsecond=0)

    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        found = totals(counted(counter, Window(hour, hour + HOUR)))

    assert found == {ACCEPTED: 1, PROBES: 1}


@pytest.mark.parametrize("field", ["event_type", "@order.kind"])
def test_events_are_split_by_a_tag_or_an_attribute_and_those_without_are_not_split(
    field: str, stand_ins: StandIns
) -> None:
    receive(
        stand_ins, "datadog",
        event(1, "2026-10-01T10:00:00Z", type="payment_failed", copies=2, attributes={"order": {"kind": "payment_failed"}}),
        event(2, "2026-10-02T10:00:00Z", type="of no type of ours", attributes={"order": {"kind": "of no type of ours"}}),
        event(3, "2026-10-02T10:00:00Z"),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, **(BY_TYPE | {"type_field": field})) as (counter, _):
        counts = counted(counter, FIRST_DAYS)

    assert totals(counts) == {
        ("payment.failed", Fate.ACCEPTED, "", False): 2,
        ("of no type of ours", Fate.ACCEPTED, "", False): 1,
        ACCEPTED: 1,
    }


def test_more_types_than_are_shown_by_themselves_are_asked_for(stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", *(event(n, "2026-10-01T10:00:00Z", type=f"type-{n}") for n in range(25)))

    with counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, _):
        found = totals(counted(counter, A_DAY))

    assert len(found) == 25


def test_more_types_than_one_answer_holds_are_no_count(stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", *(event(n, "2026-10-01T10:00:00Z", type=f"type-{n}") for n in range(MOST_TYPES)))

    with (
        counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, _),
        pytest.raises(Rejected, match="1000 or more values of event_type"),
    ):
        pages(counter, A_DAY)


def test_an_event_with_two_types_is_no_count(stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", event(1, "2026-10-01T10:00:00Z", type="one", tags=["event_type:two"]))

    with (
        counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, _),
        pytest.raises(Unavailable, match="an event has several types"),
    ):
        pages(counter, A_DAY)


def test_a_query_narrows_down_what_is_counted(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "datadog",
        event(1, "2026-10-01T10:00:00Z", type="signup"),
        event(2, "2026-10-01T10:00:00Z", type="payment_failed"),
        event(3, "2026-10-01T10:00:00Z", type="refund"),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, query="event_type:signup OR event_type:refund") as (counter, _):
        assert totals(counted(counter, A_DAY)) == {ACCEPTED: 2}


def test_a_larger_interval_than_was_asked_for_means_that_the_window_is_to_be_halved(counter: Counter) -> None:
    ninety_days = Window(OCTOBER.start, OCTOBER.start + timedelta(days=90))

    first = counter.page(ninety_days, "")

    page = counter.page(ninety_days, first.cursor)

    assert page.is_capped
    assert page.counts == ()


def test_the_longest_window_is_shown_hour_by_hour(counter: Counter) -> None:
    window = Window(OCTOBER.start, OCTOBER.start + COUNTING.longest)

    assert len(counted(counter, window)) == COUNTING.longest / HOUR


def answer_next(stand_ins: StandIns, body: object) -> None:
    stand_ins.control("POST", "/datadog/faults", {"status": 200, "body": json.dumps(body)})


HOURS_MS = [int(A_DAY.start.timestamp() + 3600 * hour) * 1000 for hour in range(24)]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"times": HOURS_MS[:23], "series": [{"query_index": 0}], "values": [[0] * 23]},
        {"times": HOURS_MS, "series": [{"query_index": 0}], "values": []},
        {"times": HOURS_MS, "series": [{"query_index": 0}], "values": [[0] * 23]},
        {"times": HOURS_MS, "series": [{"query_index": 0}], "values": [["many"] * 24]},
        {"times": [at + 1 for at in HOURS_MS], "series": [{"query_index": 0}], "values": [[0] * 24]},
    ],
    ids=["nothing", "an-hour-less", "no-values", "a-value-less", "words", "shifted"],
)
def test_an_answer_of_other_hours_is_no_count(attributes: object, counter: Counter, stand_ins: StandIns) -> None:
    first = counter.page(A_DAY, "")
    answer_next(stand_ins, {"data": {"type": "timeseries_response", "attributes": attributes}})

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, first.cursor)

    assert caught.value.symptom == "datadog.counts_contradict"


def test_hours_that_are_not_the_whole_are_no_count(counter: Counter, stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", event(1, "2026-10-01T10:00:00Z"))
    first = counter.page(A_DAY, "")
    answer_next(stand_ins, {"data": {"attributes": {"times": [], "series": [], "values": []}}})

    with pytest.raises(Unavailable, match="its hours have 0 events together, and the window 1"):
        counter.page(A_DAY, first.cursor)


@pytest.mark.parametrize("meta", [{"status": "timeout"}, {"status": "done", "warnings": [{"code": "x"}]}])
def test_a_list_that_says_it_is_not_whole_is_no_list(meta: object, stand_ins: StandIns) -> None:
    answer_next(stand_ins, {"data": [], "meta": meta})

    with (
        counter_of(stand_ins, COUNTING, **BY_ID) as (counter, _),
        pytest.raises(Unavailable, match="not whole"),
    ):
        counter.page(A_DAY, "")


def test_events_are_listed_by_the_applications_id_page_after_page(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "datadog",
        *(event(n, f"2026-10-01T10:00:{n % 60:02}Z", type="payment_failed") for n in range(PAGE_EVENTS + 5)),
        event(1, "2026-10-01T10:00:00Z", type="payment_failed"),
        event(9999, "2026-10-01T10:00:00Z", tags=["verify:true"]),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, **(BY_TYPE | {"by": "ids", "id_field": "event_id"})) as (
        counter,
        _,
    ):
        answered = pages(counter, A_DAY)

    found = [row for page in answered for row in page.listed]
    assert [len(page.listed) for page in answered] == [PAGE_EVENTS, 7]
    assert sorted(row.event_id for row in found if not row.is_probe) == sorted(
        ["app-1", *(f"app-{n}" for n in range(PAGE_EVENTS + 5))]
    )
    assert {row.type for row in found if not row.is_probe} == {"payment.failed"}
    assert [row.event_id for row in found if row.is_probe] == ["app-9999"]


@pytest.mark.parametrize(("field", "expected"), [("@order.id", "app-7"), ("@evt.name", "an event")])
def test_an_id_may_stand_in_an_attribute(field: str, expected: str, stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", event(7, "2026-10-01T10:00:00Z"))

    with counter_of(stand_ins, COUNTING, by="ids", id_field=field) as (counter, _):
        assert [row.event_id for row in listed(counter, A_DAY)] == [expected]


def test_an_event_without_the_applications_id_is_listed_under_datadogs_own(stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", event(7, "2026-10-01T10:00:00Z"))

    with counter_of(stand_ins, COUNTING, by="ids", id_field="order") as (counter, _):
        (found,) = listed(counter, A_DAY)

    assert found.event_id.isdecimal()


def test_a_list_needs_the_name_of_the_applications_id(stand_ins: StandIns) -> None:
    with (
        pytest.raises(BadInput, match="id_field is missing"),
        counter_of(stand_ins, COUNTING, by="ids"),
    ):
        pass


def test_two_types_with_one_value_are_refused(stand_ins: StandIns) -> None:
    with (
        pytest.raises(BadInput, match="same value: x"),
        counter_of(stand_ins, COUNTING, type_field="event_type", types={"a": "x", "b": "x"}),
    ):
        pass


@pytest.mark.parametrize(
    ("status", "body", "kind", "symptom"),
    [
        (401, "", Rejected, "datadog.unauthorized"),
        (403, '{"errors":["Invalid API key or Application key"]}', Rejected, "datadog.counts_key"),
        (403, '{"errors":["Forbidden","Failed permission authorization checks"]}', Rejected, "datadog.permission"),
        (403, '{"errors":["Forbidden"]}', Rejected, "datadog.key_unknown"),
        (400, "Queries ending outside the retention date are invalid", Rejected, "datadog.past_retention"),
        (400, '{"errors":["Invalid query"]}', Rejected, "datadog.counts_refused"),
        (429, "", Unavailable, "datadog.rate_limited"),
        (503, "", Unavailable, "http.server_error"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(
    status: int, body: str, kind: type[OpsError], symptom: str, *, counter: Counter, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/datadog/faults", {"status": status, "body": body})

    with pytest.raises(kind) as caught:
        counter.page(A_DAY, "")

    assert caught.value.symptom == symptom
    assert len(stand_ins.control("GET", "/datadog/requests")) == 1


def test_a_limit_lasts_as_long_as_datadog_says(counter: Counter, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/actions/set_rate_limit", {"name": "metrics_query", "calls": 1, "period_s": 60})
    first = counter.page(A_DAY, "")

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, first.cursor)

    assert caught.value.retry_after is not None
    assert timedelta(seconds=50) < caught.value.retry_after <= timedelta(seconds=60)


def test_every_page_is_one_request(stand_ins: StandIns) -> None:
    with counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, evidence):
        answered = pages(counter, FIRST_DAYS)

    assert [exchange.verb for exchange in evidence] == ["count_total", "count_events"]
    assert len(answered) == len(evidence)


def test_no_error_and_no_repr_shows_a_key(counter: Counter, stand_ins: StandIns) -> None:
    given = stand_ins.control("GET", "/datadog/credentials")
    keys = (given["DD_API_KEY"], given["DD_APP_KEY"])
    stand_ins.control("POST", "/datadog/faults", {"status": 400, "body": " ".join(keys)})

    with pytest.raises(OpsError) as caught:
        counter.page(A_DAY, "")

    assert not any(key in f"{caught.value} {caught.value!r} {counter!r}" for key in keys)
