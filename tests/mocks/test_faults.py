"""Each queued fault: how it looks from outside, what it leaves undone, and whom it spares."""

import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import StandIns
from tests.mocks.polling import eventually


@pytest.fixture
def webhook(stand_ins: StandIns) -> str:
    return str(stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"])


def post(webhook: str, text: str = "hello", limit_s: float = 5.0) -> httpx.Response:
    return httpx.post(webhook, json={"text": text}, timeout=limit_s)


def messages(stand_ins: StandIns) -> list[str]:
    """Every message that is or will be in the inbox: asked as of an hour from now."""
    stand_ins.control("POST", "/clock", {"offset_s": 3600})
    return [message["text"] for message in stand_ins.control("GET", "/slack/inbox")]


def test_a_status_fault_answers_as_told_and_delivers_nothing(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 503, "headers": {"retry-after": "7"}, "body": "later"})

    answer = post(webhook)

    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (503, "7", "later")
    assert messages(stand_ins) == []


def test_a_fault_is_used_up(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 500, "times": 2})

    assert [post(webhook).status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_for_ever_stays_until_it_is_cleared(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 500, "times": -1})

    before = [post(webhook).status_code for _ in range(3)]
    stand_ins.control("DELETE", "/slack/faults")

    assert before == [500, 500, 500]
    assert post(webhook).status_code == 200


def test_a_fault_waits_for_the_method_and_path_it_is_for(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 500, "method": "get", "path": "^/api/auth"})

    assert post(webhook).status_code == 200
    assert httpx.get(f"{stand_ins.url}/slack/api/auth.test").status_code == 500
    assert stand_ins.control("GET", "/slack/faults") == []


def test_faults_of_one_vendor_spare_the_others(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/sentry/faults", {"status": 500, "times": -1})

    assert post(webhook).status_code == 200


def test_faults_are_met_in_the_order_they_were_queued(stand_ins: StandIns, webhook: str) -> None:
    for status in (500, 502, 503):
        stand_ins.control("POST", "/slack/faults", {"status": status})

    assert [post(webhook).status_code for _ in range(4)] == [500, 502, 503, 200]


def test_garbage_is_a_page_for_people_with_a_good_status(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"garbage": True})

    answer = post(webhook)

    assert answer.status_code == 200
    assert "text/html" in answer.headers["content-type"]
    assert messages(stand_ins) == []


def test_a_delayed_answer_comes_late_and_the_event_counts(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"delay_s": 0.3})
    started = time.monotonic()

    post(webhook)

    assert time.monotonic() - started >= 0.3
    assert messages(stand_ins) == ["hello"]


def test_a_client_that_gives_up_has_its_event_delivered_all_the_same(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"delay_s": 600})

    with pytest.raises(httpx.ReadTimeout):
        post(webhook, limit_s=0.2)

    assert messages(stand_ins) == ["hello"]


def test_a_dripping_answer_comes_byte_by_byte(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 200, "body": "x" * 10, "drip_bytes_per_s": 20})
    started = time.monotonic()

    answer = post(webhook, limit_s=0.3)

    assert answer.text == "x" * 10
    assert time.monotonic() - started >= 0.4


def test_a_truncated_answer_promises_more_than_it_gives(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 200, "body": '{"ok": true}', "truncate_bytes": 5})

    with pytest.raises(httpx.RemoteProtocolError, match="received 5 bytes, expected 12"):
        post(webhook)


def test_a_dropped_connection_ends_properly_without_an_answer(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"drop": True})

    assert raw_answer(webhook) == b""
    assert messages(stand_ins) == []


def test_a_reset_connection_ends_with_rst(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"reset": True})

    with pytest.raises(ConnectionResetError):
        raw_answer(webhook)


@pytest.mark.parametrize("fault", ["reset", "drop", "truncate_bytes"])
def test_connections_are_cut_under_tls_as_well(fault: str, stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {fault: 1 if fault == "truncate_bytes" else True})
    trusted = ssl.create_default_context(cafile=stand_ins.ca_file)

    with pytest.raises(httpx.TransportError):
        httpx.post(stand_ins.https_url + urlsplit(webhook).path, json={"text": "hello"}, verify=trusted)


