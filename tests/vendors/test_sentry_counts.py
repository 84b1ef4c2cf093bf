"""Sentry's counts, against its stand-in: every trap of its statistics and of its table of events."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.event_counts import NOT_SPLIT, Fate, Page
from domain.windows import HOUR, Window
from tests.conftest import StandIns
from tests.vendors.asking import A_DAY, FIRST_DAYS, OCTOBER, counter_of, receive, totals
from tests.vendors.counting_at import counts as counted
from tests.vendors.counting_at import listed, pages
from tests.vendors.rehearsal import connected
from vendors.count_rows import hours_touched
from vendors.counting import Counter
from vendors.sentry import INTEGRATION, connect
from vendors.sentry_counts import COUNTING, MOST_ROWS, without_probes
from vendors.sentry_outcomes import FATES, outcomes
from vendors.sentry_signatures import COUNT_SIGNATURES

ACCEPTED = (NOT_SPLIT, Fate.ACCEPTED, "", False)
PROBES = (NOT_SPLIT, Fate.ACCEPTED, "", True)
BY_TYPE: dict[str, Any] = {"type_field": "event_type", "types": {"payment.failed": "payment_failed"}}
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


def event(number: int, at: str, **more: Any) -> dict[str, Any]:
    return {"id": f"{number:032x}", "at": at, **more}


@pytest.fixture
def counter(stand_ins: StandIns) -> Iterator[Counter]:
    with counter_of(stand_ins, COUNTING) as (counter, _):
        yield counter


def test_what_became_of_events_is_counted_with_sentrys_reasons(counter: Counter, stand_ins: StandIns) -> None:
    receive(
        stand_ins, "sentry",
        event(1, "2026-10-01T10:00:00Z", copies=2),
        event(2, "2026-10-01T10:00:00Z"),
        event(3, "2026-10-01T10:00:00Z", fate="filtered", reason="error-message"),
        event(4, "2026-10-01T10:00:00Z", fate="rate_limited", reason="key_quota"),
        event(5, "2026-10-01T10:00:00Z", fate="client_discard", reason="queue_overflow"),
        event(6, "2026-10-01T10:00:00Z", fate="abuse", reason="project_abuse_limit"),
        event(7, "2026-10-01T10:00:00Z", fate="invalid", reason="cors"),
    )  # fmt: skip

    counts = counted(counter, FIRST_DAYS)

    assert totals(counts) == {
        ACCEPTED: 2,
        (NOT_SPLIT, Fate.DEDUPLICATED, "duplicate", False): 1,
        (NOT_SPLIT, Fate.FILTERED, "error-message", False): 1,
        (NOT_SPLIT, Fate.RATE_LIMITED, "key_quota", False): 1,
        (NOT_SPLIT, Fate.CLIENT_DROPPED, "queue_overflow", False): 1,
        (NOT_SPLIT, Fate.REFUSED, "project_abuse_limit", False): 1,
        (NOT_SPLIT, Fate.INVALID, "cors", False): 1,
    }
    assert {count.span for count in counts} == {HOUR}


def test_an_hour_without_events_is_counted_as_nought(counter: Counter) -> None:
    counts = counted(counter, A_DAY)

    assert [(count.events, count.fate) for count in counts] == [(0, Fate.ACCEPTED)] * 24
    assert counts[0].start == A_DAY.start


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
@pytest.mark.parametrize("section", [{}, BY_TYPE, {"by": "ids"}], ids=["outcomes", "types", "ids"])
def test_the_first_and_the_last_moment_of_a_window_belong_to_it_and_its_end_does_not(
    section: dict[str, Any], at: str, *, is_inside: bool, stand_ins: StandIns
) -> None:
    receive(stand_ins, "sentry", event(1, at, type="payment_failed"))
    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        found = [*counted(counter, FIRST_DAYS), *listed(counter, FIRST_DAYS)]

    assert sum(getattr(row, "events", 1) for row in found) == is_inside


def test_the_end_is_asked_for_a_second_early_because_sentry_includes_it(counter: Counter, stand_ins: StandIns) -> None:
    pages(counter, FIRST_DAYS)

    asked = stand_ins.control("GET", "/sentry/requests")[-1]["query"]
    assert "end=2026-10-04T23%3A59%3A59Z" in asked
    assert "interval=1h" in asked


@pytest.mark.parametrize(
    ("start_minute", "end_minute", "events"), [(-30, 30, 1), (0, 30, 1), (30, 60, 0), (30, 90, 1), (30, 31, 0)]
)
def test_an_hour_belongs_to_the_window_in_which_it_begins(
    start_minute: int, end_minute: int, events: int, counter: Counter, stand_ins: StandIns
) -> None:
    receive(stand_ins, "sentry", event(1, "2026-10-01T00:45:00Z"), event(2, "2026-10-01T01:45:00Z"))
    window = Window(*(A_DAY.start + timedelta(minutes=minute) for minute in (start_minute, end_minute)))

    found = totals(counted(counter, window))

    assert found.get(ACCEPTED, 0) == events


def test_a_window_in_which_no_hour_begins_is_not_asked_for(counter: Counter, stand_ins: StandIns) -> None:
    page = counter.page(Window(A_DAY.start + timedelta(minutes=1), A_DAY.start + HOUR), "")

    assert page == Page()
    assert stand_ins.control("GET", "/sentry/requests") == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(1, 96 * 3_600_000_000 - 1), max_size=4))
def test_adjoining_windows_share_and_lose_no_outcome(cuts: set[int], counter: Counter, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/reset")
    receive(stand_ins, "sentry", *(event(n, f"2026-10-0{n % 4 + 1}T{n % 24:02}:59:59.999999Z") for n in range(60)))
    edges = [FIRST_DAYS.start + timedelta(microseconds=cut) for cut in sorted({0, 96 * 3_600_000_000, *cuts})]

    parts = [totals(counted(counter, Window(*part))) for part in pairwise(edges)]

    assert sum(part.get(ACCEPTED, 0) for part in parts) == 60


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(1, 9_999_999), max_size=4))
def test_adjoining_windows_share_and_lose_no_listed_event(cuts: set[int], stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/reset")
    receive(
        stand_ins, "sentry",
        *(event(n, (A_DAY.start + timedelta(microseconds=n * 333_333)).isoformat()) for n in range(30)),
    )  # fmt: skip
    edges = [A_DAY.start + timedelta(microseconds=cut) for cut in sorted({0, 10_000_000, *cuts})]

    with counter_of(stand_ins, COUNTING, by="ids") as (counter, _):
        found = [row.event_id for part in pairwise(edges) for row in listed(counter, Window(*part))]

    assert sorted(found) == sorted(f"{n:032x}" for n in range(30))


def test_our_probes_are_counted_apart_and_taken_out_of_the_accepted_ones(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        now = datetime.now(UTC)
        client.send_event(NONCE, now)
        client.raise_error("0" * 32, now)
        stand_ins.control("POST", "/clock", {"offset_s": 1})
        receive(stand_ins, "sentry", event(1, now.isoformat()))
    hour = now.replace(minute=0, second=0, microsecond=0)

    with counter_of(stand_ins, COUNTING) as (counter, _):
        found = totals(counted(counter, Window(hour, hour + 2 * HOUR)))

    assert found == {ACCEPTED: 1, PROBES: 2}


def test_a_probe_that_was_received_in_the_next_hour_is_taken_out_there() -> None:
    hours = tuple(A_DAY.start + HOUR * number for number in range(3))

    left = without_probes(hours, (0, 5, 5), {int(hours[0].timestamp()): 1, int(hours[2].timestamp()): 1})

    assert list(left) == [0, 4, 4]


def test_kept_events_are_split_by_a_tag_and_what_was_not_kept_is_not_split(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "sentry",
        event(1, "2026-10-01T10:00:00Z", type="payment_failed"),
        event(2, "2026-10-02T10:00:00Z", type="payment_failed"),
        event(3, "2026-10-02T10:00:00Z", type="of no type of ours"),
        event(4, "2026-10-02T10:00:00Z"),
        event(5, "2026-10-02T10:00:00Z", type="payment_failed", fate="filtered", reason="browser-extensions"),
        event(6, "2026-10-02T10:00:00Z", tags={"verify": "true"}),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, _):
        counts = counted(counter, FIRST_DAYS)

    assert totals(counts) == {
        ("payment.failed", Fate.ACCEPTED, "", False): 2,
        ("of no type of ours", Fate.ACCEPTED, "", False): 1,
        ACCEPTED: 1,
        PROBES: 1,
        (NOT_SPLIT, Fate.FILTERED, "browser-extensions", False): 1,
    }


def test_a_search_narrows_kept_events_down_and_says_nothing_of_lost_ones(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "sentry",
        event(1, "2026-10-01T10:00:00Z", type="payment_failed"),
        event(2, "2026-10-01T10:00:00Z", type="signup"),
        event(3, "2026-10-02T10:00:00Z", fate="filtered"),
    )  # fmt: skip

    with counter_of(stand_ins, COUNTING, query="event_type:payment_failed", **BY_TYPE) as (counter, _):
        found = totals(counted(counter, FIRST_DAYS))

    assert found == {("payment.failed", Fate.ACCEPTED, "", False): 1}


def test_outcomes_are_split_by_category(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "sentry",
        event(1, "2026-10-01T10:00:00Z"),
        event(2, "2026-10-01T10:00:00Z", category="default"),
        event(3, "2026-10-01T10:00:00Z", category="span", fate="rate_limited", reason="quota"),
        event(4, "2026-10-01T10:00:00Z", category="attachment"),
        event(5, "2026-10-01T10:00:00Z", tags={"verify": "true"}),
    )  # fmt: skip
    section: dict[str, Any] = {"type_field": "category", "types": {"failures": "error", "spans": "span"}}

    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        found = totals(counted(counter, FIRST_DAYS))

    assert found == {
        ("failures", Fate.ACCEPTED, "", False): 2,
        ("failures", Fate.ACCEPTED, "", True): 1,
        ("spans", Fate.RATE_LIMITED, "quota", False): 1,
    }


def test_events_are_listed_by_a_tag_page_after_page_and_probes_are_marked(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "sentry",
        *({"id": f"app-{n}", "at": f"2026-10-01T10:00:{n % 60:02}Z", "type": "signup"} for n in range(250)),
        event(1, "2026-10-01T10:00:00Z", tags={"verify": "true"}),
    )  # fmt: skip
    section: dict[str, Any] = {"by": "ids", "id_field": "event_id", "type_field": "event_type"}

    with counter_of(stand_ins, COUNTING, **section) as (counter, _):
        answered = pages(counter, A_DAY)

    found = [row for page in answered for row in page.listed]
    assert [len(page.listed) for page in answered] == [0, 100, 100, 51]
    assert {row.event_id for row in found if not row.is_probe} == {f"app-{n}" for n in range(250)}
    assert [row.event_id for row in found if row.is_probe] == [f"{1:032x}"]
    assert {row.type for row in found if not row.is_probe} == {"signup"}


def test_an_event_without_the_tag_is_listed_under_sentrys_own_id(stand_ins: StandIns) -> None:
    receive(stand_ins, "sentry", event(7, "2026-10-01T10:00:00Z"))

    with counter_of(stand_ins, COUNTING, by="ids", id_field="order_id") as (counter, _):
        assert [row.event_id for row in listed(counter, A_DAY)] == [f"{7:032x}"]


def test_a_list_that_is_too_long_to_be_paged_is_to_be_halved(stand_ins: StandIns) -> None:
    receive(stand_ins, "sentry", *(event(n, "2026-10-01T10:00:00Z") for n in range(MOST_ROWS + 1)))

    with counter_of(stand_ins, COUNTING, by="ids") as (counter, _):
        last = counter.page(A_DAY, "")

    assert last.is_capped
    assert last.listed == ()


@pytest.mark.parametrize(
    "change",
    [
        {"start": "2026-10-01T01:00:00Z"},
        {"end": "2026-10-03T00:00:00Z"},
        {"intervals": []},
        {"groups": [{"by": {"outcome": "accepted"}, "totals": {"sum(quantity)": 3}, "series": {"sum(quantity)": [2] + [0] * 23}}]},
        {"groups": [{"by": {"outcome": "accepted"}, "totals": {"sum(quantity)": 3}}]},
        {"groups": [{"by": {"outcome": "a new one"}, "totals": {"sum(quantity)": 0}, "series": {"sum(quantity)": [0] * 24}}]},
    ],
    ids=["start", "end", "hours", "sum", "no-series", "outcome"],
)  # fmt: skip
def test_an_answer_that_does_not_add_up_is_no_count(
    change: dict[str, Any], counter: Counter, stand_ins: StandIns
) -> None:
    hours = [f"2026-10-01T{hour:02}:00:00Z" for hour in range(24)]
    whole = {"start": hours[0], "end": "2026-10-02T00:00:00Z", "intervals": hours, "groups": []}
    first = counter.page(A_DAY, "")
    stand_ins.control("POST", "/sentry/faults", {"status": 200, "body": json.dumps(whole | change)})

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, first.cursor)

    assert caught.value.symptom == "sentry.counts_contradict"


@pytest.mark.parametrize(("answered", "is_taken"), [(timedelta(minutes=-5), True), (timedelta(0), False)])
def test_a_part_of_an_hour_counts_while_the_hour_is_not_over(answered: timedelta, *, is_taken: bool) -> None:
    hours = hours_touched(A_DAY)
    said = {"start": A_DAY.start.isoformat(), "end": (A_DAY.end - timedelta(minutes=5)).isoformat(), "groups": []}
    said |= {"intervals": [hour.isoformat() for hour in hours]}

    with nullcontext() if is_taken else pytest.raises(Unavailable, match="its end"):
        assert outcomes(said, A_DAY, hours, A_DAY.end + answered) == ()


def test_a_table_that_does_not_say_what_follows_is_no_count(counter: Counter, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/faults", {"status": 200, "body": json.dumps({"data": []})})

    with pytest.raises(Unavailable, match="no link says whether more rows follow"):
        counter.page(A_DAY, "")


def test_a_list_that_ends_before_all_counted_events_is_no_list(stand_ins: StandIns) -> None:
    receive(stand_ins, "sentry", event(1, "2026-10-01T10:00:00Z"))
    with counter_of(stand_ins, COUNTING, by="ids") as (counter, _):
        first = counter.page(A_DAY, "")
        nothing_follows = {"link": '<x>; rel="next"; results="false"; cursor="0:100:0"'}
        body = json.dumps({"data": []})
        stand_ins.control("POST", "/sentry/faults", {"status": 200, "body": body, "headers": nothing_follows})

        with pytest.raises(Unavailable, match="1 more events were to be listed, and 0 were"):
            counter.page(A_DAY, first.cursor)


@pytest.mark.parametrize("row", COUNT_SIGNATURES, ids=lambda row: row.id)
def test_a_refusal_is_told_and_not_repeated(row: Any, counter: Counter, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/faults", {"status": min(row.statuses), "body": f"{{{row.marker}}}"})

    with pytest.raises(row.kind.value) as caught:
        counter.page(A_DAY, "")

    assert caught.value.symptom == row.id
    assert len(stand_ins.control("GET", "/sentry/requests")) == 1


def test_a_limit_lasts_until_the_moment_that_sentry_names(counter: Counter, stand_ins: StandIns) -> None:
    reset = str(int(datetime.now(UTC).timestamp()) + 20)
    stand_ins.control("POST", "/sentry/faults", {"status": 429, "headers": {"x-sentry-rate-limit-reset": reset}})

    with pytest.raises(Unavailable) as caught:
        counter.page(A_DAY, "")

    assert caught.value.retry_after is not None
    assert timedelta(seconds=10) < caught.value.retry_after <= timedelta(seconds=20)


def test_a_token_that_may_not_count_is_told_which_scope_it_lacks(stand_ins: StandIns) -> None:
    narrow = stand_ins.control("POST", "/sentry/actions/mint_token", {"scopes": ["project:read"]})["token"]

    with (
        counter_of(stand_ins, COUNTING, {"SENTRY_AUTH_TOKEN": narrow}) as (counter, _),
        pytest.raises(Rejected, match="org:read") as caught,
    ):
        counter.page(A_DAY, "")

    assert caught.value.symptom == "sentry.counts_scope_missing"


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"type_field": "category", "types": {"a": "error"}, "by": "ids"}, "lists no event with its category"),
        ({"type_field": "category"}, "names none of Sentry's categories"),
        ({"query": "level:error"}, "cannot be narrowed down"),
    ],
)
def test_what_sentry_cannot_tell_is_refused_before_anything_is_asked(
    section: dict[str, Any], says: str, stand_ins: StandIns
) -> None:
    with pytest.raises(BadInput, match=says), counter_of(stand_ins, COUNTING, **section):
        pass


def test_a_credential_that_cannot_read_cannot_count(stand_ins: StandIns) -> None:
    nothing = {"SENTRY_AUTH_TOKEN": "", "SENTRY_ORG": "", "SENTRY_PROJECT": ""}

    with pytest.raises(BadInput, match="org:read"), counter_of(stand_ins, COUNTING, nothing):
        pass


def test_every_page_is_one_request(stand_ins: StandIns) -> None:
    with counter_of(stand_ins, COUNTING, **BY_TYPE) as (counter, evidence):
        answered = pages(counter, OCTOBER)

    assert [exchange.verb for exchange in evidence] == ["count_probes", "count_types", "count_outcomes"]
    assert len(answered) == len(evidence)


def test_every_outcome_of_sentry_has_a_fate() -> None:
    assert set(FATES) == {
        "accepted", "filtered", "rate_limited", "invalid", "abuse", "client_discard", "cardinality_limited",
    }  # fmt: skip


def test_no_error_shows_the_token(counter: Counter, stand_ins: StandIns) -> None:
    token = stand_ins.control("GET", "/sentry/credentials")["SENTRY_AUTH_TOKEN"]
    stand_ins.control("POST", "/sentry/faults", {"status": 400, "body": token})

    with pytest.raises(OpsError) as caught:
        counter.page(A_DAY, "")

    assert token not in f"{caught.value} {caught.value!r} {counter!r}"
