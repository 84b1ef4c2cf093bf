"""Splunk's counts, against its stand-in: every trap of its searches."""

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
from tests.vendors.asking import A_DAY, FIRST_DAYS, counter_of, receive, totals
from tests.vendors.counting_at import counts as counted
from tests.vendors.counting_at import listed, pages
from tests.vendors.rehearsal import connected
from vendors.counting import Counter
from vendors.splunk import INTEGRATION, connect
from vendors.splunk_counts import COUNTING, MOST_GROUPS, MOST_LISTED

ACCEPTED = (NOT_SPLIT, Fate.ACCEPTED, "", False)
PROBES = (NOT_SPLIT, Fate.ACCEPTED, "", True)
BY_TYPE: dict[str, Any] = {"type_field": "event_type", "types": {"payment.failed": "payment_failed"}}
BY_ID: dict[str, Any] = {"by": "ids", "id_field": "event_id"}
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
ROW = {"opsflows_hour": "1790812800", "opsflows_probe": "0", "opsflows_type": "(none)", "count": "5"}
CUTS = st.sets(st.integers(1, 9_999_999), max_size=4)


def event(number: int, at: str, **more: Any) -> dict[str, Any]:
    return {"id": f"app-{number}", "at": at, **more}


def answer_next(stand_ins: StandIns, *lines: object) -> None:
    body = "".join(f"{json.dumps(line)}\n" for line in lines)
    stand_ins.control("POST", "/splunk/faults", {"status": 200, "body": body})


@pytest.fixture
def counter(stand_ins: StandIns) -> Iterator[Counter]:
    with counter_of(stand_ins, COUNTING) as (counter, _):
        yield counter


def test_every_copy_is_counted_by_hour_and_what_was_not_accepted_is_not(counter: Counter, stand_ins: StandIns) -> None:
    receive(
        stand_ins, "splunk",
        event(1, "2026-10-01T10:59:59Z", copies=2),
        event(2, "2026-10-01T11:00:00Z"),
        event(3, "2026-10-01T11:00:00Z", fate="invalid"),
        event(4, "2026-10-01T11:00:00Z", index="main"),
    )  # fmt: skip

    counts = counted(counter, A_DAY)

    assert [(count.start.hour, count.span, count.events) for count in counts] == [(10, HOUR, 2), (11, HOUR, 1)]


def test_a_day_without_events_is_a_nought_that_splunk_wrote(stand_ins: StandIns) -> None:
    with counter_of(stand_ins, COUNTING) as (counter, evidence):
        counts = counted(counter, A_DAY)

    assert [(count.start, count.span, count.events) for count in counts] == [(A_DAY.start, A_DAY.span, 0)]
    assert [exchange.verb for exchange in evidence] == ["count_events", "count_total"]


