"""Statuspage's counts, against its stand-in: a list of incidents in numbered pages."""

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
from tests.vendors.counting_at import pages
from tests.vendors.rehearsal import connected
from vendors.counting import Counter
from vendors.statuspage import INTEGRATION, connect
from vendors.statuspage_counts import COUNTING, PAGE_INCIDENTS

ACCEPTED = (NOT_SPLIT, Fate.ACCEPTED, "", False)
PROBES = (NOT_SPLIT, Fate.ACCEPTED, "", True)
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


def event(number: int, at: str, **more: Any) -> dict[str, Any]:
    return {"id": f"incident {number}", "at": at, **more}


@pytest.fixture
def counter(stand_ins: StandIns) -> Iterator[Counter]:
    stand_ins.control("POST", "/statuspage/actions/set_rate_limit", {"calls": 0})
    with counter_of(stand_ins, COUNTING) as (counter, _):
        yield counter


def test_updates_are_counted_by_when_each_was_posted(counter: Counter, stand_ins: StandIns) -> None:
    receive(
        stand_ins, "statuspage",
        event(1, "2026-09-30T23:00:00Z", updates=["2026-10-01T01:30:00Z", "2026-11-02T00:00:00Z"]),
        event(2, "2026-10-01T01:00:00Z", copies=2),
        event(3, "2026-10-01T01:00:00Z", fate="invalid"),
    )  # fmt: skip

    counts = counted(counter, OCTOBER)

    assert [(count.start.hour, count.span, count.events) for count in counts if count.events] == [(1, HOUR, 3)]


def test_every_day_of_the_window_was_seen(counter: Counter) -> None:
    counts = counted(counter, OCTOBER)

    assert [count.start.day for count in counts] == list(range(1, 32))
    assert totals(counts) == {}


@pytest.mark.parametrize(
    ("at", "is_inside"),
    [
        ("2026-09-30T23:59:59.999+00:00", False),
        ("2026-10-01T00:00:00+00:00", True),
        ("2026-10-04T23:59:59.999+00:00", True),
        ("2026-10-05T00:00:00+00:00", False),
        ("2026-10-05T01:30:00+02:00", True),
    ],
)
def test_the_first_and_the_last_moment_of_a_window_belong_to_it_and_its_end_does_not(
    at: str, *, is_inside: bool, counter: Counter, stand_ins: StandIns
) -> None:
    receive(stand_ins, "statuspage", event(1, at))

    assert totals(counted(counter, FIRST_DAYS)) == ({ACCEPTED: 1} if is_inside else {})


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(1, 9_999_999), max_size=4))
def test_adjoining_windows_share_and_lose_no_update(cuts: set[int], counter: Counter, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/statuspage/reset")
    stand_ins.control("POST", "/statuspage/actions/set_rate_limit", {"calls": 0})
    moments = [A_DAY.start + timedelta(milliseconds=n * 333) for n in range(30)]
    receive(stand_ins, "statuspage", *(event(n, at.isoformat()) for n, at in enumerate(moments)))
    edges = [A_DAY.start + timedelta(microseconds=cut) for cut in sorted({0, 10_000_000, *cuts})]

    parts = [totals(counted(counter, Window(*part))) for part in pairwise(edges)]

    assert sum(part.get(ACCEPTED, 0) for part in parts) == 30


def test_the_list_is_read_to_its_end_and_its_first_page_once_more(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "statuspage",
        *(event(n, (A_DAY.start + timedelta(minutes=n)).isoformat()) for n in range(2 * PAGE_INCIDENTS)),
    )  # fmt: skip
    with counter_of(stand_ins, COUNTING) as (counter, evidence):
        found = totals(counted(counter, A_DAY))

    assert found == {ACCEPTED: 2 * PAGE_INCIDENTS}
    assert [exchange.verb for exchange in evidence] == [*["list_incidents"] * 3, "look_again"]


@pytest.mark.parametrize("after_pages", [1, 3])
def test_a_list_that_moved_meanwhile_is_no_count(after_pages: int, counter: Counter, stand_ins: StandIns) -> None:
    receive(
        stand_ins, "statuspage",
        *(event(n, (A_DAY.start + timedelta(minutes=n)).isoformat()) for n in range(2 * PAGE_INCIDENTS)),
    )  # fmt: skip
    cursor = ""
    for _ in range(after_pages):
        cursor = counter.page(A_DAY, cursor).cursor
    receive(stand_ins, "statuspage", event(999, "2026-10-09T00:00:00Z"))

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, cursor)

    assert caught.value.symptom == "statuspage.counts_contradict"


def test_our_incident_is_counted_apart_while_it_is_there(counter: Counter, stand_ins: StandIns) -> None:
    now = datetime.now(UTC)
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        client.send_incident(NONCE, now)
    receive(stand_ins, "statuspage", event(1, now.isoformat()))
    hour = now.replace(minute=0, second=0, microsecond=0)

    assert totals(counted(counter, Window(hour, hour + 2 * HOUR))) == {ACCEPTED: 1, PROBES: 1}


def test_updates_are_split_by_status(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "statuspage",
        event(1, "2026-10-01T01:00:00Z", type="resolved"),
        event(2, "2026-10-01T01:00:00Z", type="monitoring"),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, type_field="status", types={"over": "resolved"}) as (counter, _):
        found = totals(counted(counter, A_DAY))

    assert found == {("over", Fate.ACCEPTED, "", False): 1, ("monitoring", Fate.ACCEPTED, "", False): 1}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"by": "ids"}, "knows no id"),
        ({"type_field": "name"}, "status or impact"),
        ({"query": "x"}, "not narrowed down"),
    ],
)
def test_what_statuspage_cannot_tell_is_refused_before_anything_is_asked(
    section: dict[str, Any], says: str, stand_ins: StandIns
) -> None:
    with pytest.raises(BadInput, match=says), counter_of(stand_ins, COUNTING, **section):
        pass


def test_an_update_without_a_time_is_no_count(counter: Counter, stand_ins: StandIns) -> None:
    body = json.dumps([{"id": "x", "incident_updates": [{"status": "resolved"}]}])
    stand_ins.control("POST", "/statuspage/faults", {"status": 200, "body": body})

    with pytest.raises(Unavailable, match="an update has no time"):
        counter.page(A_DAY, "")


@pytest.mark.parametrize(
    ("status", "kind", "symptom"),
    [
        (401, Rejected, "statuspage.unauthorized"),
        (403, Rejected, "statuspage.forbidden"),
        (404, Rejected, "statuspage.counts_page_not_found"),
        (420, Unavailable, "statuspage.rate_limited"),
        (429, Unavailable, "statuspage.rate_limited"),
    ],
)
def test_a_refusal_is_told_and_not_repeated(
    status: int, kind: type[OpsError], symptom: str, counter: Counter, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/statuspage/faults", {"status": status, "headers": {"retry-after": "9"}})

    with pytest.raises(kind) as caught:
        counter.page(A_DAY, "")

    assert caught.value.symptom == symptom
    assert caught.value.retry_after == (timedelta(seconds=9) if kind is Unavailable else None)
    assert len(stand_ins.control("GET", "/statuspage/requests")) == 1


def test_every_page_is_one_request(counter: Counter, stand_ins: StandIns) -> None:
    answered = pages(counter, A_DAY)

    assert len(answered) == len(stand_ins.control("GET", "/statuspage/requests")) == 2
