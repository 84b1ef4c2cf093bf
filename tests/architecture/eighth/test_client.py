"""Healthchecks.io's client against its stand-in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.errors import BadInput, NotYet, OpsError, Rejected, Unavailable
from tests.architecture.eighth.mock import PINGS_PER_MINUTE
from tests.architecture.eighth.vendor import INTEGRATION, Healthchecks, connect
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from vendors.capabilities import checked_values

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Healthchecks]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


def test_a_log_entry_is_written_found_and_read_with_its_text(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        (probe,) = client.probes

        sent = probe.send(NONCE, SENT_AT)
        find, read = probe.confirm
        found = eventually(lambda: find(sent))
        receipt = read(found)

        assert receipt.ids == {"ping": "1"}
        assert list(dict.fromkeys(exchange.verb for exchange in evidence)) == ["send_log", "list_pings", "read_text"]


def test_what_is_listed_without_its_text_is_not_seen_yet(client: Healthchecks, stand_ins: StandIns) -> None:
    sent = client.send_log(NONCE, SENT_AT)
    found = eventually(lambda: client.find_ping(sent))
    stand_ins.control("POST", "/healthchecks/actions/lose_texts")

    with pytest.raises(NotYet, match="answered 404 to read_text"):
        client.read_text(found)


def test_another_runs_entry_is_not_taken_for_ours(client: Healthchecks) -> None:
    receipt = client.send_log(NONCE, SENT_AT)
    client.send_log(uuid4().hex, SENT_AT)

    found = eventually(lambda: client.find_ping(receipt))

    assert found.ids == {"ping": "1"}


@pytest.mark.parametrize(
    ("changed", "kind", "symptom"),
    [
        ({"HEALTHCHECKS_CHECK_ID": str(uuid4())}, Rejected, "healthchecks.no_check"),
        ({"HEALTHCHECKS_API_KEY": "another-key-of-theirs"}, Rejected, "healthchecks.unauthorized"),
    ],
    ids=["no such check", "wrong key"],
)
def test_a_wrong_credential_is_refused_by_name(
    stand_ins: StandIns, changed: dict[str, str], kind: type[OpsError], symptom: str
) -> None:
    with connected(stand_ins, INTEGRATION, connect, **changed) as (client, _), pytest.raises(kind) as refused:
        client.find_ping(client.send_log(NONCE, SENT_AT))

    assert refused.value.symptom == symptom


def test_too_many_pings_are_unavailable_and_not_lost(client: Healthchecks) -> None:
    for _ in range(PINGS_PER_MINUTE):
        client.send_log(uuid4().hex, SENT_AT)

    with pytest.raises(Unavailable, match="answered 429 to send_log"):
        client.send_log(NONCE, SENT_AT)


def test_a_friendly_page_in_place_of_ok_is_no_delivery(client: Healthchecks, stand_ins: StandIns) -> None:
    stand_ins.control(
        "POST", "/healthchecks/faults", {"method": "POST", "path": "/log$", "status": 200, "body": "Welcome!"}
    )

    with pytest.raises(OpsError):
        client.send_log(NONCE, SENT_AT)


def test_without_an_api_key_nothing_is_read_back(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, HEALTHCHECKS_API_KEY="") as (client, _):
        (probe,) = client.probes

    assert probe.confirm == ()


def test_what_is_no_check_id_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(BadInput, match="HEALTHCHECKS_CHECK_ID"):
        checked_values(INTEGRATION, {"HEALTHCHECKS_CHECK_ID": "https://hc-ping.com/x"})
