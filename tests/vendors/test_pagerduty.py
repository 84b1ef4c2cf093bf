"""PagerDuty's client against its stand-in."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.probes import CleanUp, Receipt
from tests.conftest import StandIns
from tests.mocks.polling import eventually as shown_by
from tests.vendors.rehearsal import connected, connected_by_name, eventually, trusting
from vendors.capabilities import Notice, Urgency
from vendors.pagerduty import INTEGRATION, PagerDuty, api_key, connect, routing_key
from vendors.pagerduty_signatures import SIGNATURES, SYMPTOMS

NONCE = "n0nce-1f2e3d4c"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SENT = Receipt(NONCE, SENT_AT)
FOUND = SENT.with_ids(incident_id="PINC123")
PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "pagerduty.md"

NOTICE = Notice("verify:staging:slack", "staging: slack FAIL (for sam)", "roll back first", Urgency.PAGE)

CALLS: dict[str, Callable[[PagerDuty], object]] = {
    "send_event": lambda client: client.send_event(NONCE, SENT_AT),
    "resolve_event": lambda client: client.resolve_event(SENT),
    "find_incident": lambda client: client.find_incident(SENT),
    "read_alert": lambda client: client.read_alert(FOUND),
    "see_resolved": lambda client: client.see_resolved(SENT),
    "read_service": lambda client: client._read("read_service", f"/services/{client.service_id}", NONCE),
    "find_by_title": lambda client: client.find(NONCE, SENT_AT),
    "notify": lambda client: client.notify(NOTICE, SENT_AT),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[PagerDuty]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


def test_an_incident_is_triggered_read_back_resolved_and_seen_resolved(client: PagerDuty) -> None:
    probe = client.probes[0]

    receipt = probe.send(NONCE, datetime.now(UTC))
    for read_back in probe.confirm:
        receipt = eventually(partial(read_back, receipt))
    cleaned = [eventually(partial(clean, receipt)) for clean in probe.clean_up]

    assert set(receipt.ids) == {"dedup_key", "incident_id", "service_id", "alert_id", "integration_id"}
    assert receipt.ids["service_id"] == client.service_id
    assert cleaned == [CleanUp.DONE, CleanUp.DONE]


def test_the_event_is_marked_and_of_the_lowest_severity(client: PagerDuty, stand_ins: StandIns) -> None:
    client.send_event(NONCE, SENT_AT)

    body = stand_ins.control("GET", "/pagerduty/requests")[-1]["body"]
    assert '"verify":true' in body
    assert '"severity":"info"' in body
    assert NONCE in body


def test_what_a_crash_left_is_cleaned_up_by_its_nonce_alone(client: PagerDuty) -> None:
    sent = client.send_event(NONCE, SENT_AT)
    eventually(lambda: client.find_incident(sent))

    client.resolve_event(Receipt(NONCE, SENT_AT))

    assert eventually(lambda: client.see_resolved(Receipt(NONCE, SENT_AT))) is CleanUp.DONE


def test_an_incident_that_is_not_there_yet_is_polled_for(client: PagerDuty) -> None:
    with pytest.raises(NotYet) as caught:
        client.find_incident(SENT)

    assert caught.value.symptom == "pagerduty.unseen"


def test_an_open_incident_is_not_taken_for_a_resolved_one(client: PagerDuty) -> None:
    client.send_event(NONCE, SENT_AT)
    eventually(lambda: client.find_incident(SENT))

    with pytest.raises(NotYet) as caught:
        client.see_resolved(SENT)

    assert caught.value.symptom == "pagerduty.still_open"


def test_a_resolve_that_nobody_saw_is_not_called_done(client: PagerDuty) -> None:
    client.resolve_event(SENT)

    assert client.see_resolved(SENT) is CleanUp.TAGGED


def test_without_a_rest_key_the_event_is_sent_and_its_resolve_is_only_tagged(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_API_KEY="") as (client, evidence):
        probe = client.probes[0]

        receipt = probe.send(NONCE, SENT_AT)
        cleaned = [clean(receipt) for clean in probe.clean_up]

        assert probe.confirm == ()
        assert cleaned == [CleanUp.TAGGED]
        assert [exchange.verb for exchange in evidence] == ["send_event", "resolve_event"]
        with pytest.raises(BadInput):
            client.find(NONCE, SENT_AT)


def test_another_systems_incident_is_found_by_the_nonce_in_its_title(client: PagerDuty) -> None:
    since = datetime.now(UTC)
    sent = client.send_event(NONCE, since)
    incident = eventually(lambda: client.find_incident(sent))

    found = eventually(lambda: client.find(NONCE, since))

    assert found.ids["incident_id"] == incident.ids["incident_id"]
    with pytest.raises(NotYet):
        client.find("another-nonce", since)


def test_a_window_is_asked_for_in_utc_and_within_half_a_year(client: PagerDuty, stand_ins: StandIns) -> None:
    with pytest.raises(NotYet):
        client.find(NONCE, SENT_AT)

    query = stand_ins.control("GET", "/pagerduty/requests")[-1]["query"]
    assert "time_zone=UTC" in query
    assert f"{(SENT_AT - timedelta(minutes=5)).date()}" in query


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: PagerDuty, stand_ins: StandIns) -> None:
    verbs = sorted(row.verbs & CALLS.keys())
    assert verbs

    for status in row.statuses:
        for verb in verbs:
            body = f'{{"status":"invalid event","errors":["{row.marker}"]}}'
            stand_ins.control("POST", "/pagerduty/faults", {"status": status, "body": body})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


def test_every_symptom_is_on_the_integrations_page() -> None:
    text = PAGE.read_text()

    lacking = [symptom for symptom in (*(row.id for row in SIGNATURES), *SYMPTOMS) if f"`{symptom}`" not in text]

    assert lacking == []


def test_a_limit_lasts_as_long_as_pagerduty_says(client: PagerDuty, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/pagerduty/faults", {"status": 429, "headers": {"ratelimit-reset": "17"}})

    with pytest.raises(Unavailable) as caught:
        client.find_incident(SENT)

    assert caught.value.retry_after == timedelta(seconds=17)


def test_a_limit_without_a_header_lasts_a_minute(client: PagerDuty, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/pagerduty/faults", {"status": 429})

    with pytest.raises(Unavailable) as caught:
        client.send_event(NONCE, SENT_AT)

    assert caught.value.retry_after == timedelta(seconds=60)


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 10}, {"drop": True}, {"status": 202}])
def test_a_lost_answer_to_an_event_leaves_its_outcome_unknown(
    fault: dict[str, object], client: PagerDuty, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/pagerduty/faults", fault)

    with pytest.raises(OutcomeUnknown):
        client.send_event(NONCE, SENT_AT)


def test_no_error_and_no_repr_shows_a_key(client: PagerDuty, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/pagerduty/faults", {"status": 400, "body": client.routing_key})

    with pytest.raises(Rejected) as caught:
        client.send_event(NONCE, SENT_AT)

    for shown in (str(caught.value), repr(caught.value), repr(client)):
        assert client.routing_key not in shown
        assert client.api_key not in shown


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a" * 31, "31 characters"),
        ("a" * 33, "33 characters"),
        ("a" * 31 + "!", "not 32 letters and digits"),
        ("y_NbAkKc66ryYTWUXYEu", "REST API token"),
        ("u+" + "x" * 18, "REST API token"),
    ],
)
def test_a_malformed_routing_key_is_named_and_not_shown(value: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        routing_key(value)

    assert says in str(caught.value)
    assert value not in str(caught.value)


def test_an_integration_key_is_not_taken_for_a_rest_key() -> None:
    with pytest.raises(BadInput, match="integration key"):
        api_key("a" * 32)


def test_the_alert_names_the_integration_whose_key_opened_it(stand_ins: StandIns) -> None:
    minted = stand_ins.control("POST", "/pagerduty/actions/add_integration", {"name": "second"})
    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_ROUTING_KEY=minted["routing_key"]) as (client, _):
        incident = eventually(partial(client.find_incident, client.send_event(NONCE, SENT_AT)))

        receipt = client.read_alert(incident)

    assert receipt.ids["integration_id"] == minted["integration"]


def test_a_resolve_with_another_key_is_seen_to_have_done_nothing(client: PagerDuty, stand_ins: StandIns) -> None:
    eventually(partial(client.find_incident, client.send_event(NONCE, SENT_AT)))
    minted = stand_ins.control("POST", "/pagerduty/actions/add_integration", {"name": "second"})

    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_ROUTING_KEY=minted["routing_key"]) as (rotated, _):
        assert rotated.resolve_event(SENT) is CleanUp.DONE
        with pytest.raises(NotYet) as caught:
            rotated.see_resolved(SENT)

    assert "another key" in caught.value.means


def test_an_incident_in_another_service_is_not_a_pass(stand_ins: StandIns) -> None:
    other = stand_ins.control("POST", "/pagerduty/actions/add_service", {"name": "Search"})
    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_ROUTING_KEY=other["routing_key"]) as (client, _):
        sent = client.send_event(NONCE, SENT_AT)

        with pytest.raises(Rejected) as caught:
            eventually(partial(client.find_incident, sent))

    assert caught.value.symptom == "pagerduty.other_service"
    assert other["service"] in caught.value.happened


@pytest.mark.parametrize("status", ["disabled", "maintenance"])
def test_a_202_of_a_paused_service_is_explained_by_the_service(
    status: str, client: PagerDuty, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/pagerduty/actions/set_service_status", {"status": status})
    sent = client.send_event(NONCE, SENT_AT)

    why = client.explain(sent)

    assert why is not None
    assert why.symptom == "pagerduty.service_paused"
    assert status in why.happened


def test_a_202_to_another_services_key_is_explained_by_the_key(stand_ins: StandIns) -> None:
    other = stand_ins.control("POST", "/pagerduty/actions/add_service", {"name": "Search"})
    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_ROUTING_KEY=other["routing_key"]) as (client, _):
        why = client.explain(SENT)

    assert why is not None
    assert why.symptom == "pagerduty.key_of_other_service"


def test_a_202_that_a_rule_dropped_is_not_blamed_on_the_key(client: PagerDuty, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/pagerduty/faults", {"swallow": True})
    sent = client.send_event(NONCE, SENT_AT)

    why = client.explain(sent)

    assert why is not None
    assert why.symptom == "pagerduty.suppressed"


def test_a_service_id_that_names_nothing_is_the_explanation(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_SERVICE_ID="PNOTTHERE1") as (client, _):
        why = client.explain(SENT)

    assert why is not None
    assert why.symptom == "pagerduty.service_unknown"


def test_without_a_service_id_the_explanation_says_what_to_set(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, PAGERDUTY_SERVICE_ID="") as (client, evidence):
        why = client.explain(SENT)

        assert why is not None
        assert why.symptom == "pagerduty.accepted_unseen"
        assert "PAGERDUTY_SERVICE_ID" in why.next_step
        assert evidence == []


@pytest.mark.parametrize(
    ("call", "symptom"),
    [("send_event", "pagerduty.routing_key_unknown"), ("find_incident", "pagerduty.api_key_unknown")],
)
def test_a_key_of_the_other_region_is_found_there(call: str, symptom: str, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/pagerduty/actions/set_region", {"region": "eu"})
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, PAGERDUTY_REGION="us") as client,
    ):
        with pytest.raises(Rejected) as caught:
            CALLS[call](client)

        assert caught.value.symptom == symptom
        assert [home for home in client.other_homes(symptom) if client.is_known_at(home)] == ["eu"]


def test_a_wrong_rest_key_is_known_nowhere(stand_ins: StandIns) -> None:
    wrong = "u+" + "x" * 18
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, PAGERDUTY_API_KEY=wrong) as client,
    ):
        assert [home for home in client.other_homes("pagerduty.api_key_unknown") if client.is_known_at(home)] == []


def test_the_whole_probe_passes_over_tls_in_the_european_region(stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/pagerduty/actions/set_region", {"region": "eu"})
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, PAGERDUTY_REGION="eu") as client,
    ):
        incident = eventually(partial(client.find_incident, client.send_event(NONCE, SENT_AT)))

        assert client.read_alert(incident).ids["integration_id"]


def test_a_stand_ins_refusal_is_not_taken_to_another_region(client: PagerDuty) -> None:
    assert client.other_homes("pagerduty.api_key_unknown") == ()


def test_a_notice_told_twice_is_one_alert_that_wakes_people(client: PagerDuty, stand_ins: StandIns) -> None:
    client.notify(NOTICE, SENT_AT)
    client.notify(NOTICE, SENT_AT)

    shown = shown_by(
        lambda: [row for row in stand_ins.control("GET", "/pagerduty/inbox") if NOTICE.title in row["text"]]
    )
    assert len(shown) == 1
