"""A stand-in takes a month of events at once, and shows of them what its vendor would show."""

from typing import Any

import httpx
import pytest

from tests.conftest import StandIns

VENDORS = ("slack", "pagerduty", "opsgenie")
AT = "2026-10-05T12:00:00.000001+00:00"


def receive(stand_ins: StandIns, vendor: str, *events: dict[str, object]) -> dict[str, Any]:
    answer: dict[str, Any] = stand_ins.control("POST", f"/{vendor}/actions/receive_many", {"events": [*events]})
    return answer


def history(stand_ins: StandIns, **arguments: Any) -> list[dict[str, Any]]:
    held = stand_ins.control("GET", "/slack/credentials")
    answer = httpx.get(
        f"{stand_ins.url}/slack/api/conversations.history",
        params={"channel": held["SLACK_CHANNEL"], **arguments},
        headers={"authorization": f"Bearer {held['SLACK_BOT_TOKEN']}"},
    ).json()
    found: list[dict[str, Any]] = answer["messages"]
    return found


@pytest.mark.parametrize("vendor", VENDORS)
def test_only_what_was_accepted_is_received_and_copies_count(vendor: str, stand_ins: StandIns) -> None:
    answer = receive(
        stand_ins, vendor,
        {"id": "a", "at": AT, "type": "login", "copies": 2},
        {"id": "b", "at": AT, "fate": "accepted"},
        {"id": "c", "at": AT, "fate": "rate_limited", "reason": "too many"},
    )  # fmt: skip

    assert answer == {"received": 3}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "event",
    [
        {"id": "a"},
        {"at": AT},
        {"id": "a", "at": "noon"},
        {"id": "a", "at": AT[:19]},
        {"id": "a", "at": AT, "copies": 0},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_is_refused_and_nothing_is_kept(
    event: dict[str, object], vendor: str, stand_ins: StandIns
) -> None:
    body = {"events": [{"id": "good", "at": AT}, event]}

    answer = httpx.post(f"{stand_ins.url}/_control/{vendor}/actions/receive_many", json=body)

    assert answer.status_code == 400
    assert stand_ins.control("GET", f"/{vendor}/inbox") == []


def test_slack_shows_metadata_to_whoever_asks_for_it_alone(stand_ins: StandIns) -> None:
    receive(stand_ins, "slack", {"id": "a", "at": AT, "type": "login"})

    (plain,), (whole,) = history(stand_ins), history(stand_ins, include_all_metadata="true")

    assert "metadata" not in plain
    assert whole["metadata"] == {"event_type": "login", "event_payload": {"event_id": "a"}}


def test_slack_keeps_the_metadata_that_a_message_was_posted_with(stand_ins: StandIns) -> None:
    url = stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"]
    stand_ins.control("POST", "/slack/actions/set_indexing_delay", {"seconds": 0})
    metadata = {"event_type": "login", "event_payload": {"event_id": "a"}}

    for said in ({"text": "whole", "metadata": metadata}, {"text": "half", "metadata": {"event_type": "login"}}):
        httpx.post(url, json=said)

    found = {message["text"]: message.get("metadata") for message in history(stand_ins, include_all_metadata="true")}
    assert found == {"whole": metadata, "half": None}


def test_two_messages_of_one_moment_have_a_ts_each(stand_ins: StandIns) -> None:
    receive(stand_ins, "slack", {"id": "a", "at": AT, "copies": 2}, {"id": "b", "at": AT})

    assert [message["ts"][-6:] for message in history(stand_ins)] == ["000003", "000002", "000001"]


def test_pagerdutys_log_shows_what_an_event_held_only_where_channels_are_included(stand_ins: StandIns) -> None:
    receive(stand_ins, "pagerduty", {"id": "a", "at": AT, "type": "login"})
    key = stand_ins.control("GET", "/pagerduty/credentials")["PAGERDUTY_API_KEY"]
    window = {"since": "2026-10-05T12:00:00Z", "until": "2026-10-05T17:00:00Z", "time_zone": "UTC"}

    def entries(**more: str) -> list[dict[str, Any]]:
        answer = httpx.get(
            f"{stand_ins.url}/pagerduty/log_entries", params={**window, **more},
            headers={"authorization": f"Token token={key}"},
        )  # fmt: skip
        found: list[dict[str, Any]] = answer.json()["log_entries"]
        return found

    resolved, triggered = entries(**{"include[]": "channels"})
    assert [entry["channel"]["type"] for entry in (resolved, triggered)] == ["timeout", "api"]
    assert triggered["channel"]["cef_details"]["event_class"] == "login"
    assert "cef_details" not in entries()[1]["channel"]


def test_opsgenie_merges_repeats_of_an_open_alias(stand_ins: StandIns) -> None:
    receive(stand_ins, "opsgenie", {"id": "a", "at": AT}, {"id": "a", "at": "2026-11-01T00:00:00Z", "copies": 2})

    (alert,) = stand_ins.control("GET", "/opsgenie/inbox")

    assert (alert["alias"], alert["count"]) == ("a", 3)
