"""What Opsgenie received is counted, listed and compared: alerts by the millisecond, each as often as it was raised."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

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
from vendors.opsgenie_counts import COUNT_SIGNATURES, COUNTING, SYMPTOMS

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "opsgenie.md"
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
AN_HOUR = Window(NOON, NOON + HOUR)
ALERT = '{"id":"i","alias":"a","createdAt":"2026-10-05T12:00:00.001Z","count":1,"tags":[]}'
# Opsgenie tells alerts by the millisecond.
MOMENTS = [NOON + timedelta(microseconds=micros) for micros in (0, 1, 999, 1000, 1999, 999_999, 1_000_000)]


@pytest.fixture
def desk(stand_ins: StandIns) -> Desk:
    return Desk(stand_ins, COUNTING)


@pytest.fixture
def counter(desk: Desk) -> Iterator[Counter]:
    with desk.counter(by="ids") as counter:
        yield counter


def test_alerts_are_counted_by_the_hour_and_as_often_as_they_were_raised(desk: Desk) -> None:
    desk.receive(sent("a", NOON, copies=3), sent("b", NOON + timedelta(minutes=59)), sent("c", NOON + HOUR))

    with desk.counter() as counter:
        found = counts(counter)

    assert sorted(found, key=lambda count: count.start) == [
        Count(NOON, HOUR, "", Fate.ACCEPTED, 4),
        Count(NOON + HOUR, HOUR, "", Fate.ACCEPTED, 1),
    ]


def test_a_window_in_which_nothing_was_raised_is_one_question(desk: Desk, counter: Counter) -> None:
    assert pages(counter) == [Page()]
    assert len(desk.queries()) == 1


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"type_field": "tag.event_type", "types": {"login": "user.login"}}, {"login": 2, "odd": 1}),
        ({"type_field": "priority"}, {"P3": 3}),
        ({"type_field": "integration.name"}, {"first": 3}),
        ({"type_field": "tag.colour"}, {"": 3}),
    ],
    ids=str,
)
def test_types_are_split_by_what_a_listed_alert_shows(
    section: dict[str, Any], expected: dict[str, int], desk: Desk
) -> None:
    desk.receive(sent("a", NOON, "user.login"), sent("b", NOON, "user.login"), sent("c", NOON, "odd"))

    with desk.counter(**section) as counter:
        assert by_type(counts(counter)) == expected


def test_alerts_are_listed_by_alias_and_repeats_stand_in_their_copies(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON), sent("b", NOON), sent("a", NOON + HOUR))

    assert sorted(listed(counter), key=lambda event: event.event_id) == [
        Listed("a", NOON, "", copies=2),
        Listed("b", NOON, ""),
    ]


def test_an_alert_without_an_id_is_listed_under_opsgenies_own(desk: Desk) -> None:
    desk.receive(sent("a", NOON))

    with desk.counter(by="ids", id_field="tag.order") as counter:
        (found,) = listed(counter)

    assert found.event_id.startswith("opsgenie:")


def test_the_first_and_last_microsecond_of_a_month_are_in_it_and_their_neighbours_are_not(
    desk: Desk, counter: Counter
) -> None:
    desk.receive(
        sent("before", MONTH.start - MICROSECOND), sent("first", MONTH.start),
        sent("last", MONTH.end - MICROSECOND), sent("after", MONTH.end),
    )  # fmt: skip

    assert ids(listed(counter)) == ["first", "last"]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_adjoining_windows_share_no_alert_and_lose_none(served_stand_ins: StandIns, data: st.DataObject) -> None:
    served_stand_ins.control("POST", "/opsgenie/reset")
    desk = Desk(served_stand_ins, COUNTING)
    desk.receive(*(sent(f"e{number}", at) for number, at in enumerate(MOMENTS)))

    with desk.counter(by="ids") as counter:
        found = [
            event for window in windows_between(data.draw(cuts_near(MOMENTS))) for event in listed(counter, window)
        ]

    assert ids(found) == [f"e{number}" for number in range(len(MOMENTS))]


def test_the_window_is_asked_for_in_milliseconds_with_the_query_in_brackets(desk: Desk) -> None:
    with desk.counter(query="integration.name: first OR source: app") as counter:
        counter.page(Window(NOON + MICROSECOND, NOON + HOUR), "")

    (query,) = parse_qs(desk.queries()[-1])["query"]
    start, end = int(NOON.timestamp() * 1000) + 1, int((NOON + HOUR).timestamp() * 1000)
    assert query == f"createdAt >= {start} AND createdAt < {end} AND (integration.name: first OR source: app)"


def test_the_query_narrows_down_what_counts(desk: Desk) -> None:
    desk.receive(sent("a", NOON), sent("b", NOON, "logout"))

    with desk.counter(by="ids", query="tag: event_type=logout") as counter:
        assert ids(listed(counter)) == ["b"]


def test_a_window_is_paged_to_what_was_counted(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + timedelta(seconds=number)) for number in range(250)))

    found = pages(counter, AN_HOUR)

    assert [(len(page.listed), page.cursor) for page in found] == [
        (0, "0/250"),
        (100, "100/250"),
        (100, "200/250"),
        (50, ""),
    ]


@pytest.mark.parametrize(("alerts", "expected"), [(20_000, Page(cursor="0/20000")), (20_001, Page(is_capped=True))])
def test_more_than_twenty_thousand_alerts_are_halved_and_not_paged(
    alerts: int, expected: Page, desk: Desk, counter: Counter
) -> None:
    desk.receive(*(sent(f"e{number}", NOON + number * timedelta(milliseconds=1)) for number in range(alerts)))

    assert counter.page(AN_HOUR, "") == expected


def test_the_last_page_within_reach_is_read(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + number * timedelta(milliseconds=1)) for number in range(20_000)))

    page = counter.page(AN_HOUR, "19900/20000")

    assert (len(page.listed), page.cursor) == (100, "")


@pytest.mark.parametrize(
    "body", ['{"data":{}}', '{"took":1}', '{"data":{"count":null}}', '{"data":{"count":true}}', '{"data":{"count":-1}}']
)
def test_a_count_that_was_not_told_is_not_zero(body: str, desk: Desk, counter: Counter) -> None:
    desk.answer_next(status=200, body=body)

    with pytest.raises(Unavailable, match="count_events") as caught:
        counter.page(AN_HOUR, "")

    assert caught.value.symptom == "opsgenie.list_partial"


@pytest.mark.parametrize(
    ("body", "symptom"),
    [
        ('{"took":1}', "opsgenie.list_partial"),
        ('{"data":{}}', "opsgenie.list_partial"),
        ('{"data":[null]}', "opsgenie.list_partial"),
        (f'{{"data":[{ALERT.replace("2026-10-05T12:00:00.001Z", "noon")}]}}', "opsgenie.list_partial"),
        (f'{{"data":[{ALERT.replace(":1,", ":0,")}]}}', "opsgenie.list_partial"),
        (f'{{"data":[{ALERT.replace(":1,", ":null,")}]}}', "opsgenie.list_partial"),
        ('{"data":[]}', "opsgenie.list_differs"),
        (f'{{"data":[{ALERT},{ALERT}]}}', "opsgenie.list_differs"),
        (f'{{"data":[{ALERT}],"paging":{{"next":"https://api.opsgenie.com/v2/alerts"}}}}', "opsgenie.list_differs"),
    ],
)
def test_less_or_more_than_was_counted_is_no_count(body: str, symptom: str, desk: Desk, counter: Counter) -> None:
    desk.answer_next(status=200, body=body)

    with pytest.raises(Unavailable) as caught:
        counter.page(AN_HOUR, "0/1")

    assert caught.value.symptom == symptom


def test_our_own_probes_are_told_apart_and_our_own_alerts_are_left_out(desk: Desk) -> None:
    desk.act("set_indexing_delay", {"seconds": 0})
    for alias, source in (("opsflows-verify-n1", "opsflows"), ("verify:prod:slack", "opsflows"), ("a", "app")):
        _send(desk, {"message": "disk full", "alias": alias, "source": source})
    _send(desk, {"message": "another probe", "source": "app", "tags": ["verify=true"]})
    at = datetime.fromtimestamp(desk.stand_ins.control("GET", "/opsgenie/requests")[-1]["at"], UTC)

    with desk.counter() as counter:
        found = counts(counter, Window(at - HOUR, at + HOUR))

    totals = {probe: sum(c.events for c in found if c.is_probe is probe) for probe in (False, True)}
    assert totals == {False: 1, True: 2}


@pytest.mark.parametrize(
    "section", [{"type_field": "entity"}, {"type_field": "tag"}, {"id_field": "details.id"}], ids=str
)
def test_what_a_listed_alert_does_not_show_is_refused_before_anything_is_asked(
    section: dict[str, Any], desk: Desk
) -> None:
    with pytest.raises(BadInput, match=r"alias.*tag\.<name>"), desk.counter(**section):
        pass

    assert desk.queries() == []


@pytest.mark.parametrize("cursor", ["", "0/1"])
def test_a_query_that_opsgenie_cannot_read_is_named_as_the_cause(cursor: str, desk: Desk) -> None:
    with desk.counter(query="count > many") as counter, pytest.raises(Rejected, match=r"opsflows\.toml") as caught:
        counter.page(AN_HOUR, cursor)

    assert caught.value.symptom == "opsgenie.query_unreadable"


@pytest.mark.parametrize("cursor", ["", "0/1"])
@pytest.mark.parametrize(
    ("action", "fields"), [("switch_integration", {"on": False}), ("move_account", {"region": "eu"})]
)
def test_a_refused_key_is_no_count(action: str, fields: object, cursor: str, desk: Desk, counter: Counter) -> None:
    desk.act(action, fields)

    with pytest.raises(Rejected) as caught:
        counter.page(AN_HOUR, cursor)

    assert caught.value.symptom == "opsgenie.unauthorized"


def test_a_key_that_may_not_read_is_no_count(desk: Desk) -> None:
    key = desk.act("mint_integration", {"name": "writes", "rights": ["write"]})["key"]

    with desk.counter(changes={"OPSGENIE_API_KEY": key}) as counter, pytest.raises(Rejected) as caught:
        counter.page(AN_HOUR, "")

    assert caught.value.symptom == "opsgenie.forbidden"


def test_a_limit_names_its_period_and_the_page_is_not_repeated(desk: Desk) -> None:
    evidence: list[Exchange] = []
    desk.answer_next(throttle_s=9)

    with desk.counter(evidence) as counter, pytest.raises(Unavailable) as caught:
        counter.page(AN_HOUR, "")

    assert (caught.value.symptom, caught.value.retry_after) == ("opsgenie.rate_limited", timedelta(seconds=9))
    assert [(exchange.verb, exchange.status) for exchange in evidence] == [("count_events", 429)]


def test_a_month_of_alerts_is_taken_at_once_and_an_hour_of_it_is_read(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", MONTH.start + number * timedelta(minutes=2)) for number in range(22_320)))

    assert len(listed(counter, AN_HOUR)) == 30


def test_what_opsgenie_did_not_accept_left_no_trace(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON, fate="rate_limited"), sent("b", NOON))

    assert ids(listed(counter)) == ["b"]


def test_every_way_to_fail_is_on_the_integrations_page() -> None:
    rows = [*(row.id for row in COUNT_SIGNATURES), *SYMPTOMS]

    text = PAGE.read_text()
    assert [row for row in rows if f"`{row}`" not in text] == []


def _send(desk: Desk, alert: dict[str, object]) -> None:
    key = desk.stand_ins.control("GET", "/opsgenie/credentials")["OPSGENIE_API_KEY"]
    headers = {"authorization": f"GenieKey {key}"}
    assert httpx.post(f"{desk.stand_ins.url}/opsgenie/v2/alerts", json=alert, headers=headers).status_code == 202
