"""Opsgenie's client against its stand-in."""

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
from vendors.capabilities import Notice, Urgency, checked_values
from vendors.opsgenie import INTEGRATION, REQUEST_REFUSALS, SIGNATURES, SUCCESSOR, SYMPTOMS, Opsgenie, connect

NONCE = "n0nce-1f2e3d4c"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AFTER_A_CRASH = Receipt(NONCE, SENT_AT)
SENT = AFTER_A_CRASH.with_ids(request_id="513085b8-caf3-4f91-aa23-be5fdefc3570")
PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "opsgenie.md"

NOTICE = Notice("verify:staging:slack", "staging: slack FAIL (for sam)", "roll back first", Urgency.PAGE)

CALLS: dict[str, Callable[[Opsgenie], object]] = {
    "send_alert": lambda client: client.send_alert(NONCE, SENT_AT),
    "read_request": lambda client: client.read_request(SENT),
    "read_alert": lambda client: client.read_alert(SENT),
    "close_alert": lambda client: client.close_alert(SENT),
    "see_closed": lambda client: client.see_closed(SENT),
    "notify": lambda client: client.notify(NOTICE, SENT_AT),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Opsgenie]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


def test_an_alert_is_created_read_back_closed_and_seen_closed(client: Opsgenie) -> None:
    probe = client.probes[0]

    receipt = probe.send(NONCE, SENT_AT)
    for read_back in probe.confirm:
        receipt = eventually(partial(read_back, receipt))
    cleaned = [eventually(partial(clean, receipt)) for clean in probe.clean_up]

    assert set(receipt.ids) == {"alias", "request_id", "alert_id", "integration_id"}
    assert all(receipt.ids.values())
    assert cleaned == [CleanUp.DONE, CleanUp.DONE]


def test_the_alert_is_marked_and_of_the_lowest_priority(client: Opsgenie, stand_ins: StandIns) -> None:
    client.send_alert(NONCE, SENT_AT)

    body = stand_ins.control("GET", "/opsgenie/requests")[-1]["body"]
    assert '"tags":["verify=true"]' in body
    assert '"priority":"P5"' in body
    assert f'"name":"{client.team}"' in body


def test_without_a_team_the_integrations_own_gets_the_alert(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, OPSGENIE_TEAM="") as (client, _):
        client.send_alert(NONCE, SENT_AT)

    assert "responders" not in stand_ins.control("GET", "/opsgenie/requests")[-1]["body"]


def test_what_a_crash_left_is_confirmed_and_cleaned_up_by_its_nonce_alone(client: Opsgenie) -> None:
    client.send_alert(NONCE, SENT_AT)

    found = eventually(lambda: client.read_alert(client.read_request(AFTER_A_CRASH)))
    client.close_alert(AFTER_A_CRASH)

    assert found.ids["alert_id"]
    assert eventually(partial(client.see_closed, found)) is CleanUp.DONE


def test_a_request_that_is_still_queued_is_polled_for(client: Opsgenie, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/opsgenie/actions/set_indexing_delay", {"seconds": 60})
    sent = client.send_alert(NONCE, SENT_AT)

    with pytest.raises(NotYet):
        client.read_request(sent)


def test_an_open_alert_is_not_taken_for_a_closed_one(client: Opsgenie) -> None:
    sent = client.send_alert(NONCE, SENT_AT)
    found = eventually(partial(client.read_alert, sent))

    with pytest.raises(NotYet) as caught:
        client.see_closed(found)

    assert caught.value.symptom == "opsgenie.still_open"


def test_a_close_of_an_alert_that_nobody_saw_is_not_called_done(client: Opsgenie) -> None:
    client.close_alert(AFTER_A_CRASH)

    assert client.see_closed(AFTER_A_CRASH) is CleanUp.TAGGED


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Opsgenie, stand_ins: StandIns) -> None:
    verbs = sorted(row.verbs or {"send_alert", "close_alert"})

    for status in row.statuses:
        for verb in verbs:
            body = f'{{"message":"{row.marker} not found","took":0.1,"requestId":"r"}}'
            stand_ins.control("POST", "/opsgenie/faults", {"status": status, "body": body})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


