"""What Slack received is listed from the channel's history, to the microsecond, and nothing less than a whole page counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.event_counts import Count, Fate, Listed
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
from vendors.slack_counts import COUNT_SIGNATURES, COUNTING, SYMPTOMS

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "slack.md"
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
DAY = Window(NOON - 12 * HOUR, NOON + 12 * HOUR)
MOMENTS = [NOON + timedelta(microseconds=micros) for micros in (0, 1, 999, 1000, 500_000, 999_999, 1_000_000)]


@pytest.fixture
def desk(stand_ins: StandIns) -> Desk:
    return Desk(stand_ins, COUNTING)


@pytest.fixture
def counter(desk: Desk) -> Iterator[Counter]:
    with desk.counter(by="ids") as counter:
        yield counter


def test_messages_are_counted_by_the_hour_and_not_split_unless_asked(desk: Desk) -> None:
    desk.receive(sent("a", NOON), sent("b", NOON + timedelta(minutes=59), "logout"), sent("c", NOON + HOUR))

    with desk.counter() as counter:
        found = counts(counter)

    assert sorted(found, key=lambda count: count.start) == [
        Count(NOON, HOUR, "", Fate.ACCEPTED, 2),
        Count(NOON + HOUR, HOUR, "", Fate.ACCEPTED, 1),
    ]


@pytest.mark.parametrize("field", ["metadata.event_type", "text.event_type"])
def test_types_are_split_by_what_the_application_says_of_its_message(field: str, desk: Desk) -> None:
    desk.receive(sent("a", NOON, "user.login"), sent("b", NOON, "user.login"), sent("c", NOON, "odd"))

    with desk.counter(type_field=field, types={"login": "user.login"}) as counter:
        found = by_type(counts(counter))

    assert found == {"login": 2, "odd": 1}


@pytest.mark.parametrize("field", ["", "metadata.event_id", "text.event_id"])
def test_messages_are_listed_by_the_applications_id(field: str, desk: Desk) -> None:
    desk.receive(sent("a", NOON), sent("b", NOON + MICROSECOND))

    with desk.counter(by="ids", id_field=field) as counter:
        found = listed(counter)

    assert found[::-1] == [Listed("a", NOON, ""), Listed("b", NOON + MICROSECOND, "")]


def test_slack_merges_nothing_so_each_copy_is_listed(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON, copies=3))

    assert ids(listed(counter)) == ["a", "a", "a"]


def test_a_message_without_an_id_is_listed_under_slacks_own(desk: Desk) -> None:
    desk.receive(sent("a", NOON))

    with desk.counter(by="ids", id_field="metadata.order") as counter:
        (found,) = listed(counter)

    assert found.event_id == f"slack:{int(NOON.timestamp())}.000000"


def test_the_first_and_last_microsecond_of_a_month_are_in_it_and_their_neighbours_are_not(
    desk: Desk, counter: Counter
) -> None:
    desk.receive(
        sent("before", MONTH.start - MICROSECOND), sent("first", MONTH.start),
        sent("last", MONTH.end - MICROSECOND), sent("after", MONTH.end),
    )  # fmt: skip

    assert ids(listed(counter)) == ["first", "last"]


def test_a_month_is_paged_to_its_end_by_cursors(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", NOON + number * MICROSECOND) for number in range(2500)))

    found = pages(counter)

    assert [len(page.listed) for page in found] == [999, 999, 502]
    assert not any(page.is_capped for page in found)
    assert len({event.event_id for page in found for event in page.listed}) == 2500


def test_smaller_pages_than_asked_for_are_followed_as_well(desk: Desk, counter: Counter) -> None:
    desk.act("limit_history", {"messages": 15})
    desk.receive(*(sent(f"e{number}", NOON + number * MICROSECOND) for number in range(40)))

    assert [len(page.listed) for page in pages(counter)] == [15, 15, 10]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_adjoining_windows_share_no_event_and_lose_none(served_stand_ins: StandIns, data: st.DataObject) -> None:
    served_stand_ins.control("POST", "/slack/reset")
    desk = Desk(served_stand_ins, COUNTING)
    desk.receive(*(sent(f"e{number}", at) for number, at in enumerate(MOMENTS)))

    with desk.counter(by="ids") as counter:
        found = [
            event for window in windows_between(data.draw(cuts_near(MOMENTS))) for event in listed(counter, window)
        ]

    assert ids(found) == [f"e{number}" for number in range(len(MOMENTS))]


def test_our_own_probes_are_told_apart(desk: Desk) -> None:
    desk.receive(sent("a", NOON))
    text = "opsflows verification, no action needed (verify=true nonce=n1)"
    desk.stand_ins.control("POST", "/slack/actions/set_indexing_delay", {"seconds": 0})
    posted_at = _posted_by_webhook(desk, text)

    with desk.counter() as counter:
        found = counts(counter, Window(DAY.start, posted_at + HOUR))

    assert [(count.is_probe, count.events) for count in found] == [(False, 1), (True, 1)]


def test_what_people_write_is_not_an_event(desk: Desk, counter: Counter) -> None:
    desk.act("post_by_person")

    assert listed(counter, Window(DAY.start, DAY.start + 400 * 24 * HOUR)) == []


def test_messages_of_another_app_count_unless_the_query_names_ours(desk: Desk) -> None:
    desk.receive(sent("a", NOON))
    app_id, bot_id = desk.stand_ins.control("GET", "/slack/inbox")[0]["from"], _webhook(desk)

    for query, expected in (("", 1), (f"app_id:{app_id}", 1), (f"bot_id:{bot_id}", 1), ("app_id:A0OTHER", 0)):
        with desk.counter(by="ids", query=query) as counter:
            assert len(listed(counter)) == expected


@pytest.mark.parametrize(
    "section",
    [
        {"type_field": "colour"},
        {"type_field": "metadata"},
        {"id_field": "ts"},
        {"query": "from:me"},
        {"type_field": "app_id", "types": {"a": "x", "b": "x"}},
    ],
    ids=str,
)
def test_what_slack_cannot_tell_is_refused_before_anything_is_asked(section: dict[str, Any], desk: Desk) -> None:
    with pytest.raises(BadInput, match=r"opsflows\.toml"), desk.counter(**section):
        pass

    assert desk.queries() == []


def test_without_a_token_nothing_can_be_counted(desk: Desk) -> None:
    with (
        pytest.raises(BadInput, match="SLACK_BOT_TOKEN"),
        desk.counter(changes={"SLACK_BOT_TOKEN": "", "SLACK_CHANNEL": ""}),
    ):
        pass


@pytest.mark.parametrize(
    "body",
    [
        '{"ok":true,"has_more":true,"messages":[]}',
        '{"ok":true,"has_more":true,"messages":[],"response_metadata":{"next_cursor":""}}',
        '{"ok":true,"has_more":false}',
        '{"ok":true,"has_more":false,"messages":{}}',
        '{"ok":true,"has_more":false,"messages":[{"text":"no time"}]}',
        '{"ok":true,"has_more":false,"messages":[{"ts":"yesterday"}]}',
        '{"ok":true,"has_more":false,"messages":[null]}',
    ],
)
def test_less_than_a_whole_page_is_no_count(body: str, desk: Desk, counter: Counter) -> None:
    desk.answer_next(status=200, body=body)

    with pytest.raises(Unavailable) as caught:
        counter.page(MONTH, "")

    assert caught.value.symptom == "slack.history_partial"


@pytest.mark.parametrize(
    ("action", "fields", "symptom"),
    [
        ("rotate_token", {}, "slack.invalid_auth"),
        ("leave_channel", {}, "slack.not_in_channel"),
        ("set_scopes", {"scopes": ["chat:write"]}, "slack.missing_scope"),
        ("delete_channel", {}, "slack.channel_unseen"),
        ("uninstall_app", {}, "slack.account_inactive"),
    ],
)
def test_a_refusal_is_no_count(action: str, fields: object, symptom: str, desk: Desk, counter: Counter) -> None:
    desk.act(action, fields)

    with pytest.raises(Rejected) as caught:
        counter.page(MONTH, "")

    assert caught.value.symptom == symptom


def test_a_limit_names_when_to_ask_again_and_the_page_is_not_repeated(desk: Desk) -> None:
    evidence: list[Exchange] = []
    desk.answer_next(throttle_s=30)

    with desk.counter(evidence) as counter, pytest.raises(Unavailable) as caught:
        counter.page(MONTH, "")

    assert (caught.value.symptom, caught.value.retry_after) == ("slack.ratelimited", timedelta(seconds=30))
    assert [(exchange.verb, exchange.status) for exchange in evidence] == [("list_events", 429)]


def test_a_cursor_that_slack_forgot_is_refused(counter: Counter) -> None:
    with pytest.raises(OpsError, match="200, but not ok"):
        counter.page(MONTH, "forgotten")


def test_a_month_of_messages_is_taken_at_once_and_a_day_of_it_is_read(desk: Desk, counter: Counter) -> None:
    desk.receive(*(sent(f"e{number}", MONTH.start + number * timedelta(minutes=2)) for number in range(22_320)))

    assert len(listed(counter, DAY)) == 720


def test_what_slack_did_not_accept_left_no_trace(desk: Desk, counter: Counter) -> None:
    desk.receive(sent("a", NOON, fate="rate_limited", reason="1 per second"), sent("b", NOON))

    assert ids(listed(counter)) == ["b"]


def test_every_way_to_fail_is_on_the_integrations_page() -> None:
    rows = [*(row.id for row in COUNT_SIGNATURES), *SYMPTOMS]

    text = PAGE.read_text()
    assert [row for row in rows if f"`{row}`" not in text] == []


def _webhook(desk: Desk) -> str:
    url: str = desk.stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"]
    return url.split("/")[-2]


def _posted_by_webhook(desk: Desk, text: str) -> datetime:
    httpx.post(desk.stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"], json={"text": text})
    return datetime.fromtimestamp(desk.stand_ins.control("GET", "/slack/inbox")[-1]["at"], UTC)
