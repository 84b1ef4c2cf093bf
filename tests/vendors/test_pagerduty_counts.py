"""What PagerDuty received is listed from its log: in UTC, by the second, to the last entry of a page or not at all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import BadInput, Rejected, Unavailable
from domain.event_counts import Count, Fate, Listed, Page
from domain.exchanges import Exchange
from domain.windows import HOUR, Window
from tests.conftest import StandIns
from tests.vendors.counting_at import (
    MICROSECOND,
    MONTH,
    Desk,
    by_type,
    counts,
    cuts_near,
    ids,
    listed,
    pages,
    sent,
    windows_between,
)
from vendors.counting import Counter
from vendors.pagerduty_counts import COUNT_SIGNATURES, COUNTING, SYMPTOMS

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "pagerduty.md"
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
AN_HOUR = Window(NOON, NOON + HOUR)
ENTRY = '{"id":"R1","type":"trigger_log_entry","created_at":"2026-10-05T12:00:00Z","channel":{"type":"api"}}'
# PagerDuty tells entries by the second.
MOMENTS = [NOON + timedelta(microseconds=micros) for micros in (0, 1, 999_999, 1_000_000, 1_999_999)]


@pytest.fixture
def desk(stand_ins: StandIns) -> Desk:
    return Desk(stand_ins, COUNTING)


@pytest.fixture
def counter(desk: Desk) -> Iterator[Counter]:
    with desk.counter(by="ids") as counter:
        yield counter


def test_events_are_counted_by_the_hour_and_not_split_unless_asked(desk: Desk) -> None:
    desk.receive(sent("a", NOON), sent("b", NOON + timedelta(minutes=59), "logout"), sent("c", NOON + HOUR))

    with desk.counter() as counter:
        found = counts(counter)

    assert sorted(found, key=lambda count: count.start) == [
        Count(NOON, HOUR, "", Fate.ACCEPTED, 2),
        Count(NOON + HOUR, HOUR, "", Fate.ACCEPTED, 1),
    ]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"type_field": "class", "types": {"login": "user.login"}}, {"login": 2, "odd": 1}),
        ({"type_field": "severity"}, {"error": 3}),
        ({"type_field": "source"}, {"application": 3}),
        ({"type_field": "component"}, {"": 3}),
    ],
    ids=str,
)
def test_types_are_split_by_a_field_of_the_event(section: dict[str, Any], expected: dict[str, int], desk: Desk) -> None:
    desk.receive(sent("a", NOON, "user.login"), sent("b", NOON, "user.login"), sent("c", NOON, "odd"))

    with desk.counter(**section) as counter:
        assert by_type(counts(counter)) == expected


def test_events_are_listed_by_their_dedup_key_and_a_repeat_is_a_second_event(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON, copies=2), sent("b", NOON))

    found = listed(counter)

    assert ids(found) == ["a", "a", "b"]
    assert Listed("b", NOON, "") in found


def test_an_event_without_an_id_is_listed_under_pagerdutys_own(desk: Desk) -> None:
    desk.receive(sent("a", NOON))

    with desk.counter(by="ids", id_field="custom_details.order") as counter:
        (found,) = listed(counter)

    assert found.event_id.startswith("pagerduty:R")


def test_entries_of_timers_and_people_are_no_events(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON))

    total = desk.stand_ins.control("GET", "/pagerduty/inbox")

    assert len(total) == 1
    assert listed(counter, Window(NOON + HOUR, NOON + 12 * HOUR)) == []


def test_the_first_and_last_microsecond_of_a_month_are_in_it_and_their_neighbours_are_not(
    desk: Desk, counter: Counter
) -> None:
    desk.receive(
        sent("before", MONTH.start - MICROSECOND), sent("first", MONTH.start),
        sent("last", MONTH.end - MICROSECOND), sent("after", MONTH.end),
    )  # fmt: skip

    assert ids(listed(counter)) == ["first", "last"]


def test_bounds_are_sent_in_utc_because_the_accounts_time_zone_would_shift_the_month(
    desk: Desk, counter: Counter
) -> None:
    desk.receive(sent("a", NOON))

    counter.page(AN_HOUR, "")

    (query,) = desk.queries()
    assert "since=2026-10-05T12%3A00%3A00Z&until=2026-10-05T13%3A00%3A00Z&time_zone=UTC" in query


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_adjoining_windows_share_no_event_and_lose_none(served_stand_ins: StandIns, data: st.DataObject) -> None:
    served_stand_ins.control("POST", "/pagerduty/reset")
    desk = Desk(served_stand_ins, COUNTING)
    desk.receive(*(sent(f"e{number}", at) for number, at in enumerate(MOMENTS)))

    with desk.counter(by="ids") as counter:
        found = [
            event for window in windows_between(data.draw(cuts_near(MOMENTS))) for event in listed(counter, window)
        ]

    assert ids(found) == [f"e{number}" for number in range(len(MOMENTS))]


def test_a_window_is_paged_to_the_end_of_its_total(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + timedelta(seconds=number)) for number in range(250)))

    found = pages(counter, AN_HOUR)

    assert [len(page.listed) for page in found] == [100, 100, 50]
    assert len({event.event_id for page in found for event in page.listed}) == 250


def test_more_than_ten_thousand_entries_are_halved_and_not_paged(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + number * MICROSECOND) for number in range(10_000)))
    reachable = counter.page(AN_HOUR, "")
    desk.receive(sent("one more", NOON))

    assert (reachable.is_capped, reachable.cursor, len(reachable.listed)) == (False, "100/10000", 100)
    assert counter.page(AN_HOUR, "") == Page(is_capped=True)


def test_the_last_page_within_reach_is_read(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + number * MICROSECOND) for number in range(10_000)))

    page = counter.page(AN_HOUR, "9900/10000")

    assert (len(page.listed), page.cursor) == (100, "")


def test_pagerdutys_own_word_that_it_is_too_deep_halves_the_window(desk: Desk, counter: Counter) -> None:
    body = '{"error":{"message":"Invalid Input Provided","code":2001,"errors":["Offset+limit exceeds maximum allowed value of 10000."]}}'
    desk.answer_next(status=400, body=body)

    assert counter.page(AN_HOUR, "").is_capped


@pytest.mark.parametrize(
    "body",
    [
        '{"log_entries":[],"total":null,"more":false}',
        '{"log_entries":[],"more":false}',
        '{"log_entries":[],"total":true,"more":false}',
        '{"log_entries":[],"total":1,"more":false}',
        '{"total":0}',
        '{"log_entries":{},"total":0}',
        '{"log_entries":[null],"total":1}',
        f'{{"log_entries":[{ENTRY},{ENTRY}],"total":1}}',
        f'{{"log_entries":[{ENTRY.replace("2026-10-05T12:00:00Z", "noon")}],"total":1}}',
    ],
)
def test_less_or_more_than_the_total_is_no_count(body: str, desk: Desk, counter: Counter) -> None:
    desk.answer_next(status=200, body=body)

    with pytest.raises(Unavailable) as caught:
        counter.page(AN_HOUR, "")

    assert caught.value.symptom == "pagerduty.log_partial"


def test_a_log_that_changed_between_pages_is_no_count(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + number * MICROSECOND) for number in range(150)))
    first = counter.page(AN_HOUR, "")
    desk.receive(sent("late", NOON))

    with pytest.raises(Unavailable, match="150 entries at the first page and holds 151") as caught:
        counter.page(AN_HOUR, first.cursor)

    assert caught.value.symptom == "pagerduty.log_moved"


def test_our_own_probes_are_told_apart_and_our_own_alerts_are_left_out(desk: Desk) -> None:
    desk.act("set_indexing_delay", {"seconds": 0})
    at = _now(desk)
    for dedup_key, source in (("opsflows-verify-n1", "opsflows"), ("verify:prod:slack", "opsflows"), ("a", "app")):
        _send(desk, "trigger", dedup_key, source)

    with desk.counter() as counter:
        found = counts(counter, Window(at - HOUR, at + HOUR))

    assert sorted((count.is_probe, count.events) for count in found) == [(False, 1), (True, 1)]


def test_acknowledging_and_resolving_count_where_the_action_is_the_type(desk: Desk) -> None:
    desk.act("set_indexing_delay", {"seconds": 0})
    at = _now(desk)
    for action in ("trigger", "trigger", "acknowledge", "resolve"):
        _send(desk, action, "a", "app")
    window = Window(at - HOUR, at + HOUR)

    with desk.counter() as triggers, desk.counter(type_field="event_action") as actions:
        assert by_type(counts(triggers, window)) == {"": 2}
        assert by_type(counts(actions, window)) == {"trigger": 2, "acknowledge": 1, "resolve": 1}


def test_only_the_service_counts_unless_the_query_names_others(desk: Desk) -> None:
    other = desk.act("add_service")["service"]
    ours = desk.stand_ins.control("GET", "/pagerduty/credentials")["PAGERDUTY_SERVICE_ID"]
    desk.receive(sent("a", NOON))
    desk.act("receive_many", {"service": other, "events": [sent("b", NOON)]})

    for query, expected in (("", ["a"]), (other, ["b"]), (f"{ours}, {other}", ["a", "b"]), ("*", ["a", "b"])):
        with desk.counter(by="ids", query=query) as counter:
            assert ids(listed(counter, AN_HOUR)) == expected


@pytest.mark.parametrize(
    "section",
    [{"type_field": "colour"}, {"type_field": "custom_details."}, {"id_field": "title"}, {"query": "team:ops"}],
    ids=str,
)
def test_what_pagerduty_cannot_tell_is_refused_before_anything_is_asked(section: dict[str, Any], desk: Desk) -> None:
    with pytest.raises(BadInput), desk.counter(**section):
        pass

    assert desk.queries() == []


def test_without_a_rest_key_nothing_can_be_counted(desk: Desk) -> None:
    with pytest.raises(BadInput, match="PAGERDUTY_API_KEY"), desk.counter(changes={"PAGERDUTY_API_KEY": ""}):
        pass


@pytest.mark.parametrize(
    ("action", "fields", "symptom"),
    [
        ("revoke_api_key", {}, "pagerduty.api_key_unknown"),
        ("set_region", {"region": "eu"}, "pagerduty.api_key_unknown"),
    ],
)
def test_a_refusal_is_no_count(action: str, fields: object, symptom: str, desk: Desk, counter: Counter) -> None:
    desk.act(action, fields)

    with pytest.raises(Rejected) as caught:
        counter.page(MONTH, "")

    assert caught.value.symptom == symptom


@pytest.mark.parametrize(("status", "symptom"), [(402, "pagerduty.plan"), (403, "pagerduty.access_denied")])
def test_what_the_key_may_not_read_is_no_count(status: int, symptom: str, desk: Desk, counter: Counter) -> None:
    desk.answer_next(status=status, body='{"error":{"message":"Access Denied","code":2010}}')

    with pytest.raises(Rejected) as caught:
        counter.page(MONTH, "")

    assert caught.value.symptom == symptom


@pytest.mark.parametrize(("fault", "seconds"), [({"throttle_s": 42}, 42), ({"status": 429, "body": "{}"}, 60)])
def test_a_limit_says_when_to_ask_again_with_or_without_its_header_and_the_page_is_not_repeated(
    fault: dict[str, object], seconds: int, desk: Desk
) -> None:
    evidence: list[Exchange] = []
    desk.answer_next(**fault)

    with desk.counter(evidence) as counter, pytest.raises(Unavailable) as caught:
        counter.page(MONTH, "")

    assert caught.value.symptom == "pagerduty.api_limited"
    assert [(exchange.verb, exchange.status) for exchange in evidence] == [("list_events", 429)]
    assert caught.value.retry_after is not None
    assert caught.value.retry_after <= timedelta(seconds=seconds)


def test_a_month_of_events_is_taken_at_once_and_an_hour_of_it_is_read(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", MONTH.start + number * timedelta(minutes=2)) for number in range(22_320)))

    assert len(listed(counter, AN_HOUR)) == 30


def test_what_pagerduty_did_not_accept_left_no_trace(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON, fate="rate_limited"), sent("b", NOON))

    assert ids(listed(counter)) == ["b"]


def test_every_way_to_fail_is_on_the_integrations_page() -> None:
    rows = [*(row.id for row in COUNT_SIGNATURES), *SYMPTOMS]

    text = PAGE.read_text()
    assert [row for row in rows if f"`{row}`" not in text] == []


def _now(desk: Desk) -> datetime:
    _send(desk, "acknowledge", "nothing", "app")
    return datetime.fromtimestamp(desk.stand_ins.control("GET", "/pagerduty/requests")[-1]["at"], UTC)


def _send(desk: Desk, action: str, dedup_key: str, source: str) -> None:
    held = desk.stand_ins.control("GET", "/pagerduty/credentials")
    payload = {"summary": "disk full", "source": source, "severity": "error"}
    event = {"routing_key": held["PAGERDUTY_ROUTING_KEY"], "event_action": action, "dedup_key": dedup_key}
    answer = httpx.post(f"{desk.stand_ins.url}/pagerduty/v2/enqueue", json={**event, "payload": payload})
    assert answer.status_code == 202, answer.text
