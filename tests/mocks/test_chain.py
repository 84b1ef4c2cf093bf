"""Sentry tells PagerDuty of new issues, PagerDuty tells Slack of new incidents: through each other's public routes."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import StandIns
from tests.mocks.polling import eventually


@pytest.fixture
def chain(stand_ins: StandIns) -> dict[str, dict[str, str]]:
    held: dict[str, dict[str, str]] = stand_ins.control("GET", "/credentials")
    key = {"routing_key": held["pagerduty"]["PAGERDUTY_ROUTING_KEY"]}
    stand_ins.control("POST", "/sentry/actions/alert_to_pagerduty", key)
    stand_ins.control("POST", "/pagerduty/actions/notify_slack", {"webhook_url": held["slack"]["SLACK_WEBHOOK_URL"]})
    return held


def raise_error(stand_ins: StandIns, held: dict[str, dict[str, str]], message: str, fingerprint: str) -> None:
    dsn = httpx.URL(held["sentry"]["SENTRY_DSN"])
    url = f"{stand_ins.url}/sentry/api/{dsn.path.rpartition('/')[2]}/store/?sentry_key={dsn.username}"
    event = {"event_id": uuid4().hex, "message": message, "fingerprint": [fingerprint]}
    assert httpx.post(url, json=event).is_success


def texts(stand_ins: StandIns, vendor: str) -> list[str]:
    inbox: list[dict[str, Any]] = stand_ins.control("GET", f"/{vendor}/inbox")
    return [shown["text"] for shown in inbox]


def test_a_new_issue_becomes_an_incident_and_a_message(stand_ins: StandIns, chain: dict[str, dict[str, str]]) -> None:
    raise_error(stand_ins, chain, "boom n0nce", "first")

    (incident,) = eventually(lambda: texts(stand_ins, "pagerduty"))
    (message,) = eventually(lambda: texts(stand_ins, "slack"))

    assert incident == "boom n0nce"
    assert "boom n0nce" in message


def test_a_known_fingerprint_alerts_nobody(stand_ins: StandIns, chain: dict[str, dict[str, str]]) -> None:
    for _ in range(3):
        raise_error(stand_ins, chain, "boom", "same")

    assert len(stand_ins.control("GET", "/pagerduty/requests")) == 1
    assert len(stand_ins.control("GET", "/slack/requests")) == 1


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"swallow": True}])
def test_a_broken_link_breaks_the_chain_there(
    fault: dict[str, object], stand_ins: StandIns, chain: dict[str, dict[str, str]]
) -> None:
    stand_ins.control("POST", "/pagerduty/faults", fault)

    raise_error(stand_ins, chain, "boom", "first")

    stand_ins.control("POST", "/clock", {"offset_s": 60})
    assert texts(stand_ins, "sentry") == ["boom"]
    assert texts(stand_ins, "pagerduty") == texts(stand_ins, "slack") == []


def test_a_channel_can_be_named_in_place_of_a_webhook(stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/credentials")
    stand_ins.control("POST", "/pagerduty/actions/notify_slack", {"channel": held["slack"]["SLACK_CHANNEL"]})
    event = {
        "routing_key": held["pagerduty"]["PAGERDUTY_ROUTING_KEY"],
        "event_action": "trigger",
        "payload": {"summary": "disk full", "source": "db1", "severity": "error"},
    }

    httpx.post(f"{stand_ins.url}/pagerduty/v2/enqueue", json=event)

    (message,) = eventually(lambda: texts(stand_ins, "slack"))
    assert "disk full" in message
