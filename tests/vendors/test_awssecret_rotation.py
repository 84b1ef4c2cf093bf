"""A secret's versions in rotation, against the stand-in: labels that move, and none that stays where it must not."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential
from domain.names import marker
from tests.conftest import StandIns
from tests.vendors.rotating import Account, account_of
from vendors.aws_versions import CURRENT, OFF, PENDING, PREVIOUS, token_of
from vendors.awssecret import INTEGRATION, SIGNATURES, connect
from vendors.awssecret_rotation import LIMITS, ROTATIONS
from vendors.rotation import Pointer, Rotator

SEND, MANAGE = ROTATIONS
MARKER, SECOND = marker("r1f2e3d4c5b", 1), marker("r1f2e3d4c5b", 2)
NEW = "a-new-value-chosen-here"

# In this order: a row is tried with the first verb that it speaks of.
CALLS: dict[str, Callable[[Rotator], object]] = {
    "list_secret_version_ids": lambda rotator: rotator.list_credentials(""),
    "put_secret_value": lambda rotator: rotator.create(MARKER, NEW),
    "update_secret_version_stage": lambda rotator: rotator.disable(rotator.create(MARKER, NEW).vendor_id),
    "get_secret_value": lambda rotator: rotator.list_credentials(""),
}


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    with closing(account.rotator(SEND)) as rotator:
        yield rotator


@pytest.fixture
def pointer(account: Account) -> Iterator[Pointer]:
    assert SEND.point is not None
    with closing(SEND.point(account.values, account.address, account.conduct)) as pointer:
        yield pointer


@pytest.fixture
def old(account: Account) -> str:
    """The id of the version that is current at the beginning."""
    return labels(account)[CURRENT]


def labels(account: Account) -> dict[str, str]:
    found: dict[str, str] = account.act("show_labels")
    return found


def versions(rotator: Rotator) -> dict[str, ListedCredential]:
    return {row.vendor_id: row for row in rotator.list_credentials("").credentials}


def operation(verb: str) -> str:
    return "".join(word.capitalize() for word in verb.split("_"))


def refusal(account: Account, value: str) -> str:
    with pytest.raises(Rejected) as caught:
        account.having(secret_value=value).check(SEND)
    assert value not in repr(caught.value)
    return caught.value.symptom


def test_the_value_in_use_is_found_exactly_and_never_shown(account: Account, rotator: Rotator, old: str) -> None:
    (found,) = rotator.list_credentials("").credentials

    assert (found.vendor_id, found.name, found.enabled, found.hint) == (old, "", True, CURRENT)
    assert found.fits(account.values["secret_value"]) is Fit.EXACT
    assert found.fits(NEW) is Fit.NO
    assert account.values["secret_value"] not in repr((found, rotator, account.evidence))


def test_a_new_version_is_pending_carries_the_marker_and_moves_nothing(
    account: Account, rotator: Rotator, old: str
) -> None:
    minted = rotator.create(MARKER, NEW)

    shown = versions(rotator)[minted.vendor_id]
    assert (shown.name, shown.enabled, shown.fits(NEW)) == (MARKER, True, Fit.EXACT)
    assert labels(account) == {CURRENT: old, PENDING: token_of(MARKER)}
    assert NEW not in repr((minted, shown, account.evidence))
    account.check(SEND)
    account.having(secret_value=NEW).check(SEND)


def test_a_creation_repeated_after_a_lost_answer_makes_nothing_twice(account: Account, rotator: Rotator) -> None:
    account.fault(drop=True, deliver=True, rpc="PutSecretValue")
    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, NEW)

    assert [row.vendor_id for row in versions(rotator).values() if row.name == MARKER] == [token_of(MARKER)]
    assert rotator.create(MARKER, NEW).vendor_id == token_of(MARKER)
    with pytest.raises(Rejected) as caught:
        rotator.create(MARKER, "another-value")
    assert caught.value.symptom == "awssecret.token_taken"


def test_the_proof_names_the_version_that_was_made(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, NEW)

    with closing(connect(account.values | {"secret_value": NEW}, account.address, account.conduct)) as client:
        (probe,) = SEND.probes(client)
        receipt = probe.confirm[0](probe.send("0" * 32, datetime.now(UTC)))

    assert receipt.ids["integration_id"] == minted.vendor_id


def test_pointing_makes_it_current_the_old_one_previous_and_leaves_nothing_pending(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    new = rotator.create(MARKER, NEW).vendor_id
    assert (pointer.points_to(account.values["secret_value"]), pointer.points_to(NEW)) == (True, False)

    for _ in range(2):
        pointer.point_to(NEW)

    assert labels(account) == {CURRENT: new, PREVIOUS: old}
    assert (pointer.points_to(account.values["secret_value"]), pointer.points_to(NEW)) == (False, True)
    account.check(SEND)


def test_a_crash_between_the_two_moves_is_seen_and_healed(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    new = rotator.create(MARKER, NEW).vendor_id
    account.act("move_label", label=CURRENT, to=new)  # the first move was made, the second was not

    assert labels(account) == {CURRENT: new, PREVIOUS: old, PENDING: new}
    assert pointer.points_to(NEW) is False
    pointer.point_to(NEW)

    assert labels(account) == {CURRENT: new, PREVIOUS: old}
    assert pointer.points_to(NEW) is True


def test_a_value_that_nothing_leads_to_cannot_be_pointed_to(account: Account, pointer: Pointer) -> None:
    with pytest.raises(Rejected) as caught:
        pointer.point_to(NEW)

    assert caught.value.symptom == "awssecret.not_labelled"
    assert [request["rpc"] for request in account.requests()].count("UpdateSecretVersionStage") == 0


def test_switched_off_it_is_refused_kept_by_aws_and_can_come_back(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    new = rotator.create(MARKER, NEW).vendor_id
    pointer.point_to(NEW)

    for _ in range(2):
        rotator.disable(old)
    account.act("collect_garbage")

    assert labels(account) == {CURRENT: new, OFF: old}
    assert not versions(rotator)[old].enabled
    assert refusal(account, account.values["secret_value"]) in SEND.refusals
    for _ in range(2):
        rotator.enable(old)
    assert labels(account) == {CURRENT: new, PREVIOUS: old}
    account.check(SEND)
    pointer.point_to(account.values["secret_value"])
    assert labels(account) == {CURRENT: old, PREVIOUS: new}


def test_revoked_it_has_no_label_and_is_no_longer_listed(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    new = rotator.create(MARKER, NEW).vendor_id
    pointer.point_to(NEW)
    rotator.disable(old)

    for _ in range(2):
        rotator.revoke(old)
    rotator.disable(old)

    assert labels(account) == {CURRENT: new}
    assert list(versions(rotator)) == [new]
    assert refusal(account, account.values["secret_value"]) in SEND.refusals
    account.having(secret_value=NEW).check(SEND)
    account.act("collect_garbage")
    with pytest.raises(Rejected) as caught:
        rotator.enable(old)
    assert caught.value.symptom == "awssecret.version_gone"


def test_a_version_that_is_given_up_leaves_no_pending_label(account: Account, rotator: Rotator, old: str) -> None:
    rotator.revoke(rotator.create(MARKER, NEW).vendor_id)

    assert labels(account) == {CURRENT: old}
    assert rotator.create(SECOND, "a-second-value").vendor_id == token_of(SECOND)


def test_the_current_version_is_not_taken_from_everybody(account: Account, rotator: Rotator, old: str) -> None:
    for retire in (rotator.disable, rotator.revoke):
        with pytest.raises(Rejected) as caught:
            retire(old)

        assert caught.value.symptom == "awssecret.current_stays"
    assert labels(account) == {CURRENT: old}
    assert SEND.manifest.opens_management  # so an emergency does not begin with it


def test_somebody_elses_pending_label_is_told_and_never_taken(account: Account, rotator: Rotator) -> None:
    theirs = account.act("put_version", value="theirs", labels=[PENDING])["version_id"]

    with pytest.raises(Rejected) as caught:
        rotator.create(MARKER, NEW)

    assert caught.value.symptom == "awssecret.pending_elsewhere"
    assert theirs in caught.value.happened
    assert labels(account)[PENDING] == theirs
    assert [request["rpc"] for request in account.requests()].count("PutSecretValue") == 0


def test_what_a_finished_rotation_left_pending_on_the_current_version_stops_nobody(
    account: Account, rotator: Rotator, old: str
) -> None:
    account.act("move_label", label=PENDING, to=old)

    assert rotator.create(MARKER, NEW).vendor_id == labels(account)[PENDING]


def test_somebodys_own_label_is_left_and_is_no_business_of_a_rotation(
    account: Account, rotator: Rotator, old: str
) -> None:
    theirs = account.act("put_version", value="blue-value", labels=["BLUE"])["version_id"]

    assert list(versions(rotator)) == [old]
    assert refusal(account, "blue-value") in SEND.refusals
    assert labels(account)["BLUE"] == theirs


def test_a_label_that_somebody_took_meanwhile_is_not_taken_back(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    rotator.create(MARKER, NEW)
    pointer.point_to(NEW)
    rotator.disable(old)
    theirs = account.act("put_version", value="theirs", labels=[PREVIOUS])["version_id"]

    with pytest.raises(Rejected) as caught:
        rotator.enable(old)

    assert caught.value.symptom == "awssecret.previous_elsewhere"
    assert labels(account)[PREVIOUS] == theirs


def test_a_label_that_moves_between_looking_and_moving_changes_nothing(account: Account, rotator: Rotator) -> None:
    new = rotator.create(MARKER, NEW).vendor_id

    def somebody(_: str, verb: str) -> None:
        if verb == "update_secret_version_stage":
            account.act("move_label", label=PENDING)

    assert SEND.connect is not None
    with closing(SEND.connect(account.values, account.address, replace(account.conduct, admit=somebody))) as raced:
        with pytest.raises(Unavailable) as caught:
            raced.revoke(new)
        raced.revoke(new)

    assert caught.value.symptom == "awssecret.labels_moved"
    assert PENDING not in labels(account)


def test_the_managing_key_rotates_itself_through_iam(account: Account) -> None:
    with closing(account.rotator(MANAGE)) as own:
        minted = own.create(MARKER, "")
    successor = account.having(manage_key=minted.value)
    successor.check(MANAGE)
    with closing(successor.rotator(MANAGE)) as own:
        (first,) = [key for key in versions(own) if key != minted.vendor_id]
        own.revoke(first)

    with pytest.raises(Rejected) as caught:
        account.check(MANAGE)
    assert caught.value.symptom in MANAGE.refusals
    with closing(account.rotator(SEND)) as stale, pytest.raises(Rejected) as refused:
        stale.list_credentials("")
    assert refused.value.symptom == "awssecret.identity_unknown"
    successor.check(SEND)


def test_what_is_missing_is_named_before_anything_is_sent(account: Account, rotator: Rotator) -> None:
    with pytest.raises(BadInput, match="value that we choose"):
        rotator.create(MARKER, "")
    with pytest.raises(BadInput, match="AWS_SECRET_MANAGE_KEY"):
        account.having(manage_key="").check(MANAGE)
    with pytest.raises(BadInput, match="no place in the rehearsal"):
        account.having(manage_key="").check(SEND)
    assert account.requests() == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"throttle_s": 1}, {"garbage": True}, {"drop": True}], ids=str)
def test_another_answer_says_nothing_about_the_value(fault: dict[str, object], account: Account) -> None:
    account.fault(**fault)

    with pytest.raises(OpsError) as caught:
        account.check(SEND)

    assert caught.value.symptom not in SEND.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("verb", ["put_secret_value", "update_secret_version_stage"])
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(verb: str, account: Account, rotator: Rotator) -> None:
    for fault in ({"status": 500}, {"drop": True}):
        account.fault(**fault, rpc=operation(verb))

        with pytest.raises(OutcomeUnknown):
            CALLS[verb](rotator)


@pytest.mark.parametrize(
    "row", [row for row in SIGNATURES if not row.verbs or row.verbs & set(CALLS)], ids=lambda row: row.id
)
def test_every_signature_is_read_as_its_row_says(row: Signature, account: Account, rotator: Rotator) -> None:
    verb = next(verb for verb in CALLS if not row.verbs or verb in row.verbs)
    account.fault(status=min(row.statuses), body=f'{{"__type": "{row.marker}"}}', rpc=operation(verb))

    with pytest.raises(row.kind.value) as caught:
        CALLS[verb](rotator)

    assert caught.value.symptom == row.id
    assert "{" not in str(caught.value)


def test_limits_speak_of_verbs_that_are_sent(account: Account, rotator: Rotator, pointer: Pointer) -> None:
    rotator.create(MARKER, NEW)
    pointer.point_to(NEW)

    limited = frozenset[str]().union(*(limit.verbs for limit in LIMITS))
    assert limited <= {exchange.verb for exchange in account.evidence}
