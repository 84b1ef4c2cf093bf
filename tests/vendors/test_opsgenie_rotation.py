"""Opsgenie's keys in rotation, against the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from tests.vendors.rotating import Account, account_of, held_open, listed
from vendors.opsgenie import INTEGRATION, connect
from vendors.opsgenie_rotation import SIGNATURES
from vendors.registry import LIMITS, ROTATIONS
from vendors.rotation import Rotator

SEND, MANAGE = (ROTATIONS["opsgenie", purpose] for purpose in (Purpose.SEND, Purpose.MANAGE))
MARKER = marker("r1f2e3d4c5b", 1)
NONCE = "n0nce-1f2e3d4c"
NOT_THERE = "00000000-0000-4000-8000-000000000000"

CALLS: dict[str, Callable[[Rotator], object]] = {
    "list_credentials": lambda rotator: rotator.list_credentials(""),
    "create": lambda rotator: rotator.create(MARKER, ""),
    "disable": lambda rotator: rotator.disable(NOT_THERE),
    "enable": lambda rotator: rotator.enable(NOT_THERE),
    "revoke": lambda rotator: rotator.revoke(NOT_THERE),
}


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    with closing(account.rotator(SEND)) as rotator:
        yield rotator


def test_a_listing_names_integrations_and_never_tells_whose_key_a_value_is(account: Account, rotator: Rotator) -> None:
    shown = listed(rotator)

    assert set(shown) == {"first", "manager"}
    assert {row.fits(account.values["api_key"]) for row in shown.values()} == {Fit.NO}
    assert {row.hint for row in shown.values()} == {""}


def test_a_second_integration_carries_the_marker_and_both_keys_work(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    assert listed(rotator)[MARKER].vendor_id == minted.vendor_id
    account.check(SEND)
    account.having(api_key=minted.value).check(SEND)


def test_a_new_key_may_do_what_a_sending_key_should_and_no_more(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    with pytest.raises(Rejected) as caught:
        account.having(manage_key=minted.value).check(MANAGE)

    assert caught.value.symptom == "opsgenie.manage_denied"
    sent = account.requests()[-2]["body"]
    assert '"allowDeleteAccess":false' in sent
    assert f'"ownerTeam":{{"name":"{account.values["team"]}"}}' in sent


def test_a_minted_key_is_neither_in_a_repr_nor_in_the_evidence(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    seen = f"{minted!r} {rotator!r} {account.evidence!r} {listed(rotator)!r}"
    assert minted.value not in seen
    assert account.values["manage_key"] not in seen


def test_a_marker_that_is_taken_means_look_before_another_is_made(rotator: Rotator) -> None:
    made = rotator.create(MARKER, "")

    with pytest.raises(OutcomeUnknown) as caught:
        rotator.create(MARKER, "")

    assert caught.value.symptom == "opsgenie.marker_taken"
    assert listed(rotator)[MARKER].vendor_id == made.vendor_id


def test_a_fresh_integration_may_be_listed_only_later(account: Account, rotator: Rotator) -> None:
    account.act("set_listing_lag", seconds=60)

    minted = rotator.create(MARKER, "")

    assert MARKER not in listed(rotator)
    account.having(api_key=minted.value).check(SEND)
    account.act("set_listing_lag", seconds=0)
    assert MARKER in listed(rotator)


def test_a_key_that_is_switched_off_is_refused_until_it_is_switched_on(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    fresh = account.having(api_key=minted.value)

    rotator.disable(minted.vendor_id)
    rotator.disable(minted.vendor_id)

    assert listed(rotator)[MARKER].enabled is False
    with pytest.raises(Rejected) as caught:
        fresh.check(SEND)
    assert caught.value.symptom in SEND.refusals
    assert minted.value not in f"{caught.value!r}"
    rotator.enable(minted.vendor_id)
    rotator.enable(minted.vendor_id)
    assert listed(rotator)[MARKER].enabled is True
    fresh.check(SEND)


def test_a_revoked_key_is_refused_and_revoking_it_again_is_done(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    rotator.revoke(minted.vendor_id)
    rotator.revoke(minted.vendor_id)
    rotator.disable(minted.vendor_id)

    with pytest.raises(Rejected) as caught:
        account.having(api_key=minted.value).check(SEND)
    assert caught.value.symptom in SEND.refusals
    account.check(SEND)


def test_what_is_gone_cannot_be_switched_on(rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    rotator.revoke(minted.vendor_id)

    with pytest.raises(Rejected) as caught:
        rotator.enable(minted.vendor_id)

    assert caught.value.symptom == "opsgenie.integration_gone"


def test_a_key_holds_nothing_open(account: Account, rotator: Rotator) -> None:
    assert held_open(rotator, "any") == []
    assert account.evidence == []


def test_an_alert_of_the_old_key_is_closed_with_the_new_one(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    with connected(account.stand_ins, INTEGRATION, connect) as (old, _):
        receipt = old.send_alert(NONCE, datetime.now(UTC))
        receipt = eventually(partial(old.read_alert, receipt))

    with connected(account.stand_ins, INTEGRATION, connect, OPSGENIE_API_KEY=minted.value) as (new, _):
        new.close_alert(receipt)

        assert eventually(partial(new.see_closed, receipt)).value == "done"


def test_an_alert_tells_which_integration_its_key_belongs_to(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    with connected(account.stand_ins, INTEGRATION, connect, OPSGENIE_API_KEY=minted.value) as (client, _):
        (probe,) = SEND.probes(client)

        receipt = probe.send(NONCE, datetime.now(UTC))
        for read_back in probe.confirm:
            receipt = eventually(partial(read_back, receipt))

    assert receipt.ids["integration_id"] == minted.vendor_id
    assert SEND.wakes_people


@pytest.mark.parametrize("missing_right", ["api_key", "manage_key"])
def test_a_check_changes_nothing(missing_right: str, account: Account) -> None:
    account.check(SEND if missing_right == "api_key" else MANAGE)

    assert account.requests()[-1]["method"] == "GET"
    assert account.stand_ins.control("GET", "/opsgenie/inbox") == []


def test_a_sending_key_cannot_make_an_integration(account: Account) -> None:
    with closing(account.having(manage_key=account.values["api_key"]).rotator(SEND)) as sender:
        with pytest.raises(Rejected) as caught:
            sender.create(MARKER, "")

        assert caught.value.symptom == "opsgenie.manage_denied"
        assert "Configuration access" in caught.value.next_step


def test_a_team_that_is_not_there_is_named(account: Account) -> None:
    with closing(account.having(team="Nobody").rotator(SEND)) as rotator:
        with pytest.raises(Rejected) as caught:
            rotator.create(MARKER, "")

        assert caught.value.symptom == "opsgenie.integration_refused"
        assert MARKER not in listed(rotator)


def test_without_the_managing_key_it_is_said_what_to_connect(account: Account) -> None:
    with pytest.raises(BadInput) as caught:
        account.having(manage_key="").rotator(SEND)

    assert "OPSGENIE_MANAGE_KEY" in caught.value.happened
    assert "opsflows connect opsgenie" in caught.value.next_step
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


@pytest.mark.parametrize("verb", ["create", "disable", "enable", "revoke"])
@pytest.mark.parametrize("fault", [{"garbage": True}, {"drop": True}, {"truncate_bytes": 5}])
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(
    verb: str, fault: dict[str, object], account: Account, rotator: Rotator
) -> None:
    account.fault(**fault)

    with pytest.raises(OutcomeUnknown):
        CALLS[verb](rotator)


@pytest.mark.parametrize("body", ["", "{}", '{"data":null}'])
def test_a_listing_that_cannot_be_read_is_not_an_empty_one(body: str, account: Account, rotator: Rotator) -> None:
    account.fault(status=200, body=body)

    with pytest.raises(Unavailable):
        rotator.list_credentials("")


def test_the_managing_key_is_accepted_until_it_is_switched_off(account: Account) -> None:
    account.check(MANAGE)
    account.act("switch_integration", id=account.act("account")["manager_id"], on=False)

    with pytest.raises(Rejected) as caught:
        account.check(MANAGE)

    assert caught.value.symptom in MANAGE.refusals
    assert MANAGE.connect is None


def test_a_key_without_a_right_is_not_a_refused_one(account: Account) -> None:
    writer = account.act("mint_integration", name="writer", rights=["write"])["key"]

    with pytest.raises(Rejected) as caught:
        account.having(api_key=writer).check(SEND)

    assert caught.value.symptom not in SEND.refusals


def test_a_managing_key_sends_nothing_and_a_limit_is_not_published(account: Account) -> None:
    with connected(account.stand_ins, INTEGRATION, connect) as (client, _):
        assert MANAGE.probes(client) == ()

    assert LIMITS["opsgenie"] == ()