@pytest.mark.parametrize("row", REQUEST_REFUSALS, ids=lambda row: row.id)
def test_a_202_that_failed_afterwards_is_refused_as_its_row_says(
    row: Signature, client: Opsgenie, stand_ins: StandIns
) -> None:
    body = f'{{"data":{{"success":false,"isSuccess":false,"status":"responder {row.marker}","alertId":""}},"took":0.1}}'
    stand_ins.control("POST", "/opsgenie/faults", {"status": 200, "body": body})

    with pytest.raises(Rejected) as caught:
        client.read_request(SENT)

    assert caught.value.symptom == row.id


def test_every_symptom_is_on_the_integrations_page() -> None:
    text = PAGE.read_text()
    known = (*(row.id for row in (*SIGNATURES, *REQUEST_REFUSALS)), *SYMPTOMS)

    lacking = [symptom for symptom in known if f"`{symptom}`" not in text]

    assert lacking == []


@pytest.mark.parametrize(
    ("checked_at", "symptom"),
    [("acceptance", "opsgenie.team_not_found"), ("processing", "opsgenie.request_team_not_found")],
)
def test_a_team_that_is_not_there_is_named_whenever_opsgenie_notices(
    checked_at: str, symptom: str, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/opsgenie/actions/set_team_check", {"at": checked_at})
    with connected(stand_ins, INTEGRATION, connect, OPSGENIE_TEAM="Payment") as (client, _):
        with pytest.raises(Rejected) as caught:
            eventually(partial(client.read_request, client.send_alert(NONCE, SENT_AT)))

        assert caught.value.symptom == symptom
        assert "OPSGENIE_REGION" in caught.value.next_step


def test_an_alert_that_a_policy_discards_is_a_refusal_in_spite_of_its_202(
    client: Opsgenie, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/opsgenie/actions/discard_alerts", {"on": True})
    sent = client.send_alert(NONCE, SENT_AT)

    with pytest.raises(Rejected) as caught:
        eventually(partial(client.read_request, sent))

    assert caught.value.symptom == "opsgenie.request_refused"


def test_a_second_integrations_alert_carries_its_own_id(stand_ins: StandIns) -> None:
    minted = stand_ins.control("POST", "/opsgenie/actions/mint_integration", {"name": "second"})
    with connected(stand_ins, INTEGRATION, connect, OPSGENIE_API_KEY=minted["key"]) as (client, _):
        receipt = eventually(partial(client.read_request, client.send_alert(NONCE, SENT_AT)))

    assert receipt.ids["integration_id"] == minted["id"]


def test_a_wrong_key_is_refused_and_the_successor_named(stand_ins: StandIns) -> None:
    wrong = "00000000-0000-0000-0000-000000000000"
    with connected(stand_ins, INTEGRATION, connect, OPSGENIE_API_KEY=wrong) as (client, _):
        with pytest.raises(Rejected) as caught:
            client.send_alert(NONCE, SENT_AT)

        assert caught.value.symptom == "opsgenie.unauthorized"
        assert SUCCESSOR in caught.value.next_step


def test_a_key_whose_integration_was_switched_off_is_refused(client: Opsgenie, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/opsgenie/actions/switch_integration", {"on": False})

    with pytest.raises(Rejected) as caught:
        client.send_alert(NONCE, SENT_AT)

    assert caught.value.symptom == "opsgenie.unauthorized"


def test_a_key_that_may_only_read_is_told_which_right_it_lacks(stand_ins: StandIns) -> None:
    minted = stand_ins.control("POST", "/opsgenie/actions/mint_integration", {"name": "reads", "rights": ["read"]})
    with connected(stand_ins, INTEGRATION, connect, OPSGENIE_API_KEY=minted["key"]) as (client, _):
        with pytest.raises(Rejected) as caught:
            client.send_alert(NONCE, SENT_AT)

        assert caught.value.symptom == "opsgenie.forbidden"


def test_a_202_that_delivers_nothing_is_explained(client: Opsgenie, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/opsgenie/faults", {"swallow": True})
    sent = client.send_alert(NONCE, SENT_AT)

    with pytest.raises(NotYet):
        client.read_request(sent)
    why = client.explain(sent)

    assert why is not None
    assert why.symptom == "opsgenie.unprocessed"


def test_an_alert_that_was_created_and_vanished_is_explained_as_such(client: Opsgenie) -> None:
    why = client.explain(SENT.with_ids(alert_id="8743a1b2"))

    assert why is not None
    assert why.symptom == "opsgenie.created_unseen"


def test_without_a_request_id_there_is_nothing_to_explain(client: Opsgenie) -> None:
    assert client.explain(AFTER_A_CRASH) is None


def test_a_limit_lasts_as_long_as_opsgenie_says(client: Opsgenie, stand_ins: StandIns) -> None:
    headers = {"X-RateLimit-State": "THROTTLED", "X-RateLimit-Period-In-Sec": "17"}
    stand_ins.control("POST", "/opsgenie/faults", {"status": 429, "headers": headers})

    with pytest.raises(Unavailable) as caught:
        client.send_alert(NONCE, SENT_AT)

    assert caught.value.retry_after == timedelta(seconds=17)


def test_the_period_in_an_answer_that_is_not_throttled_is_no_limit(client: Opsgenie, stand_ins: StandIns) -> None:
    headers = {"X-RateLimit-State": "OK", "X-RateLimit-Period-In-Sec": "17"}
    stand_ins.control("POST", "/opsgenie/faults", {"status": 503, "headers": headers})

    with pytest.raises(Unavailable) as caught:
        client.send_alert(NONCE, SENT_AT)

    assert caught.value.retry_after is None


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 10}, {"drop": True}, {"status": 500}])
def test_a_lost_answer_to_an_alert_leaves_its_outcome_unknown(
    fault: dict[str, object], client: Opsgenie, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/opsgenie/faults", fault)

    with pytest.raises(OutcomeUnknown):
        client.send_alert(NONCE, SENT_AT)


def test_a_cut_request_status_is_not_taken_for_a_refusal(client: Opsgenie, stand_ins: StandIns) -> None:
    sent = client.send_alert(NONCE, SENT_AT)
    eventually(partial(client.read_request, sent))
    stand_ins.control("POST", "/opsgenie/faults", {"status": 200, "body": '{"data":{"isSuccess":fal'})

    with pytest.raises(Unavailable) as caught:
        client.read_request(sent)

    assert caught.value.symptom == "network.garbage"


def test_no_error_and_no_repr_shows_the_key(client: Opsgenie, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/opsgenie/faults", {"status": 422, "body": client.api_key})

    with pytest.raises(Rejected) as caught:
        client.send_alert(NONCE, SENT_AT)

    for shown in (str(caught.value), repr(caught.value), repr(client)):
        assert client.api_key not in shown


@pytest.mark.parametrize("key", ["short", "0" * 36, "x" * 32])
def test_a_malformed_key_is_named_and_not_shown(key: str) -> None:
    with pytest.raises(BadInput) as caught:
        checked_values(INTEGRATION, {"OPSGENIE_API_KEY": key})

    assert "OPSGENIE_API_KEY" in str(caught.value)
    assert key not in str(caught.value)


def test_an_unknown_region_is_refused_before_anything_is_sent() -> None:
    given = {"OPSGENIE_API_KEY": "00000000-0000-0000-0000-000000000000", "OPSGENIE_REGION": "asia"}

    with pytest.raises(BadInput, match="OPSGENIE_REGION"):
        checked_values(INTEGRATION, given)


def test_a_key_of_the_other_region_is_found_there(stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/opsgenie/actions/move_account", {"region": "eu"})
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, OPSGENIE_REGION="us") as client,
    ):
        with pytest.raises(Rejected) as caught:
            client.send_alert(NONCE, SENT_AT)

        assert [home for home in client.other_homes(caught.value.symptom) if client.is_known_at(home)] == ["eu"]


def test_a_wrong_key_is_known_nowhere(stand_ins: StandIns) -> None:
    wrong = "00000000-0000-0000-0000-000000000000"
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, OPSGENIE_API_KEY=wrong) as client,
    ):
        assert [home for home in client.other_homes("opsgenie.unauthorized") if client.is_known_at(home)] == []


def test_a_stand_ins_refusal_is_not_taken_to_another_region(client: Opsgenie) -> None:
    assert client.other_homes("opsgenie.unauthorized") == ()


def test_a_notice_told_twice_is_one_alert_that_wakes_people(client: Opsgenie, stand_ins: StandIns) -> None:
    client.notify(NOTICE, SENT_AT)
    client.notify(NOTICE, SENT_AT)

    shown = shown_by(
        lambda: [row for row in stand_ins.control("GET", "/opsgenie/inbox") if NOTICE.title in row["text"]]
    )
    assert len(shown) == 1
