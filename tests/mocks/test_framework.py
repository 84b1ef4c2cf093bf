"""Who is addressed, what every answer carries, and what the control plane says and forgets."""

import gzip
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from mocks.app import build, found_stand_ins
from tests.conftest import StandIns
from tests.mocks.polling import eventually

VENDORS = [stand_in.name for stand_in in found_stand_ins()]
HOSTS = [(stand_in.name, host) for stand_in in found_stand_ins() for host in stand_in.hosts if "*" not in host]


@pytest.fixture
def webhook(stand_ins: StandIns) -> str:
    return str(stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"])


def test_the_six_vendors_are_found_by_their_files() -> None:
    assert set(VENDORS) >= {"datadog", "opsgenie", "pagerduty", "sentry", "slack", "splunk"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_a_stand_in_lacks_is_not_implemented_rather_than_missing(vendor: str, stand_ins: StandIns) -> None:
    answer = httpx.get(f"{stand_ins.url}/{vendor}/no/such/thing")

    assert answer.status_code == 501


def test_an_address_of_no_vendor_lists_the_vendors(stand_ins: StandIns) -> None:
    answer = httpx.get(f"{stand_ins.url}/nobody/here")

    assert answer.status_code == 404
    assert "/slack/" in answer.json()["known"]


def test_a_wrong_method_is_told_apart_from_a_wrong_path(webhook: str) -> None:
    answer = httpx.get(webhook)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(("vendor", "host"), HOSTS)
def test_a_vendor_answers_to_its_own_host_names_without_a_prefix(vendor: str, host: str, stand_ins: StandIns) -> None:
    httpx.get(f"{stand_ins.url}/no/such/thing", headers={"host": host})

    assert [entry["host"] for entry in stand_ins.control("GET", f"/{vendor}/requests")] == [host]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_answer_is_dated_and_numbered(vendor: str, stand_ins: StandIns) -> None:
    stand_in = next(stand_in for stand_in in found_stand_ins() if stand_in.name == vendor)

    answers = [httpx.get(f"{stand_ins.url}/{vendor}/x") for _ in range(2)]

    assert abs(parsedate_to_datetime(answers[0].headers["date"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert len({answer.headers[stand_in.request_id_header] for answer in answers}) == 2


def test_the_clock_of_every_stand_in_can_be_moved(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/clock", {"offset_s": 86_400})

    httpx.post(webhook, json={"text": "tomorrow"})

    message = eventually(lambda: stand_ins.control("GET", "/slack/inbox"))[0]
    assert timedelta(hours=23) < datetime.fromtimestamp(message["at"], UTC) - datetime.now(UTC) < timedelta(hours=25)
    dated = parsedate_to_datetime(httpx.get(f"{stand_ins.url}/sentry/x").headers["date"])
    assert dated - datetime.now(UTC) > timedelta(hours=23)


def test_what_arrived_is_kept_word_for_word(stand_ins: StandIns, webhook: str) -> None:
    httpx.post(f"{webhook}?a=1&b=2", json={"text": "hello"}, headers={"x-mark": "m"})

    entry = stand_ins.control("GET", "/slack/requests")[-1]

    assert (entry["method"], entry["status"], entry["query"]) == ("POST", 200, "a=1&b=2")
    assert webhook.endswith(entry["path"])
    assert json.loads(entry["body"]) == {"text": "hello"}
    assert entry["headers"]["x-mark"] == "m"


def test_a_packed_body_is_kept_and_read_unpacked(stand_ins: StandIns, webhook: str) -> None:
    packed = gzip.compress(b'{"text": "packed"}')

    answer = httpx.post(webhook, content=packed, headers={"content-encoding": "gzip"})

    assert answer.text == "ok"
    assert stand_ins.control("GET", "/slack/requests")[-1]["body"] == '{"text": "packed"}'


def test_reset_forgets_messages_requests_and_faults_and_keeps_credentials(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/actions/revoke_webhook")
    stand_ins.control("POST", "/slack/faults", {"status": 503, "times": 5})
    httpx.post(webhook, json={"text": "hello"})

    stand_ins.control("POST", "/slack/reset")

    assert stand_ins.control("GET", "/slack/faults") == stand_ins.control("GET", "/slack/requests") == []
    assert stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"] == webhook
    assert httpx.post(webhook, json={"text": "hello"}).text == "ok"


def test_resetting_one_vendor_leaves_the_others_alone(stand_ins: StandIns, webhook: str) -> None:
    httpx.post(webhook, json={"text": "hello"})

    stand_ins.control("POST", "/sentry/reset")

    assert len(stand_ins.control("GET", "/slack/requests")) == 1


def test_credentials_carry_the_address_under_which_they_were_asked_for(stand_ins: StandIns) -> None:
    trusted = ssl.create_default_context(cafile=stand_ins.ca_file)

    answer = httpx.get(f"{stand_ins.https_url}/_control/slack/credentials", verify=trusted).json()

    assert answer["SLACK_WEBHOOK_URL"].startswith(f"{stand_ins.https_url}/slack/services/")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "events.eu.pagerduty.com", "o1.ingest.de.sentry.io"])
def test_the_certificate_is_good_for_loopback_and_for_the_vendors_names(name: str, stand_ins: StandIns) -> None:
    trusted = ssl.create_default_context(cafile=stand_ins.ca_file)

    with httpx.Client(verify=trusted) as client:
        request = client.build_request(
            "GET", f"{stand_ins.https_url}/_control/credentials", extensions={"sni_hostname": name}
        )
        answer = client.send(request)

    assert answer.is_success


def test_a_client_that_does_not_know_the_authority_refuses_the_certificate(stand_ins: StandIns) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{stand_ins.https_url}/_control/credentials")


def test_the_authority_file_holds_no_key(served_stand_ins: StandIns) -> None:
    assert "PRIVATE" not in Path(served_stand_ins.ca_file).read_text()


@pytest.mark.parametrize(
    ("order", "body", "status", "says"),
    [
        ("GET /nobody/inbox", None, 404, "slack"),
        ("POST /slack/actions/sing", {}, 404, "revoke_webhook"),
        ("GET /slack/secrets", None, 404, "GET inbox"),
        ("POST /slack/faults", {"statsu": 500}, 400, "statsu"),
        ("POST /slack/faults", {"status": "many"}, 400, "status"),
        ("POST /slack/faults", {"path": "("}, 400, "path"),
        ("POST /slack/faults", [1], 400, "JSON object"),
        ("POST /clock", {}, 400, "offset_s"),
        ("POST /pagerduty/actions/set_service_status", {"status": "asleep"}, 400, "maintenance"),
    ],
)
def test_an_order_that_does_not_fit_is_refused_with_what_would(
    order: str, body: object, status: int, says: str, stand_ins: StandIns
) -> None:
    method, path = order.split()

    answer = httpx.request(method, f"{stand_ins.url}/_control{path}", json=body)

    assert answer.status_code == status
    assert says in answer.text


def test_credentials_of_two_servers_differ(stand_ins: StandIns, tmp_path: Path) -> None:
    here = stand_ins.control("GET", "/credentials")
    there = build(tmp_path / "state.json").world.booths["slack"]

    theirs = there.stand_in.credentials(there.desk, stand_ins.url)

    assert theirs["SLACK_BOT_TOKEN"] != here["slack"]["SLACK_BOT_TOKEN"]
