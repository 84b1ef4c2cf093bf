"""The vendors' own Python clients, unchanged, find nothing odd about the stand-ins."""

import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pagerduty
import pytest
import sentry_sdk
from slack_sdk import WebClient, WebhookClient
from slack_sdk.errors import SlackApiError

from tests.conftest import StandIns
from tests.mocks.polling import eventually


@pytest.fixture
def held(stand_ins: StandIns) -> dict[str, str]:
    credentials = stand_ins.control("GET", "/credentials")
    return {name: value for of_vendor in credentials.values() for name, value in of_vendor.items()}


@pytest.fixture
def events_client(stand_ins: StandIns, held: dict[str, str]) -> Iterator[pagerduty.EventsApiV2Client]:
    with pagerduty.EventsApiV2Client(
        held["PAGERDUTY_ROUTING_KEY"], base_url=f"{stand_ins.https_url}/pagerduty", verify=trusted(stand_ins)
    ) as client:
        yield client


@pytest.fixture
def rest_client(stand_ins: StandIns, held: dict[str, str]) -> Iterator[pagerduty.RestApiV2Client]:
    user = stand_ins.control("POST", "/pagerduty/actions/mint_api_key")["user_email"]
    with pagerduty.RestApiV2Client(
        held["PAGERDUTY_MANAGE_KEY"],
        default_from=user,
        base_url=f"{stand_ins.https_url}/pagerduty",
        verify=trusted(stand_ins),
    ) as client:
        yield client


@pytest.fixture
def web_client(stand_ins: StandIns, held: dict[str, str]) -> WebClient:
    return WebClient(held["SLACK_BOT_TOKEN"], base_url=f"{stand_ins.url}/slack/api/")


@pytest.fixture
def sentry_client(held: dict[str, str]) -> Iterator[str]:
    sentry_sdk.init(dsn=held["SENTRY_DSN"], default_integrations=False, auto_enabling_integrations=False)
    yield held["SENTRY_DSN"]
    sentry_sdk.get_client().close(timeout=2)
    sentry_sdk.init()


def trusted(stand_ins: StandIns) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=stand_ins.ca_file)


def test_slacks_webhook_client_posts(stand_ins: StandIns, held: dict[str, str]) -> None:
    answer = WebhookClient(held["SLACK_WEBHOOK_URL"]).send(text="hello")

    assert (answer.status_code, answer.body) == (200, "ok")
    assert [message["text"] for message in eventually(lambda: stand_ins.control("GET", "/slack/inbox"))] == ["hello"]


def test_slacks_webhook_client_reads_a_refusal(stand_ins: StandIns, held: dict[str, str]) -> None:
    stand_ins.control("POST", "/slack/actions/revoke_webhook")

    answer = WebhookClient(held["SLACK_WEBHOOK_URL"]).send(text="hello")

    assert (answer.status_code, answer.body) == (404, "no_service")


def test_slacks_web_client_posts_reads_and_deletes(web_client: WebClient, held: dict[str, str]) -> None:
    channel = held["SLACK_CHANNEL"]
    assert web_client.auth_test()["ok"]
    posted = web_client.chat_postMessage(channel=channel, text="hello")

    def seen() -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = web_client.conversations_history(channel=channel)["messages"]
        return messages

    assert [message["ts"] for message in eventually(seen)] == [posted["ts"]]
    web_client.chat_delete(channel=channel, ts=str(posted["ts"]))
    assert seen() == []


def test_slacks_web_client_follows_cursors(stand_ins: StandIns, web_client: WebClient, held: dict[str, str]) -> None:
    stand_ins.control("POST", "/slack/actions/set_indexing_delay", {"seconds": 0})
    for text in "abcde":
        web_client.chat_postMessage(channel=held["SLACK_CHANNEL"], text=text)

    pages = web_client.conversations_history(channel=held["SLACK_CHANNEL"], limit=2)

    assert [[message["text"] for message in page["messages"]] for page in pages] == [["e", "d"], ["c", "b"], ["a"]]


def test_slacks_web_client_reads_refusals_and_limits(stand_ins: StandIns, web_client: WebClient) -> None:
    stand_ins.control("POST", "/slack/faults", {"throttle_s": 30})

    with pytest.raises(SlackApiError) as limited:
        web_client.auth_test()
    with pytest.raises(SlackApiError) as unknown:
        web_client.conversations_history(channel="CNONE")

    assert limited.value.response.headers["retry-after"] == "30"
    assert (limited.value.response["error"], unknown.value.response["error"]) == ("ratelimited", "channel_not_found")