def test_a_nought_that_is_none_is_no_count(counter: Counter, stand_ins: StandIns) -> None:
    receive(stand_ins, "splunk", event(1, "2026-10-01T10:00:00Z"))

    with pytest.raises(Unavailable, match="no hour with events, and events"):
        counter.page(A_DAY, "total")


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
    receive(stand_ins, "splunk", event(1, at, type="payment_failed"))
    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        found = [*counted(counter, FIRST_DAYS), *listed(counter, FIRST_DAYS)]

    assert sum(getattr(row, "events", 1) for row in found) == is_inside


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=CUTS)
@pytest.mark.parametrize("section", [{}, BY_ID], ids=["counts", "ids"])
def test_adjoining_windows_share_and_lose_no_event(
    cuts: set[int], section: dict[str, Any], stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/splunk/reset")
    start = A_DAY.start + timedelta(minutes=59, seconds=55)
    moments = [start + timedelta(microseconds=n * 333_333) for n in range(30)]
    receive(stand_ins, "splunk", *(event(n, at.isoformat()) for n, at in enumerate(moments)))
    edges = [start + timedelta(microseconds=cut) for cut in sorted({0, 10_000_000, *cuts})]

    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        answered = [page for part in pairwise(edges) for page in pages(counter, Window(*part))]

    ids = [row.event_id for page in answered for row in page.listed]
    assert sorted(ids) == (sorted(f"app-{n}" for n in range(30)) if section else [])
    assert section or sum(count.events for page in answered for count in page.counts) == 30


def test_a_count_of_a_part_of_an_hour_says_which_part(counter: Counter, stand_ins: StandIns) -> None:
    receive(stand_ins, "splunk", event(1, "2026-10-01T10:30:00Z"))
    window = Window(datetime(2026, 10, 1, 10, 15, tzinfo=UTC), datetime(2026, 10, 1, 10, 45, tzinfo=UTC))

    (count,) = counted(counter, window)

    assert (count.start, count.span) == (window.start, timedelta(minutes=30))


def test_hours_and_bounds_are_those_of_the_epoch_whatever_time_zone_the_user_has(
    counter: Counter, stand_ins: StandIns
) -> None:
    counter.page(A_DAY, "")

    asked = stand_ins.control("GET", "/splunk/requests")[-1]["body"]
    assert "earliest_time=1790812800.000000&latest_time=1790899200.000000" in asked
    assert "floor%28_time%2F3600%29%2A3600" in asked
    assert "span" not in asked


@pytest.mark.parametrize("section", [{}, BY_TYPE], ids=["not-split", "types"])
def test_our_probe_is_counted_apart(section: dict[str, Any], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/actions/set_indexing_delay", {"seconds": 0})
    now = datetime.now(UTC)
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        client.send_event(NONCE, now)
    receive(stand_ins, "splunk", event(1, now.isoformat()))
    hour = now.replace(minute=0, second=0, microsecond=0)

    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        found = totals(counted(counter, Window(hour, hour + HOUR)))

    assert found == {ACCEPTED: 1, PROBES: 1}


def test_events_are_split_by_a_field_and_those_without_are_not_split(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "splunk",
        event(1, "2026-10-01T10:00:00Z", type="payment_failed", copies=2),
        event(2, "2026-10-01T10:00:00Z", type="of no type of ours"),
        event(3, "2026-10-01T10:00:00Z"),
        event(4, "2026-10-01T10:00:00Z", fields={"event_type": "payment_failed"}),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, _):
        found = totals(counted(counter, A_DAY))

    assert found == {
        ("payment.failed", Fate.ACCEPTED, "", False): 3,
        ("of no type of ours", Fate.ACCEPTED, "", False): 1,
        ACCEPTED: 1,
    }


def test_an_event_with_several_values_of_the_field_is_counted_once(stand_ins: StandIns) -> None:
    receive(stand_ins, "splunk", event(1, "2026-10-01T10:00:00Z", fields={"kind": "payment_failed\nrefund"}))

    with counter_of(stand_ins, COUNTING, **(BY_TYPE | {"type_field": "kind"})) as (counter, _):
        assert totals(counted(counter, A_DAY)) == {("payment.failed", Fate.ACCEPTED, "", False): 1}


def test_a_query_narrows_down_and_may_name_another_index(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "splunk",
        event(1, "2026-10-01T10:00:00Z", type="signup", index="main"),
        event(2, "2026-10-01T10:00:00Z", type="refund", index="main"),
        event(3, "2026-10-01T10:00:00Z", type="payment_failed", index="main"),
        event(4, "2026-10-01T10:00:00Z", type="signup"),
    )  # fmt: skip
    query = "index=main (event_type=signup OR event_type=refund)"

    with counter_of(stand_ins, COUNTING, query=query) as (counter, _):
        assert totals(counted(counter, A_DAY)) == {ACCEPTED: 2}


def test_events_are_listed_by_the_applications_id_and_every_copy_is_one(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "splunk",
        event(1, "2026-10-01T10:00:00.000001Z", type="payment_failed", copies=2),
        event(2, "2026-10-01T10:00:00Z", fields={"verify": "true"}),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, **BY_TYPE, **BY_ID) as (counter, _):
        found = listed(counter, A_DAY)

    assert [row.event_id for row in found if not row.is_probe] == ["app-1", "app-1"]
    assert {(row.at.microsecond, row.type) for row in found if not row.is_probe} == {(1, "payment.failed")}
    assert [row.event_id for row in found if row.is_probe] == ["app-2"]


def test_events_without_the_applications_id_are_listed_and_none_is_taken_for_another(stand_ins: StandIns) -> None:
    receive(stand_ins, "splunk", event(1, "2026-10-01T10:00:00Z", copies=2))

    with counter_of(stand_ins, COUNTING, by="ids", id_field="order_id") as (counter, _):
        names = [row.event_id for row in listed(counter, A_DAY)]

    assert len(set(names)) == 2
    assert all(name.startswith("no order_id at 2026-10-01T10:00:00") for name in names)


def test_a_list_that_is_too_long_for_one_answer_is_to_be_halved(stand_ins: StandIns) -> None:
    receive(stand_ins, "splunk", event(1, "2026-10-01T10:00:00Z", copies=MOST_LISTED + 1))

    with counter_of(stand_ins, COUNTING, **BY_ID) as (counter, _):
        page = counter.page(A_DAY, "")
        nothing = counter.page(A_DAY.halves()[1], "")

    assert (page.is_capped, page.listed) == (True, ())
    assert (nothing.is_capped, nothing.listed) == (False, ())


def test_as_many_groups_as_splunk_shows_at_most_are_to_be_halved(counter: Counter, stand_ins: StandIns) -> None:
    row = {"preview": False, "result": ROW}
    answer_next(stand_ins, *[row] * (MOST_GROUPS - 1), row | {"lastrow": True})

    assert counter.page(A_DAY, "").is_capped


def test_a_search_that_missed_an_indexer_is_no_count(counter: Counter, stand_ins: StandIns) -> None:
    receive(stand_ins, "splunk", event(1, "2026-10-01T10:00:00Z", copies=10))
    stand_ins.control("POST", "/splunk/actions/set_peer_down", {})

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, "")

    assert caught.value.symptom == "splunk.counts_contradict"
    assert "may have missed something" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "last row"),
        ([{"preview": False, "offset": 0, "result": ROW}], "last row"),
        ([{"preview": True, "offset": 0, "lastrow": True, "result": ROW}], "last row"),
        ([{"preview": False, "lastrow": True, "result": ROW | {"count": ""}}], "no count"),
        ([{"preview": False, "lastrow": True, "result": ROW | {"opsflows_hour": "1790899200"}}], "hour that was not"),
        ([{"preview": False, "messages": [{"type": "ERROR", "text": "x"}]}, {"lastrow": True, "result": ROW}], "missed"),
        (["a line that is no object"], "is cut"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_whole_is_no_count(
    lines: list[object], says: str, counter: Counter, stand_ins: StandIns
) -> None:
    answer_next(stand_ins, *lines)

    with pytest.raises(Unavailable, match=says):
        counter.page(A_DAY, "")


def test_rows_of_a_preview_and_harmless_messages_count_nothing(counter: Counter, stand_ins: StandIns) -> None:
    answer_next(
        stand_ins,
        {"preview": True, "offset": 0, "result": ROW},
        {"preview": False, "messages": [{"type": "INFO", "text": "Your timerange was substituted"}]},
        {"preview": False, "offset": 0, "lastrow": True, "result": ROW},
    )

    assert totals(list(counter.page(A_DAY, "").counts)) == {ACCEPTED: 5}


@pytest.mark.parametrize(
    ("status", "body", "kind", "symptom"),
    [
        (401, "", Rejected, "splunk.search_token_unknown"),
        (403, "", Rejected, "splunk.search_forbidden"),
        (404, "", Rejected, "splunk.no_api"),
        (400, '{"messages":[{"type":"FATAL","text":"Unknown"}]}', Rejected, "splunk.counts_refused"),
        (200, '{"messages":[{"type":"FATAL","text":"Unknown"}]}', Rejected, "splunk.counts_refused"),
        (503, '{"messages":[{"type":"FATAL","text":"search quota reached"}]}', Unavailable, "splunk.counts_quota"),
        (200, '{"messages":[{"type":"FATAL","text":"search quota reached"}]}', Unavailable, "splunk.counts_quota"),
        (429, "", Unavailable, "http.rate_limited"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(
    status: int, body: str, kind: type[OpsError], symptom: str, *, counter: Counter, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/splunk/faults", {"status": status, "body": body})

    with pytest.raises(kind) as caught:
        counter.page(A_DAY, "")

    assert caught.value.symptom == symptom
    assert len(stand_ins.control("GET", "/splunk/requests")) == 1


def test_a_limit_in_front_of_splunk_lasts_as_long_as_it_says(counter: Counter, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/faults", {"status": 429, "headers": {"retry-after": "17"}})

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, "")

    assert caught.value.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"query": "index=main | delete"}, "pipe"),
        ({"query": "index=main [search index=other]"}, "brackets"),
        ({"query": "index=main earliest=-1d"}, "times of its own"),
        ({"by": "ids"}, "id_field is missing"),
        ({"type_field": "a',0),1) | delete"}, "not a field's name"),
        ({"type_field": "kind", "types": {"a": "x", "b": "x"}}, "same value"),
    ],
)
def test_what_no_search_may_hold_is_refused_before_anything_is_asked(
    section: dict[str, Any], says: str, stand_ins: StandIns
) -> None:
    with pytest.raises(BadInput, match=says), counter_of(stand_ins, COUNTING, **section):
        pass


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SPLUNK_TOKEN": "", "SPLUNK_API_URL": ""}, "need SPLUNK_TOKEN and SPLUNK_API_URL"),
        ({"SPLUNK_INDEX": ""}, "names an index"),
    ],
)
def test_a_credential_that_cannot_search_cannot_count(changes: dict[str, str], says: str, stand_ins: StandIns) -> None:
    with pytest.raises(BadInput, match=says), counter_of(stand_ins, COUNTING, changes):
        pass


def test_no_error_and_no_repr_shows_the_token(counter: Counter, stand_ins: StandIns) -> None:
    token = stand_ins.control("GET", "/splunk/credentials")["SPLUNK_TOKEN"]
    stand_ins.control("POST", "/splunk/faults", {"status": 400, "body": token})

    with pytest.raises(OpsError) as caught:
        counter.page(A_DAY, "")

    assert token not in f"{caught.value} {caught.value!r} {counter!r}"
