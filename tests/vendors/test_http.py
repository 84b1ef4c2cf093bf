"""What one request tells the next: nothing. A wire has no memory but its open connections."""

from datetime import UTC, datetime
from uuid import uuid4

from tests.conftest import StandIns
from tests.vendors.rehearsal import connected
from vendors.slack import INTEGRATION, connect

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_a_cookie_that_a_vendor_sets_is_not_sent_back(stand_ins: StandIns) -> None:
    fault = {"status": 200, "body": "ok", "headers": {"set-cookie": "session=1; path=/"}}
    stand_ins.control("POST", "/slack/faults", fault)

    with connected(stand_ins, INTEGRATION, connect) as (slack, _):
        slack.send_message(uuid4().hex, NOON)
        slack.send_message(uuid4().hex, NOON)

    assert not any("cookie" in request["headers"] for request in stand_ins.control("GET", "/slack/requests"))


def test_a_login_in_an_address_takes_no_credentials_place(stand_ins: StandIns) -> None:
    webhook = stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"].replace("://", "://someone:else@")

    with connected(stand_ins, INTEGRATION, connect, SLACK_WEBHOOK_URL=webhook) as (slack, evidence):
        slack.send_message(uuid4().hex, NOON)

    [request] = stand_ins.control("GET", "/slack/requests")
    assert "authorization" not in request["headers"]
    assert "someone" not in evidence[0].host