def test_pagerdutys_clients_trigger_acknowledge_find_and_resolve(
    events_client: pagerduty.EventsApiV2Client, rest_client: pagerduty.RestApiV2Client
) -> None:
    dedup_key = events_client.trigger("disk full", "db1", severity="warning", custom_details={"verify": "true"})

    def status() -> str:
        found = list(rest_client.iter_all("incidents", params={"incident_key": dedup_key, "date_range": "all"}))
        return str(found[0]["status"]) if found else ""

    eventually(status, lambda shown: shown == "triggered")
    events_client.acknowledge(dedup_key)
    eventually(status, lambda shown: shown == "acknowledged")
    events_client.resolve(dedup_key)
    eventually(status, lambda shown: shown == "resolved")


def test_pagerdutys_rest_client_resolves_in_the_name_of_a_user(
    events_client: pagerduty.EventsApiV2Client, rest_client: pagerduty.RestApiV2Client
) -> None:
    events_client.trigger("disk full", "db1")
    incident = eventually(lambda: rest_client.list_all("incidents"))[0]

    resolved = rest_client.rput(incident["self"], json={"type": "incident_reference", "status": "resolved"})

    assert resolved["status"] == "resolved"


def test_pagerdutys_rest_client_makes_and_deletes_an_integration(
    rest_client: pagerduty.RestApiV2Client, held: dict[str, str]
) -> None:
    path = f"/services/{held['PAGERDUTY_SERVICE_ID']}/integrations"

    made = rest_client.rpost(path, json={"type": "events_api_v2_inbound_integration", "name": "second"})
    shown = rest_client.rget(f"{path}/{made['id']}")
    rest_client.rdelete(f"{path}/{made['id']}")

    assert shown["integration_key"] == made["integration_key"]
    assert len(made["integration_key"]) == 32


def test_pagerdutys_rest_client_reads_a_refusal_as_unauthorized(
    stand_ins: StandIns, rest_client: pagerduty.RestApiV2Client, held: dict[str, str]
) -> None:
    stand_ins.control("POST", "/pagerduty/actions/revoke_api_key", {"key": held["PAGERDUTY_MANAGE_KEY"]})

    with pytest.raises(pagerduty.HttpError) as refused:
        rest_client.rget("/incidents")

    assert getattr(refused.value.response, "status_code", None) == 401


def test_pagerdutys_events_client_sends_a_change(
    events_client: pagerduty.EventsApiV2Client, rest_client: pagerduty.RestApiV2Client
) -> None:
    events_client.send_change_event({"summary": "deployed"})

    assert [change["summary"] for change in eventually(lambda: rest_client.list_all("change_events"))] == ["deployed"]


def test_sentrys_client_sends_a_message_that_can_be_read_back(
    stand_ins: StandIns, held: dict[str, str], sentry_client: str
) -> None:
    event_id = sentry_sdk.capture_message("hello", level="error")
    sentry_sdk.flush(timeout=5)

    path = f"/projects/{held['SENTRY_ORG']}/{held['SENTRY_PROJECT']}/events/{event_id}/"
    headers = {"authorization": f"Bearer {held['SENTRY_AUTH_TOKEN']}"}
    answer = eventually(
        lambda: httpx.get(f"{stand_ins.url}/sentry/api/0{path}", headers=headers), lambda found: found.is_success
    )

    assert answer.json()["title"] == "hello"


def test_sentrys_client_sends_an_exception(stand_ins: StandIns, sentry_client: str) -> None:
    sentry_sdk.capture_exception(KeyError("id"))
    sentry_sdk.flush(timeout=5)

    (issue,) = eventually(lambda: stand_ins.control("GET", "/sentry/inbox"))
    assert issue["text"] == "KeyError: 'id'"


def test_sentrys_client_keeps_quiet_after_a_rate_limit(stand_ins: StandIns, sentry_client: str) -> None:
    stand_ins.control("POST", "/sentry/faults", {"throttle_s": 60})

    for text in ("refused", "not even sent"):
        sentry_sdk.capture_message(text)
        sentry_sdk.flush(timeout=5)

    # What does arrive is the client's report of what it discarded.
    requests = stand_ins.control("GET", "/sentry/requests")
    assert requests[0]["status"] == 429
    assert not any("not even sent" in entry["body"] for entry in requests)
