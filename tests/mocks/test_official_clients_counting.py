"""The vendors' own Python clients count and list what the stand-ins were told they received in the past."""

# mypy: disable-error-code="no-untyped-call"
# Opsgenie's client has no annotations.

import ssl
from datetime import UTC, datetime, timedelta

import opsgenie_sdk
import pagerduty
from slack_sdk import WebClient

from tests.conftest import StandIns

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)


def receive(stand_ins: StandIns, vendor: str, events: int, apart: timedelta) -> None:
    rows = [
        {"id": f"e{number}", "at": (NOON + number * apart).isoformat(), "type": "login"} for number in range(events)
    ]
    stand_ins.control("POST", f"/{vendor}/actions/receive_many", {"events": rows})


def test_slacks_client_reads_the_metadata_of_a_window(stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/slack/credentials")
    receive(stand_ins, "slack", 1200, timedelta(seconds=1))
    client = WebClient(held["SLACK_BOT_TOKEN"], base_url=f"{stand_ins.url}/slack/api/")
    oldest, latest = NOON.timestamp(), NOON.timestamp() + 1000

    pages = client.conversations_history(
        channel=held["SLACK_CHANNEL"], oldest=f"{oldest:.6f}", latest=f"{latest:.6f}", inclusive=True, limit=999,
        include_all_metadata=True,
    )  # fmt: skip

    found = [message["metadata"]["event_payload"]["event_id"] for page in pages for message in page["messages"]]
    assert sorted(found) == sorted(f"e{number}" for number in range(1001))


def test_pagerdutys_client_halves_the_log_until_it_can_be_paged(stand_ins: StandIns) -> None:
    key = stand_ins.control("GET", "/pagerduty/credentials")["PAGERDUTY_API_KEY"]
    receive(stand_ins, "pagerduty", 10_050, timedelta(milliseconds=700))
    trusted = ssl.create_default_context(cafile=stand_ins.ca_file)

    with pagerduty.RestApiV2Client(key, base_url=f"{stand_ins.https_url}/pagerduty", verify=trusted) as client:
        until = NOON + timedelta(hours=3)
        total = client.get_total("/log_entries", params={"since": NOON.isoformat(), "until": until.isoformat()})
        asked = {"include[]": "channels"}
        entries = list(client.iter_history("/log_entries", since=NOON, until=until, params=asked, page_size=100))

    assert total == 10_050
    assert {entry["channel"]["cef_details"]["dedup_key"] for entry in entries} == {f"e{n}" for n in range(10_050)}
    assert len(entries) == 10_050


def test_opsgenies_client_counts_and_lists_a_window(stand_ins: StandIns) -> None:
    configuration = opsgenie_sdk.Configuration()
    configuration.host = f"{stand_ins.url}/opsgenie"
    configuration.api_key = {"Authorization": stand_ins.control("GET", "/opsgenie/credentials")["OPSGENIE_API_KEY"]}
    configuration.retry_enabled = False
    receive(stand_ins, "opsgenie", 150, timedelta(seconds=1))
    start = int(NOON.timestamp() * 1000)
    query = f"createdAt >= {start} AND createdAt < {start + 120_000}"

    client = opsgenie_sdk.AlertApi(api_client=opsgenie_sdk.ApiClient(configuration=configuration))
    counted = client.count_alerts(query=query).data.count
    alerts = client.list_alerts(query=query, limit=100, offset=100, sort="createdAt", order="asc").data

    assert counted == 120
    assert [alert.alias for alert in alerts] == [f"e{number}" for number in range(100, 120)]
