"""Statuspage's client against its stand-in."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.probes import CleanUp, Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, connected_by_name, trusting
from vendors.capabilities import Notifier
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.statuspage import INTEGRATION, SIGNATURES, Statuspage, connect

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LOST = Receipt(NONCE, SENT_AT)
KNOWN = LOST.with_ids(incident_id="abcdef123456")

CALLS: dict[str, Callable[[Statuspage], object]] = {
    "send_incident": lambda client: client.send_incident(NONCE, SENT_AT),
    "read_incident": lambda client: client.read_incident(KNOWN),
    "find_incident": lambda client: client.read_incident(LOST),
    "read_page": lambda client: client.read_page(),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Statuspage]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


def inbox(stand_ins: StandIns) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = stand_ins.control("GET", "/statuspage/inbox")
    return rows


def test_an_incident_is_created_read_back_resolved_and_deleted(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        (probe,) = client.probes

        receipt = probe.confirm[0](probe.send(NONCE, SENT_AT))
        cleaned = [clean(receipt) for clean in probe.clean_up]

        assert set(receipt.ids) == {"incident_id"}
        assert cleaned == [CleanUp.DONE, CleanUp.DONE]
        verbs = [exchange.verb for exchange in evidence]
        assert verbs == ["send_incident", "read_incident", "resolve_incident", "delete_incident"]
        assert inbox(stand_ins) == []


def test_no_subscriber_hears_of_it_from_the_first_request_to_the_last(client: Statuspage, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/statuspage/actions/keep_incidents")
    (probe,) = client.probes
    receipt = probe.send(NONCE, SENT_AT)
    for clean in probe.clean_up:
        clean(receipt)

    seen = inbox(stand_ins)

    assert [row["where"] for row in seen] == ["the page"]
    changes = [r for r in stand_ins.control("GET", "/statuspage/requests") if r["method"] in {"POST", "PATCH"}]
    assert [json.loads(row["body"])["incident"]["deliver_notifications"] for row in changes] == [False, False]


def test_a_visitor_reads_that_nothing_is_to_be_done(client: Statuspage, stand_ins: StandIns) -> None:
    client.send_incident(NONCE, SENT_AT)

    (seen,) = inbox(stand_ins)

    assert "no action needed" in seen["text"]
    assert f"verify=true nonce={NONCE}" in seen["text"]


def test_what_a_crash_left_is_found_and_removed_by_its_nonce_alone(client: Statuspage, stand_ins: StandIns) -> None:
    client.send_incident(NONCE, SENT_AT)
    client.send_incident("0" * 32, SENT_AT)
    (probe,) = client.probes

    found = probe.confirm[0](LOST)
    cleaned = [clean(LOST) for clean in probe.clean_up]

    assert found.ids["incident_id"]
    assert cleaned == [CleanUp.DONE, CleanUp.DONE]
    assert ["0" * 32 in row["text"] for row in inbox(stand_ins)] == [True]


def test_where_deleting_is_refused_it_stays_resolved_and_tagged(client: Statuspage, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/statuspage/actions/keep_incidents")
    (probe,) = client.probes
    receipt = probe.send(NONCE, SENT_AT)

    cleaned = [clean(receipt) for clean in probe.clean_up]

    assert cleaned == [CleanUp.DONE, CleanUp.TAGGED]
    assert [row["status"] for row in inbox(stand_ins)] == ["resolved"]


def test_an_incident_that_is_gone_already_counts_as_cleaned_up(client: Statuspage) -> None:
    assert client.resolve_incident(KNOWN) is CleanUp.DONE
    assert client.delete_incident(KNOWN) is CleanUp.DONE


@pytest.mark.parametrize(
    ("receipt", "symptom"), [(KNOWN, "statuspage.pending"), (LOST, "statuspage.unseen")], ids=["by id", "by nonce"]
)
def test_an_incident_that_is_not_there_is_waited_for(receipt: Receipt, symptom: str, client: Statuspage) -> None:
    with pytest.raises(NotYet) as caught:
        client.read_incident(receipt)

    assert caught.value.symptom == symptom


def test_another_incident_under_the_id_is_not_ours(client: Statuspage) -> None:
    other = client.send_incident("0" * 32, SENT_AT)

    with pytest.raises(NotYet) as caught:
        client.read_incident(LOST.with_ids(incident_id=other.ids["incident_id"]))

    assert caught.value.symptom == "statuspage.unseen"


def test_what_is_accepted_and_not_kept_is_never_found(client: Statuspage, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/statuspage/faults", {"swallow": True})
    sent = client.send_incident(NONCE, SENT_AT)

    for receipt in (sent, LOST):
        with pytest.raises(NotYet):
            client.read_incident(receipt)


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Statuspage, stand_ins: StandIns) -> None:
    for status in sorted(row.statuses):
        for verb in sorted(row.verbs or CALLS):
            stand_ins.control("POST", "/statuspage/faults", {"status": status, "body": "{}"})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("action", "fields", "symptom"),
    [("revoke_api_key", {}, "statuspage.unauthorized"), ("set_access", {"allowed": False}, "statuspage.forbidden")],
)
def test_a_refused_key_says_why(
    action: str, fields: dict[str, object], symptom: str, client: Statuspage, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", f"/statuspage/actions/{action}", fields)

    for call in CALLS.values():
        with pytest.raises(Rejected) as caught:
            call(client)

        assert caught.value.symptom == symptom


def test_a_wrong_page_is_named(stand_ins: StandIns) -> None:
    with (
        connected(stand_ins, INTEGRATION, connect, STATUSPAGE_PAGE_ID="another") as (client, _),
        pytest.raises(Rejected) as caught,
    ):
        client.send_incident(NONCE, SENT_AT)

    assert caught.value.symptom == "statuspage.page_not_found"
    assert "STATUSPAGE_PAGE_ID" in caught.value.means


@pytest.mark.parametrize("status", [420, 429])
def test_a_limit_lasts_as_long_as_statuspage_says(status: int, client: Statuspage, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/statuspage/actions/set_rate_limit", {"calls": 1, "status": status})
    client.read_page()

    for verb in ("send_incident", "read_page"):
        with pytest.raises(Unavailable) as caught:
            CALLS[verb](client)

        assert caught.value.symptom == "statuspage.rate_limited"
        assert caught.value.retry_after is not None
        assert timedelta(seconds=50) < caught.value.retry_after <= timedelta(seconds=60)


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 1}, {"drop": True}, {"status": 500}])
def test_a_lost_answer_to_an_incident_leaves_its_outcome_unknown(
    fault: dict[str, object], client: Statuspage, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/statuspage/faults", {"deliver": True, **fault})

    with pytest.raises(OutcomeUnknown):
        client.send_incident(NONCE, SENT_AT)

    assert client.read_incident(LOST).ids["incident_id"]


@pytest.mark.parametrize("verb", ["read_incident", "find_incident", "read_page"])
@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 1}, {"drop": True}, {"status": 500}])
def test_a_lost_answer_to_a_read_may_be_asked_for_again(
    fault: dict[str, object], verb: str, client: Statuspage, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/statuspage/faults", fault)

    with pytest.raises(Unavailable):
        CALLS[verb](client)


def test_the_whole_probe_passes_over_tls_at_statuspages_own_name(stand_ins: StandIns) -> None:
    with trusting(stand_ins.ca_file), connected_by_name(stand_ins, INTEGRATION, connect) as client:
        (probe,) = client.probes
        receipt = probe.confirm[0](probe.send(NONCE, SENT_AT))

        assert [clean(receipt) for clean in probe.clean_up] == [CleanUp.DONE, CleanUp.DONE]


def test_no_error_no_repr_and_no_evidence_shows_the_key(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        stand_ins.control("POST", "/statuspage/faults", {"status": 422, "body": client.api_key})

        with pytest.raises(Rejected) as caught:
            client.send_incident(NONCE, SENT_AT)

        for shown in (str(caught.value), repr(caught.value), repr(client), repr(evidence)):
            assert client.api_key not in shown


def test_a_real_key_goes_to_statuspages_own_host_alone() -> None:
    values = {"api_key": "0" * 64, "page_id": "abcdef123456"}

    with pytest.raises(BadInput):
        connect(values, "https://status.example.com", Conduct(HostRule(rehearsal=False), lambda _: None))


def test_it_tells_nobody_anything_but_what_is_verified(client: Statuspage) -> None:
    assert not isinstance(client, Notifier)
