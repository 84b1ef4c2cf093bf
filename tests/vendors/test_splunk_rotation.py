"""Splunk's tokens in rotation, against the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from urllib.parse import parse_qs

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, Mint, Minted
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from tests.vendors.rotating import Account, account_of, held_open, listed
from vendors.registry import LIMITS, ROTATIONS
from vendors.rotation import Rotator
from vendors.splunk import INTEGRATION, connect
from vendors.splunk_hec_tokens import PAGE_TOKENS, SIGNATURES

SEND, READ, MANAGE = (ROTATIONS["splunk", purpose] for purpose in (Purpose.SEND, Purpose.READ, Purpose.MANAGE))
MARKER = marker("r1f2e3d4c5b", 1)
VALUE = "5d1f3c1e-2a7b-4c55-9a0e-6f1f0c9b7a11"
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"

CALLS: dict[str, Callable[[Rotator], object]] = {
    "list_credentials": lambda rotator: rotator.list_credentials(""),
    "create": lambda rotator: rotator.create(MARKER, VALUE),
    "disable": lambda rotator: rotator.disable("nobody"),
    "enable": lambda rotator: rotator.enable("nobody"),
    "revoke": lambda rotator: rotator.revoke("nobody"),
}


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    """A rotator that has listed once, as every creation does first."""
    with closing(account.rotator(SEND)) as rotator:
        listed(rotator)
        yield rotator


def test_the_token_in_use_is_found_by_itself_and_shown_by_its_end_alone(account: Account, rotator: Rotator) -> None:
    found = listed(rotator)["first"]

    assert found.fits(account.values["hec_token"]) is Fit.EXACT
    assert found.fits(VALUE) is Fit.NO
    assert found.hint == account.values["hec_token"][-4:]
    assert account.values["hec_token"] not in f"{found!r} {found.fits!r} {rotator!r}"


def test_a_second_token_has_our_value_and_both_work(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, VALUE)

    assert minted == Minted(MARKER, VALUE)
    assert listed(rotator)[MARKER].fits(VALUE) is Fit.EXACT
    assert SEND.manifest.mint is Mint.BY_CLIENT
    account.check(SEND)
    account.having(hec_token=VALUE).check(SEND)


def test_a_new_token_takes_what_the_old_one_takes(account: Account, rotator: Rotator) -> None:
    account.act("create_index", name="payments")
    account.act("change_token", index="payments", indexes=["payments", "main"], sourcetype="app:json", use_ack=True)
    listed(rotator)

    rotator.create(MARKER, VALUE)

    sent = {name: value for name, (value,) in parse_qs(account.requests()[-1]["body"]).items()}
    assert sent == {
        "name": MARKER, "token": VALUE, "disabled": "0", "index": "payments", "indexes": "payments,main",
        "sourcetype": "app:json", "useACK": "1",
    }  # fmt: skip
    account.having(hec_token=VALUE).check(SEND)


def test_a_token_that_takes_any_index_is_copied_as_one(account: Account, rotator: Rotator) -> None:
    account.act("change_token", indexes=[])
    listed(rotator)

    rotator.create(MARKER, VALUE)

    sent = parse_qs(account.requests()[-1]["body"])
    assert "indexes" not in sent
    assert sent["useACK"] == ["0"]


def test_without_a_listing_nothing_is_created(account: Account) -> None:
    with closing(account.rotator(SEND)) as rotator:
        with pytest.raises(BadInput) as caught:
            rotator.create(MARKER, VALUE)

        assert "not among those" in caught.value.happened
        assert account.evidence == []


def test_what_an_earlier_listing_showed_is_forgotten_when_the_token_is_gone(account: Account, rotator: Rotator) -> None:
    account.act("revoke_token")
    listed(rotator)

    with pytest.raises(BadInput):
        rotator.create(MARKER, VALUE)


def test_a_value_is_ours_to_choose(rotator: Rotator) -> None:
    with pytest.raises(BadInput, match="value that we choose"):
        rotator.create(MARKER, "")


def test_a_value_is_neither_in_a_repr_nor_in_the_evidence(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, VALUE)

    seen = f"{minted!r} {rotator!r} {account.evidence!r} {listed(rotator)!r}"
    assert VALUE not in seen
    assert account.values["manage_token"] not in seen
    assert account.values["hec_token"] not in seen


def test_a_marker_that_is_taken_means_look_before_another_is_made(rotator: Rotator) -> None:
    rotator.create(MARKER, VALUE)

    with pytest.raises(OutcomeUnknown) as caught:
        rotator.create(MARKER, VALUE)

    assert caught.value.symptom == "splunk.marker_taken"
    assert listed(rotator)[MARKER].fits(VALUE) is Fit.EXACT


def test_a_lost_answer_to_a_creation_loses_nothing(account: Account, rotator: Rotator) -> None:
    account.fault(drop=True, deliver=True)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, VALUE)

    assert listed(rotator)[MARKER].fits(VALUE) is Fit.EXACT


def test_a_token_that_was_made_with_another_value_is_not_taken_for_ours(account: Account, rotator: Rotator) -> None:
    body = f'{{"entry":[{{"name":"http://{MARKER}","content":{{"token":"another"}}}}]}}'
    account.fault(status=201, body=body)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, VALUE)


def test_all_pages_are_walked_through(account: Account, rotator: Rotator) -> None:
    for number in range(PAGE_TOKENS + 5):
        account.act("mint_token", name=f"t{number}")

    first = rotator.list_credentials("")
    second = rotator.list_credentials(first.next_cursor)

    assert len(first.credentials) == PAGE_TOKENS
    assert len(second.credentials) == 6
    assert second.next_cursor == ""
    rotator.create(MARKER, VALUE)


def test_the_collector_itself_is_not_listed_as_a_token(account: Account, rotator: Rotator) -> None:
    collector = '{"name":"http","content":{"disabled":false}}'
    account.fault(status=200, body=f'{{"entry":[{collector}],"paging":{{"total":1}}}}')

    assert rotator.list_credentials("").credentials == ()


def test_a_fresh_token_may_be_listed_only_later(account: Account, rotator: Rotator) -> None:
    account.act("set_listing_lag", seconds=60)

    rotator.create(MARKER, VALUE)

    assert MARKER not in listed(rotator)
    account.having(hec_token=VALUE).check(SEND)
    account.act("set_listing_lag", seconds=0)
    assert MARKER in listed(rotator)


def test_a_token_that_is_switched_off_is_refused_until_it_is_switched_on(account: Account, rotator: Rotator) -> None:
    rotator.create(MARKER, VALUE)
    fresh = account.having(hec_token=VALUE)

    rotator.disable(MARKER)
    rotator.disable(MARKER)

    assert listed(rotator)[MARKER].enabled is False
    with pytest.raises(Rejected) as caught:
        fresh.check(SEND)
    assert caught.value.symptom == "splunk.token_disabled"
    assert caught.value.symptom in SEND.refusals
    assert VALUE not in f"{caught.value!r}"
    rotator.enable(MARKER)
    assert listed(rotator)[MARKER].enabled is True
    fresh.check(SEND)


def test_a_revoked_token_is_refused_and_revoking_it_again_is_done(account: Account, rotator: Rotator) -> None:
    rotator.create(MARKER, VALUE)

    rotator.revoke(MARKER)
    rotator.revoke(MARKER)
    rotator.disable(MARKER)

    with pytest.raises(Rejected) as caught:
        account.having(hec_token=VALUE).check(SEND)
    assert caught.value.symptom == "splunk.token_unknown"
    assert caught.value.symptom in SEND.refusals
    account.check(SEND)


def test_what_is_gone_cannot_be_switched_on(rotator: Rotator) -> None:
    with pytest.raises(Rejected) as caught:
        rotator.enable("nobody")

    assert caught.value.symptom == "splunk.hec_token_gone"


def test_a_token_with_blanks_in_its_name_is_addressed_whole(account: Account, rotator: Rotator) -> None:
    account.act("mint_token", name="made by hand")

    rotator.revoke("made by hand")

    assert "made by hand" not in listed(rotator)


@pytest.mark.parametrize("use_ack", [False, True])
def test_a_check_stores_no_event(use_ack: bool, account: Account) -> None:  # noqa: FBT001 - both settings of the token
    account.act("change_token", use_ack=use_ack)

    account.check(SEND)

    assert account.stand_ins.control("GET", "/splunk/inbox") == []
    assert [(exchange.verb, exchange.status) for exchange in account.evidence] == [("check_hec_token", 400)]


def test_a_busy_collector_says_nothing_about_the_token(account: Account) -> None:
    account.act("set_busy")

    with pytest.raises(Unavailable) as caught:
        account.check(SEND)

    assert caught.value.symptom not in SEND.refusals


def test_a_token_holds_nothing_open(account: Account, rotator: Rotator) -> None:
    account.evidence.clear()

    assert held_open(rotator, MARKER) == []
    assert account.evidence == []


def test_an_event_of_the_new_token_is_searched_and_wakes_nobody(account: Account, rotator: Rotator) -> None:
    rotator.create(MARKER, VALUE)
    with connected(account.stand_ins, INTEGRATION, connect, SPLUNK_HEC_TOKEN=VALUE) as (client, _):
        (probe,) = SEND.probes(client)

        receipt = probe.send(NONCE, datetime.now(UTC))
        for read_back in probe.confirm:
            receipt = eventually(partial(read_back, receipt))

    assert [row["token"] for row in account.stand_ins.control("GET", "/splunk/inbox")] == [MARKER]
    assert not SEND.wakes_people


def test_a_searching_token_cannot_look_after_hec_tokens(account: Account) -> None:
    with closing(account.having(manage_token=account.values["token"]).rotator(SEND)) as reader:
        with pytest.raises(Rejected) as caught:
            reader.list_credentials("")

        assert caught.value.symptom == "splunk.manage_denied"
        assert "edit_token_http" in caught.value.next_step


@pytest.mark.parametrize(("missing", "name"), [("manage_token", "SPLUNK_MANAGE_TOKEN"), ("api_url", "SPLUNK_API_URL")])
def test_what_is_missing_is_named_before_anything_is_sent(missing: str, name: str, account: Account) -> None:
    with pytest.raises(BadInput) as caught:
        account.having(**{missing: ""}).rotator(SEND)

    assert name in caught.value.happened
    assert "opsflows connect splunk" in caught.value.next_step
    assert account.evidence == []


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, account: Account, rotator: Rotator) -> None:
    verbs = sorted(row.verbs & CALLS.keys())
    assert verbs

    for status in row.statuses:
        # A 404 to what ends a token is done, and to what starts one has a row of its own.
        for verb in [verb for verb in verbs if row.id != "splunk.no_inputs" or verb in {"list_credentials", "create"}]:
            account.fault(status=status, body=f'{{"messages":[{{"text":"{row.marker}"}}]}}')

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


@pytest.mark.parametrize("body", ["", "{}", '{"entry":[]}', '{"paging":{"total":0}}'])
def test_a_listing_that_cannot_be_read_is_not_an_empty_one(body: str, account: Account, rotator: Rotator) -> None:
    account.fault(status=200, body=body)

    with pytest.raises(Unavailable):
        rotator.list_credentials("")


@pytest.mark.parametrize(("purpose", "name"), [(Purpose.READ, "reader"), (Purpose.MANAGE, "manager")])
def test_an_authentication_token_is_accepted_until_it_is_deleted(purpose: Purpose, name: str, account: Account) -> None:
    rotation = ROTATIONS["splunk", purpose]
    account.check(rotation)
    account.act("revoke_api_token", name=name)

    with pytest.raises(Rejected) as caught:
        account.check(rotation)

    assert caught.value.symptom in rotation.refusals
    assert rotation.connect is None


def test_a_searching_token_that_is_missing_is_not_a_refused_one(account: Account) -> None:
    with pytest.raises(BadInput, match="SPLUNK_TOKEN"):
        account.having(token="").check(READ)


def test_a_managing_token_sends_nothing_and_a_limit_is_not_published(account: Account) -> None:
    with connected(account.stand_ins, INTEGRATION, connect) as (client, _):
        assert MANAGE.probes(client) == ()

    assert LIMITS["splunk"] == ()
