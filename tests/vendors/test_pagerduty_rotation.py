"""PagerDuty's keys in rotation, against the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential, Minted
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from tests.vendors.rotating import Account, account_of, held_open, listed
from vendors.pagerduty import INTEGRATION, connect
from vendors.pagerduty_integrations import SIGNATURES
from vendors.rate_limits import LimitOf
from vendors.registry import LIMITS, ROTATIONS
from vendors.rotation import Rotator

SEND, READ, MANAGE = (ROTATIONS["pagerduty", purpose] for purpose in (Purpose.SEND, Purpose.READ, Purpose.MANAGE))
MARKER = marker("r1f2e3d4c5b", 1)
NONCE = "n0nce-1f2e3d4c"

CALLS: dict[str, Callable[[Rotator], object]] = {
    "list_credentials": lambda rotator: rotator.list_credentials(""),
    "create": lambda rotator: rotator.create(MARKER, ""),
    "revoke": lambda rotator: rotator.revoke("PNOTTHERE"),
    "held_open": lambda rotator: rotator.held_open("PNOTTHERE", ""),
}


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    stand_ins.control("POST", "/pagerduty/actions/set_indexing_delay", {"seconds": 0})
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    with closing(account.rotator(SEND)) as rotator:
        yield rotator


def in_use(account: Account, rotator: Rotator) -> ListedCredential:
    """Return the integration whose key is in use."""
    (found,) = (row for row in listed(rotator).values() if row.fits(account.values["routing_key"]) is Fit.EXACT)
    return found


def open_incident(account: Account, routing_key: str = "", nonce: str = NONCE) -> None:
    key = routing_key or account.values["routing_key"]
    with connected(account.stand_ins, INTEGRATION, connect, PAGERDUTY_ROUTING_KEY=key) as (client, _):
        client.send_event(nonce, datetime.now(UTC))


def test_the_key_in_use_is_found_by_itself_and_shown_by_its_end_alone(account: Account, rotator: Rotator) -> None:
    found = in_use(account, rotator)

    assert found.hint == account.values["routing_key"][-4:]
    assert account.values["routing_key"] not in repr(found)
    assert account.values["routing_key"] not in repr(found.fits)
    assert found.fits("a" * 32) is Fit.NO


def test_a_second_integration_carries_the_marker_and_both_keys_work(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    shown = listed(rotator)
    assert shown[MARKER].vendor_id == minted.vendor_id
    assert shown[MARKER].fits(minted.value) is Fit.EXACT
    assert shown[MARKER].created_at is not None
    account.check(SEND)
    account.having(routing_key=minted.value).check(SEND)


def test_a_minted_key_is_neither_in_a_repr_nor_in_the_evidence(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    seen = f"{minted!r} {rotator!r} {account.evidence!r} {listed(rotator)!r}"
    assert minted.value not in seen
    assert account.values["manage_key"] not in seen


def test_a_name_may_stand_twice_so_the_marker_is_looked_for_first(rotator: Rotator) -> None:
    made = [rotator.create(MARKER, "") for _ in range(2)]

    ids = [row.vendor_id for row in rotator.list_credentials("").credentials if row.name == MARKER]
    assert sorted(ids) == sorted(minted.vendor_id for minted in made)


def test_a_fresh_integration_may_be_listed_only_later(account: Account, rotator: Rotator) -> None:
    account.act("set_listing_lag", seconds=60)

    minted = rotator.create(MARKER, "")

    assert MARKER not in listed(rotator)
    account.having(routing_key=minted.value).check(SEND)
    account.act("set_listing_lag", seconds=0)
    assert MARKER in listed(rotator)


def test_a_revoked_key_is_refused_and_revoking_it_again_is_done(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    rotator.revoke(minted.vendor_id)
    rotator.revoke(minted.vendor_id)

    with pytest.raises(Rejected) as caught:
        account.having(routing_key=minted.value).check(SEND)
    assert caught.value.symptom in SEND.refusals
    assert minted.value not in f"{caught.value!r}"
    account.check(SEND)


def test_an_integration_cannot_be_switched_off_and_nothing_is_sent(account: Account, rotator: Rotator) -> None:
    assert SEND.manifest.can_disable is False

    for switch in (rotator.disable, rotator.enable):
        with pytest.raises(BadInput, match="cannot switch"):
            switch("PANY")

    assert account.evidence == []


def test_a_check_opens_nothing_and_shows_nothing(account: Account) -> None:
    account.check(SEND)

    assert account.stand_ins.control("GET", "/pagerduty/inbox") == []
    with connected(account.stand_ins, INTEGRATION, connect) as (client, _):
        assert client._read("find_change", "/change_events", NONCE)["change_events"] == []
    assert [exchange.verb for exchange in account.evidence] == ["check_routing_key"]


def test_a_check_that_is_limited_says_nothing_about_the_key(account: Account) -> None:
    account.fault(throttle_s=30)

    with pytest.raises(Unavailable) as caught:
        account.check(SEND)

    assert caught.value.symptom not in SEND.refusals


def test_only_open_alerts_of_the_old_key_are_held_open(account: Account, rotator: Rotator) -> None:
    old, minted = in_use(account, rotator), rotator.create(MARKER, "")
    open_incident(account)
    open_incident(account, minted.value, "n0nce-ofthenewone")

    (of_old,) = held_open(rotator, old.vendor_id)
    (of_new,) = held_open(rotator, minted.vendor_id)

    assert of_old.startswith("alert ")
    assert of_old != of_new


def test_an_acknowledged_alert_is_still_open_and_a_resolved_one_is_not(account: Account, rotator: Rotator) -> None:
    old = in_use(account, rotator)
    open_incident(account)
    account.act("acknowledge")
    assert len(held_open(rotator, old.vendor_id)) == 1

    with connected(account.stand_ins, INTEGRATION, connect) as (client, _):
        client._enqueue("resolve_event", "resolve", NONCE, {})

    assert held_open(rotator, old.vendor_id) == []


def test_what_is_held_open_is_walked_through_one_request_at_a_time(account: Account, rotator: Rotator) -> None:
    old = in_use(account, rotator)
    for number in range(101):
        open_incident(account, nonce=f"n0nce-{number}")
    account.evidence.clear()

    items = held_open(rotator, old.vendor_id)

    assert len(set(items)) == 101
    assert len(account.evidence) == 2 + 101


def test_an_incident_that_was_merged_meanwhile_begins_the_look_again(account: Account, rotator: Rotator) -> None:
    open_incident(account)
    look = rotator.held_open("PANY", "")
    account.fault(status=404)

    with pytest.raises(NotYet) as caught:
        rotator.held_open("PANY", look.next_cursor)

    assert caught.value.symptom == "pagerduty.incident_moved"


def test_a_change_event_proves_a_key_wakes_nobody_and_names_its_integration(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    changed = {"PAGERDUTY_ROUTING_KEY": minted.value}
    with connected(account.stand_ins, INTEGRATION, connect, **changed) as (client, evidence):
        (probe,) = SEND.probes(client)

        receipt = probe.send(NONCE, datetime.now(UTC))
        for read_back in probe.confirm:
            receipt = eventually(partial(read_back, receipt))

    assert receipt.ids["integration_id"] == minted.vendor_id
    assert [exchange.verb for exchange in evidence] == ["send_change", "read_integration", "find_change"]
    assert f"integration_ids%5B%5D={minted.vendor_id}" in account.requests()[-1]["query"]
    assert account.stand_ins.control("GET", "/pagerduty/inbox") == []
    assert probe.clean_up == ()
    assert not SEND.wakes_people


def test_a_change_event_is_polled_for_until_it_is_listed(account: Account) -> None:
    with connected(account.stand_ins, INTEGRATION, connect, PAGERDUTY_SERVICE_ID="") as (client, _):
        (probe,) = SEND.probes(client)
        account.fault(swallow=True)
        receipt = probe.send(NONCE, datetime.now(UTC))

        with pytest.raises(NotYet) as caught:
            probe.confirm[0](receipt)
        probe.send(NONCE, datetime.now(UTC))

        assert caught.value.symptom == "pagerduty.change_unseen"
        assert probe.confirm[0](receipt).ids["integration_id"]


def test_an_integration_that_is_not_listed_yet_leaves_the_search_wide(account: Account, rotator: Rotator) -> None:
    account.act("set_listing_lag", seconds=60)
    minted = rotator.create(MARKER, "")
    with connected(account.stand_ins, INTEGRATION, connect, PAGERDUTY_ROUTING_KEY=minted.value) as (client, _):
        (probe,) = SEND.probes(client)

        receipt = probe.send(NONCE, datetime.now(UTC))
        for read_back in probe.confirm:
            receipt = read_back(receipt)

    assert receipt.ids["integration_id"] == minted.vendor_id


def test_a_change_event_whose_answer_is_lost_is_looked_for(account: Account) -> None:
    account.fault(status=503, deliver=True)
    with connected(account.stand_ins, INTEGRATION, connect) as (client, _):
        (probe,) = SEND.probes(client)

        with pytest.raises(OutcomeUnknown):
            probe.send(NONCE, datetime.now(UTC))


def test_without_a_reading_key_a_change_event_is_sent_and_not_confirmed(account: Account) -> None:
    with connected(account.stand_ins, INTEGRATION, connect, PAGERDUTY_API_KEY="") as (client, _):
        (probe,) = SEND.probes(client)

    assert probe.confirm == ()


def test_a_read_only_key_cannot_make_an_integration(account: Account) -> None:
    with closing(account.having(manage_key=account.values["api_key"]).rotator(SEND)) as reader:
        with pytest.raises(Rejected) as caught:
            reader.create(MARKER, "")

        assert caught.value.symptom == "pagerduty.manage_denied"
        assert "Read-only" in caught.value.next_step
        assert MARKER not in listed(reader)


@pytest.mark.parametrize(
    ("missing", "name"), [("manage_key", "PAGERDUTY_MANAGE_KEY"), ("service_id", "PAGERDUTY_SERVICE_ID")]
)
def test_what_is_missing_is_named_before_anything_is_sent(missing: str, name: str, account: Account) -> None:
    with pytest.raises(BadInput) as caught:
        account.having(**{missing: ""}).rotator(SEND)

    assert name in caught.value.happened
    assert "opsflows connect pagerduty" in caught.value.next_step
    assert account.evidence == []


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, account: Account, rotator: Rotator) -> None:
    verbs = sorted(row.verbs & CALLS.keys())
    assert verbs

    for status in row.statuses:
        for verb in verbs:
            account.fault(status=status, body="{}")

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](rotator)

            assert caught.value.symptom == row.id


@pytest.mark.parametrize("fault", [{"garbage": True}, {"drop": True, "deliver": True}, {"truncate_bytes": 10}])
def test_a_lost_answer_to_a_creation_is_found_by_its_marker(
    fault: dict[str, object], account: Account, rotator: Rotator
) -> None:
    account.fault(**fault)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    assert (MARKER in listed(rotator)) is (fault != {"garbage": True})


@pytest.mark.parametrize("body", ["", "{}", '{"service":{}}', '{"service":{"integrations":null}}'])
def test_a_listing_that_cannot_be_read_is_not_an_empty_one(body: str, account: Account, rotator: Rotator) -> None:
    account.fault(status=200, body=body)

    with pytest.raises(Unavailable):
        rotator.list_credentials("")


@pytest.mark.parametrize("body", ["{}", '{"incidents":[]}', '{"more":false}'])
def test_open_alerts_that_cannot_be_read_are_not_none(body: str, account: Account, rotator: Rotator) -> None:
    account.fault(status=200, body=body)

    with pytest.raises(Unavailable):
        rotator.held_open("PANY", "")


@pytest.mark.parametrize("purpose", [Purpose.READ, Purpose.MANAGE])
def test_a_rest_key_is_accepted_until_it_is_revoked(purpose: Purpose, account: Account) -> None:
    rotation = ROTATIONS["pagerduty", purpose]
    account.check(rotation)
    account.act("revoke_api_key", key=account.values[rotation.field])

    with pytest.raises(Rejected) as caught:
        account.check(rotation)

    assert caught.value.symptom in rotation.refusals


@pytest.mark.parametrize("purpose", [Purpose.READ, Purpose.MANAGE])
def test_a_rest_key_that_is_missing_is_not_a_refused_one(purpose: Purpose, account: Account) -> None:
    rotation = ROTATIONS["pagerduty", purpose]

    with pytest.raises(OpsError) as caught:
        account.having(**{rotation.field: ""}).check(rotation)

    assert isinstance(caught.value, BadInput)


def test_rest_keys_are_made_by_hand() -> None:
    for rotation in (READ, MANAGE):
        assert rotation.connect is None
        assert rotation.manifest.by_hand


def test_a_routing_key_has_a_limit_of_its_own_and_all_credentials_share_the_rest_key() -> None:
    rest, events = LIMITS["pagerduty"]

    assert (rest.calls, events.calls) == (960, 120)
    assert (rest.of, events.of) == (LimitOf.ACCOUNT, LimitOf.CREDENTIAL)
    assert {"list_credentials", "create", "revoke", "held_open", "find_change"} <= rest.verbs
    assert {"send_change", "check_routing_key"} <= events.verbs
    assert not rest.verbs & events.verbs


def test_another_vendors_client_is_not_probed() -> None:
    class Other:
        probes = ()

        def close(self) -> None: ...

    with pytest.raises(TypeError, match="Other"):
        SEND.probes(Other())


def test_a_minted_value_is_what_the_vendor_made(rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "ignored, since PagerDuty chooses")

    assert isinstance(minted, Minted)
    assert len(minted.value) == 32
