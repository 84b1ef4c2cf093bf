"""Datadog's keys in rotation, against the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from tests.vendors.rotating import Account, account_of, listed
from vendors.datadog import INTEGRATION, connect
from vendors.datadog_keys import PAGE_KEYS, SIGNATURES
from vendors.registry import LIMITS, ROTATIONS
from vendors.rotation import Rotation, Rotator

SEND, READ, MANAGE = (ROTATIONS["datadog", purpose] for purpose in (Purpose.SEND, Purpose.READ, Purpose.MANAGE))
MARKER = marker("r1f2e3d4c5b", 1)
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
NO_ID = "00000000-0000-4000-8000-000000000000"

CALLS: dict[str, Callable[[Rotator], object]] = {
    "list": lambda rotator: rotator.list_credentials(""),
    "create": lambda rotator: rotator.create(MARKER, ""),
    "delete": lambda rotator: rotator.revoke(NO_ID),
}
CHECKS = {"check_api_key": SEND, "check_application_key": READ, "check_manage_key": MANAGE}

each_rotation = pytest.mark.parametrize("rotation", [SEND, READ, MANAGE], ids=lambda row: row.field)
each_mutation = pytest.mark.parametrize("call", [CALLS["create"], CALLS["delete"]], ids=["create", "revoke"])


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    stand_ins.control("POST", "/datadog/actions/set_indexing_delay", {"seconds": 0})
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account, rotation: Rotation) -> Iterator[Rotator]:
    with closing(account.rotator(rotation)) as rotator:
        yield rotator


def in_use(account: Account, rotator: Rotator, rotation: Rotation) -> ListedCredential:
    """Return the key that is in use."""
    value = account.values[rotation.field]
    (found,) = (row for row in listed(rotator).values() if row.fits(value) is Fit.LAST_CHARACTERS)
    return found


def refused(account: Account, rotation: Rotation) -> str:
    """Return the symptom of a refusal; NotYet while the vendor still takes the credential."""
    try:
        account.check(rotation)
    except Rejected as refusal:
        return refusal.symptom
    raise NotYet("The key still works.", "Its end has not spread.", "Ask again.")


@each_rotation
def test_the_key_in_use_is_found_and_shown_by_its_end_alone(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    found = in_use(account, rotator, rotation)

    value = account.values[rotation.field]
    assert found.hint == value[-4:]
    assert found.enabled
    assert value not in repr(found)
    assert found.fits("x" * len(value)) is Fit.NO


@each_rotation
def test_a_second_key_carries_the_marker_and_both_work(rotation: Rotation, account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    shown = listed(rotator)[MARKER]
    assert shown.vendor_id == minted.vendor_id
    assert shown.fits(minted.value) is Fit.LAST_CHARACTERS
    assert shown.created_at is not None
    assert datetime.now(UTC) - shown.created_at < timedelta(minutes=1)
    account.check(rotation)
    account.having(**{rotation.field: minted.value}).check(rotation)


@each_rotation
def test_no_value_is_in_a_repr_or_in_the_evidence(rotation: Rotation, account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    account.having(**{rotation.field: minted.value}).check(rotation)

    shown = f"{minted!r} {rotator!r} {listed(rotator)!r} {account.evidence!r}"
    secrets = (minted.value, *(account.values[name] for name in ("api_key", "app_key", "manage_app_key")))
    assert account.evidence
    assert [secret for secret in secrets if secret in shown] == []


@each_rotation
def test_a_marker_that_is_taken_asks_to_look_first(rotation: Rotation, rotator: Rotator) -> None:
    rotator.create(MARKER, "")

    with pytest.raises(OutcomeUnknown) as caught:
        rotator.create(MARKER, "")

    assert rotation.manifest.marker_field == "name"
    assert caught.value.symptom == "datadog.name_taken"


@each_rotation
def test_a_long_list_is_read_page_by_page(rotation: Rotation, account: Account, rotator: Rotator) -> None:
    account.act("set_key_limits", api_keys=300, app_keys_per_user=300)
    for number in range(PAGE_KEYS):
        rotator.create(marker("many", number), "")

    first = rotator.list_credentials("")
    last = rotator.list_credentials(first.next_cursor)

    assert (len(first.credentials), first.next_cursor, last.next_cursor) == (PAGE_KEYS, "1", "")
    assert len({row.vendor_id for page in (first, last) for row in page.credentials}) == len(listed(rotator))
    assert rotation.manifest.slots is None
    assert first.slots == 300


@each_rotation
def test_a_revoked_key_is_refused_once_that_has_spread_and_the_other_is_not(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    minted = rotator.create(MARKER, "")
    account.act("set_propagation_delay", seconds=0.2)
    second = account.having(**{rotation.field: minted.value})
    eventually(partial(_accepted, second, rotation))

    rotator.revoke(minted.vendor_id)
    rotator.revoke(minted.vendor_id)

    assert eventually(partial(refused, second, rotation)) in rotation.refusals
    assert MARKER not in listed(rotator)
    account.check(rotation)


@each_rotation
def test_a_key_cannot_be_switched_off_and_nothing_is_sent(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    for switch in (rotator.disable, rotator.enable):
        with pytest.raises(Rejected, match="delete a key and nothing less"):
            switch(NO_ID)

    assert not rotation.manifest.can_disable
    assert account.requests() == []


@each_rotation
def test_a_use_is_told_after_the_lag_and_never_later_than_promised(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    lag = rotation.manifest.last_used_lag
    assert lag is not None
    account.act("set_last_used_lag", seconds=lag.total_seconds())
    minted = rotator.create(MARKER, "")
    account.having(**{rotation.field: minted.value}).check(rotation)

    at_once = listed(rotator)[MARKER].last_used_at
    account.stand_ins.control("POST", "/clock", {"offset_s": lag.total_seconds() + 1})

    assert at_once is None
    assert listed(rotator)[MARKER].last_used_at is not None


@each_rotation
def test_a_fresh_key_shows_in_the_list_after_its_lag(rotation: Rotation, account: Account, rotator: Rotator) -> None:
    account.act("set_listing_lag", seconds=rotation.manifest.listing_lag.total_seconds())
    rotator.create(MARKER, "")

    at_once = MARKER in listed(rotator)
    account.stand_ins.control("POST", "/clock", {"offset_s": rotation.manifest.listing_lag.total_seconds() + 1})

    assert (at_once, MARKER in listed(rotator)) == (False, True)


@each_rotation
def test_a_key_that_may_not_manage_says_which_scopes_it_needs(rotation: Rotation, account: Account) -> None:
    limited = account.having(manage_app_key=account.values["app_key"])

    with closing(limited.rotator(rotation)) as rotator:
        for call in CALLS.values():
            with pytest.raises(Rejected, match="api_keys_delete") as caught:
                call(rotator)

            assert caught.value.symptom == "datadog.manage_permission"


@each_rotation
def test_a_revoked_manage_key_is_told_from_a_missing_scope(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    account.act("revoke_app_key", key=account.values["manage_app_key"])

    with pytest.raises(Rejected) as caught:
        rotator.list_credentials("")

    assert rotation.integration == "datadog"
    assert caught.value.symptom == "datadog.manage_key"


@each_rotation
def test_a_missing_manage_key_says_what_to_connect(rotation: Rotation, account: Account) -> None:
    with pytest.raises(BadInput, match="DD_MANAGE_APP_KEY") as caught:
        account.having(manage_app_key="").rotator(rotation)

    assert "opsflows connect datadog" in caught.value.next_step
    assert account.requests() == []


@pytest.mark.parametrize("rotation", [READ, MANAGE], ids=lambda row: row.field)
def test_an_unknown_service_account_is_named_and_never_taken_for_a_deleted_key(
    rotation: Rotation, account: Account
) -> None:
    elsewhere = account.having(service_account_id=NO_ID)

    with closing(elsewhere.rotator(rotation)) as rotator:
        for call in CALLS.values():
            with pytest.raises(Rejected) as caught:
                call(rotator)

            assert caught.value.symptom == "datadog.service_account_unknown"


@pytest.mark.parametrize("rotation", [READ, MANAGE], ids=lambda row: row.field)
def test_without_a_service_account_keys_are_those_of_the_manage_keys_own_user(
    rotation: Rotation, account: Account
) -> None:
    person = account.act("mint_app_key", name="a person's")["key"]

    with closing(account.having(service_account_id="", manage_app_key=person).rotator(rotation)) as rotator:
        rotator.create(MARKER, "")

        assert set(listed(rotator)) == {"a person's", MARKER}


@pytest.mark.parametrize("rotation", [READ], ids=["app_key"])
def test_a_new_read_key_reads_what_was_sent_and_may_not_manage(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    minted = rotator.create(MARKER, "")

    with connected(account.stand_ins, INTEGRATION, connect, DD_APP_KEY=minted.value) as (client, _):
        for probe in rotation.probes(client):
            receipt = probe.send(NONCE, datetime.now(UTC))
            assert eventually(partial(probe.confirm[0], receipt)).nonce == NONCE
    with closing(account.having(manage_app_key=minted.value).rotator(rotation)) as limited, pytest.raises(Rejected):
        limited.list_credentials("")


@pytest.mark.parametrize("rotation", [MANAGE], ids=["manage_app_key"])
def test_a_new_manage_key_lists_makes_and_ends_the_old_one(
    rotation: Rotation, account: Account, rotator: Rotator
) -> None:
    old = in_use(account, rotator, rotation)
    successor = account.having(manage_app_key=rotator.create(MARKER, "").value)

    with closing(successor.rotator(rotation)) as managing, closing(successor.rotator(SEND)) as api_keys:
        managing.revoke(old.vendor_id)
        api_keys.revoke(api_keys.create(MARKER, "").vendor_id)

        assert set(listed(managing)) == {"first", MARKER}
    assert refused(account, rotation) in rotation.refusals
    with connected(account.stand_ins, INTEGRATION, connect) as (client, _):
        assert rotation.probes(client) == ()


@pytest.mark.parametrize("rotation", [SEND], ids=["api_key"])
def test_the_last_api_key_stays(rotation: Rotation, account: Account, rotator: Rotator) -> None:
    only = in_use(account, rotator, rotation)

    with pytest.raises(Rejected) as caught:
        rotator.revoke(only.vendor_id)

    assert caught.value.symptom == "datadog.last_key"


@each_rotation
def test_a_full_organisation_makes_no_key(rotation: Rotation, account: Account, rotator: Rotator) -> None:
    account.act("set_key_limits", api_keys=1, app_keys_per_user=2)

    with pytest.raises(Rejected) as caught:
        rotator.create(MARKER, "")

    assert rotation.integration == "datadog"
    assert caught.value.symptom == "datadog.no_room"


@each_mutation
@each_rotation
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"status": 408}, {"drop": True}, {"garbage": True}], ids=str
)
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(
    fault: dict[str, object], rotation: Rotation, call: Callable[[Rotator], object], account: Account, rotator: Rotator
) -> None:
    account.fault(**fault)

    # An answer to a deletion needs no body, so garbage with a 2xx is one.
    if "garbage" in fault and call is CALLS["delete"]:
        call(rotator)
    else:
        with pytest.raises(OutcomeUnknown):
            call(rotator)
    assert rotation.manifest.listable


@each_mutation
@each_rotation
def test_a_limit_lasts_as_long_as_datadog_says(
    rotation: Rotation, call: Callable[[Rotator], object], account: Account, rotator: Rotator
) -> None:
    account.fault(throttle_s=17)

    with pytest.raises(Unavailable) as caught:
        call(rotator)

    assert rotation.integration == "datadog"
    assert caught.value.retry_after == timedelta(seconds=17)


@each_rotation
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403, "body": "<h1>403 Forbidden</h1>"},
        {"status": 403, "body": '{"errors":["API key required"]}'},
        {"status": 500},
        {"throttle_s": 1},
        {"drop": True},
        {"garbage": True},
    ],
    ids=str,
)
def test_only_datadogs_own_refusal_says_anything_about_a_key(
    answer: dict[str, object], rotation: Rotation, account: Account
) -> None:
    account.fault(**answer)

    with pytest.raises(OpsError) as caught:
        account.check(rotation)

    assert caught.value.symptom not in rotation.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, account: Account) -> None:
    for status in row.statuses:
        for verb in sorted(row.verbs):
            # Only where the whole account is not there is a deletion's 404 not "gone already".
            marked = row.marker or "service account"
            account.fault(status=status, body=f"{{ {marked} }}")

            with pytest.raises(row.kind.value) as caught:
                _asked(account, verb)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


def test_limits_count_the_verbs_that_evidence_names(account: Account) -> None:
    for rotation in (SEND, READ):
        with closing(account.rotator(rotation)) as rotator:
            rotator.list_credentials("")
            rotator.revoke(rotator.create(MARKER, "").vendor_id)

    limited = frozenset[str]().union(*(limit.verbs for limit in LIMITS["datadog"]))
    assert {exchange.verb for exchange in account.evidence} <= limited


def _accepted(account: Account, rotation: Rotation) -> None:
    try:
        account.check(rotation)
    except Rejected as refusal:
        raise NotYet(refusal.happened, refusal.means, refusal.next_step) from refusal


def _asked(account: Account, verb: str) -> None:
    if verb in CHECKS:
        account.check(CHECKS[verb])
        return
    step, _, kind = verb.partition("_")
    with closing(account.rotator(SEND if kind.startswith("api_key") else READ)) as rotator:
        CALLS[step](rotator)