def test_a_reset_under_tls_is_rst_and_no_proper_end(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"reset": True})
    trusted = ssl.create_default_context(cafile=stand_ins.ca_file)
    address = "127.0.0.1", urlsplit(stand_ins.https_url).port

    with (
        socket.create_connection(address, timeout=5) as plain,
        trusted.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        encrypted.sendall(request_bytes(webhook))

        with pytest.raises(ConnectionResetError):
            # Read below TLS: Python's ssl shows a reset as the end of the stream.
            read_to_the_end(partial(socket.socket.recv, encrypted))


@pytest.mark.parametrize("fault", [{"drop": True}, {"reset": True}, {"status": 500}])
def test_the_answer_alone_can_be_lost(fault: dict[str, object], stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {**fault, "deliver": True})

    with httpx.Client() as client:
        try:
            outcome = client.post(webhook, json={"text": "hello"}).status_code
        except httpx.TransportError:
            outcome = 0

    assert outcome in {0, 500}
    assert messages(stand_ins) == ["hello"]


def test_a_swallowed_event_is_answered_as_usual_and_never_seen(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"swallow": True})

    answer = post(webhook, "swallowed")
    post(webhook, "kept")

    assert answer.text == "ok"
    assert messages(stand_ins) == ["kept"]


def test_a_swallowed_event_sets_nothing_off_elsewhere(stand_ins: StandIns) -> None:
    credentials = stand_ins.control("GET", "/credentials")
    stand_ins.control("POST", "/pagerduty/actions/notify_slack", {"channel": credentials["slack"]["SLACK_CHANNEL"]})
    stand_ins.control("POST", "/pagerduty/faults", {"swallow": True})
    event = {
        "routing_key": credentials["pagerduty"]["PAGERDUTY_ROUTING_KEY"],
        "event_action": "trigger",
        "payload": {"summary": "swallowed", "source": "test", "severity": "info"},
    }

    answer = httpx.post(f"{stand_ins.url}/pagerduty/v2/enqueue", json=event)

    assert answer.status_code == 202
    assert messages(stand_ins) == []


@pytest.mark.parametrize(
    ("vendor", "order", "header", "value"),
    [
        ("slack", "POST /api/auth.test", "retry-after", "30"),
        ("sentry", "POST /api/42/envelope/", "retry-after", "30"),
        ("sentry", "POST /api/42/envelope/", "x-sentry-rate-limits", "30:default;error;security:organization"),
        ("sentry", "GET /api/0/organizations/o/", "x-sentry-rate-limit-remaining", "0"),
        ("pagerduty", "GET /incidents", "ratelimit-reset", "30"),
    ],
)
def test_a_throttled_request_is_refused_as_the_vendor_writes_it(
    vendor: str, order: str, header: str, value: str, stand_ins: StandIns
) -> None:
    method, path = order.split()
    stand_ins.control("POST", f"/{vendor}/faults", {"throttle_s": 30})

    answer = httpx.request(method, f"{stand_ins.url}/{vendor}{path}")

    assert answer.status_code == 429
    assert answer.headers[header] == value


def test_the_journal_says_which_fault_met_a_request(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"reset": True})

    with pytest.raises(httpx.ReadError):
        post(webhook)

    entry = stand_ins.control("GET", "/slack/requests")[-1]
    assert (entry["status"], entry["fault"]) == (None, "reset=True")


def test_a_held_back_answer_does_not_hold_up_other_requests(stand_ins: StandIns, webhook: str) -> None:
    stand_ins.control("POST", "/slack/faults", {"delay_s": 600})
    address = urlsplit(webhook)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as held:
        held.sendall(request_bytes(webhook))
        eventually(lambda: stand_ins.control("GET", "/slack/requests"))

        assert post(webhook).text == "ok"


def request_bytes(url: str) -> bytes:
    address, body = urlsplit(url), b'{"text": "hello"}'
    head = f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def raw_answer(url: str) -> bytes:
    """Return all bytes that came back before the other side ended the connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
        connection.sendall(request_bytes(url))
        return read_to_the_end(connection.recv)


def read_to_the_end(receive: Callable[[int], bytes]) -> bytes:
    return b"".join(iter(lambda: receive(65_536), b""))


def test_a_fault_meets_its_share_of_the_requests_and_the_same_ones_again(stand_ins: StandIns, webhook: str) -> None:
    def met() -> list[bool]:
        stand_ins.control("DELETE", "/slack/faults")
        stand_ins.control("POST", "/slack/faults", {"times": -1, "status": 503, "share": 0.3, "seed": 7})
        return [post(webhook).status_code == 503 for _ in range(60)]

    first, again = met(), met()

    assert first == again
    assert 8 <= sum(first) <= 28
