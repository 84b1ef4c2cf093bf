"""IAM access keys in rotation, against the stand-in: two places, no names, a tag that says what was about to be made."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.rotating import Account, account_of
from vendors.aws import access_key
from vendors.aws_intent import WINDOW
from vendors.awskey import INTEGRATION, SIGNATURES
from vendors.awskey_rotation import ROTATIONS
from vendors.rotation import Rotator

SEND, MANAGE = ROTATIONS
MARKER, SECOND = marker("r1f2e3d4c5b", 1), marker("r1f2e3d4c5b", 2)
NO_ID = "AKIA" + "A" * 16

# In this order: a row is tried with the first verb that it speaks of.
CALLS: dict[str, Callable[[Rotator], object]] = {
    "get_user": lambda rotator: rotator.list_credentials(""),
    "tag_user": lambda rotator: rotator.create(MARKER, ""),
    "create_access_key": lambda rotator: rotator.create(MARKER, ""),
    "update_access_key": lambda rotator: rotator.enable(NO_ID),
    "delete_access_key": lambda rotator: rotator.revoke(NO_ID),
}
CHANGES = tuple(CALLS)[1:]


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    with closing(account.rotator(SEND)) as rotator:
        yield rotator


def operation(verb: str) -> str:
    return "".join(word.capitalize() for word in verb.split("_"))


def keys(rotator: Rotator) -> dict[str, ListedCredential]:
    return {row.vendor_id: row for row in rotator.list_credentials("").credentials}


def marked(rotator: Rotator, mark: str = MARKER) -> list[str]:
    return [row.vendor_id for row in keys(rotator).values() if row.name == mark]


def key_id(value: str) -> str:
    return access_key(value).key_id


def later(account: Account, by: timedelta) -> None:
    account.stand_ins.control("POST", "/clock", {"offset_s": by.total_seconds()})


def refusal(account: Account, value: str) -> str:
    with pytest.raises(Rejected) as caught:
        account.having(access_key=value).check(SEND)
    assert access_key(value).secret not in repr(caught.value)
    return caught.value.symptom


def interrupted(account: Account, admit: Callable[[str, str], None]) -> Rotator:
    """Return a rotator before each of whose requests something else happens."""
    assert SEND.connect is not None
    return SEND.connect(account.values, account.address, replace(account.conduct, admit=admit))


def test_the_key_in_use_is_found_by_its_id_and_never_shown(account: Account, rotator: Rotator) -> None:
    (found,) = rotator.list_credentials("").credentials

    assert found.fits(account.values["access_key"]) is Fit.EXACT
    assert found.fits(account.values["manage_key"]) is Fit.NO
    assert found.fits("no key at all") is Fit.NO
    assert (found.name, found.enabled, found.last_used_at) == ("", True, None)
    assert access_key(account.values["access_key"]).secret not in repr((found, rotator, account.evidence))


def test_a_second_key_works_beside_the_first_and_the_tag_names_it(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    assert marked(rotator) == [minted.vendor_id] == [key_id(minted.value)]
    created = keys(rotator)[minted.vendor_id].created_at
    assert created is not None
    assert datetime.now(UTC) - created < timedelta(minutes=1)
    account.check(SEND)
    account.having(access_key=minted.value).check(SEND)
    assert access_key(minted.value).secret not in repr((minted, keys(rotator), account.evidence))


def test_a_key_is_made_between_two_writings_of_the_tag(account: Account, rotator: Rotator) -> None:
    rotator.create(MARKER, "")

    asked = [request["rpc"] for request in account.requests()]
    assert asked == ["GetUser", "ListAccessKeys", "TagUser", "CreateAccessKey", "TagUser"]


def test_a_key_whose_answer_was_lost_is_found_under_the_marker_and_deleted(account: Account, rotator: Rotator) -> None:
    account.fault(drop=True, deliver=True, rpc="CreateAccessKey")

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    (lost,) = marked(rotator)
    assert lost != key_id(account.values["access_key"])
    rotator.revoke(lost)
    assert rotator.create(SECOND, "").vendor_id in marked(rotator, SECOND)
    assert marked(rotator) == []


def test_a_creation_that_never_happened_leaves_nothing_under_the_marker(account: Account, rotator: Rotator) -> None:
    account.fault(drop=True, rpc="CreateAccessKey")

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    assert marked(rotator) == []


def test_where_the_second_writing_fails_the_first_still_names_the_key(account: Account, rotator: Rotator) -> None:
    written: list[str] = []

    def failing_the_second(_: str, verb: str) -> None:
        if verb == "tag_user" and written:
            account.fault(status=500, rpc="TagUser")
        written.extend([verb] * (verb == "tag_user"))

    with closing(interrupted(account, failing_the_second)) as unlucky:
        minted = unlucky.create(MARKER, "")

    assert [exchange.outcome for exchange in account.evidence if exchange.verb == "tag_user"] == [
        "ok",
        "OutcomeUnknown",
    ]
    assert marked(rotator) == [minted.vendor_id]


def test_somebody_elses_key_is_never_named_ours_nor_deleted(account: Account, rotator: Rotator) -> None:
    theirs = account.act("create_access_key")["access_key_id"]

    with pytest.raises(Rejected) as caught:
        rotator.create(MARKER, "")

    assert caught.value.symptom == "awskey.two_keys"
    assert theirs in caught.value.happened
    assert marked(rotator) == []
    assert theirs in keys(rotator)
    assert [request["rpc"] for request in account.requests()].count("TagUser") == 0


def test_a_key_that_somebody_made_in_between_takes_the_place_and_is_not_ours(
    account: Account, rotator: Rotator
) -> None:
    def another_person(_: str, verb: str) -> None:
        if verb == "create_access_key":  # at the worst moment: after the tag, before the key
            account.act("create_access_key")

    with closing(interrupted(account, another_person)) as raced, pytest.raises(Rejected) as caught:
        raced.create(MARKER, "")

    assert caught.value.symptom == "awskey.no_slot"
    assert marked(rotator) == []
    assert len(keys(rotator)) == 2


def test_a_key_made_long_after_the_intent_is_not_ours(account: Account, rotator: Rotator) -> None:
    account.fault(drop=True, rpc="CreateAccessKey")
    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, "")

    later(account, WINDOW + timedelta(seconds=2))
    account.act("create_access_key")

    assert marked(rotator) == []


@pytest.mark.parametrize("paused_before", [1, 2], ids=["its first tag", "its second tag"])
def test_a_late_worker_changes_nothing_of_what_its_successor_wrote(
    paused_before: int, account: Account, rotator: Rotator
) -> None:
    written: list[str] = []

    def successor(_: str, verb: str) -> None:
        written.extend([verb] * (verb == "tag_user"))
        if verb == "tag_user" and len(written) == paused_before:
            for lost in marked(rotator):
                rotator.revoke(lost)
            rotator.create(SECOND, "")

    with closing(interrupted(account, successor)) as paused, suppress(Rejected):
        paused.create(MARKER, "")

    assert (len(marked(rotator, SECOND)), marked(rotator)) == (1, [])


def test_tags_of_attempts_that_are_over_go_with_the_next_creation(account: Account, rotator: Rotator) -> None:
    rotator.revoke(rotator.create(MARKER, "").vendor_id)

    rotator.create(SECOND, "")

    (removed,) = [request["body"] for request in account.requests() if request["rpc"] == "UntagUser"]
    assert MARKER in removed


def test_a_key_is_switched_off_and_on_and_deleted_as_often_as_asked(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    for _ in range(2):
        rotator.disable(minted.vendor_id)
    assert not keys(rotator)[minted.vendor_id].enabled
    assert refusal(account, minted.value) in SEND.refusals
    for _ in range(2):
        rotator.enable(minted.vendor_id)
    account.having(access_key=minted.value).check(SEND)
    for _ in range(2):
        rotator.revoke(minted.vendor_id)
    rotator.disable(minted.vendor_id)

    assert refusal(account, minted.value) in SEND.refusals
    assert list(keys(rotator)) == [key_id(account.values["access_key"])]
    with pytest.raises(Rejected) as caught:
        rotator.enable(minted.vendor_id)
    assert caught.value.symptom == "awskey.key_gone"


def test_a_new_key_is_refused_until_it_has_spread(account: Account, rotator: Rotator) -> None:
    account.act("set_propagation_delay", seconds=60)
    minted = rotator.create(MARKER, "")

    assert refusal(account, minted.value) == "awskey.key_unknown"
    later(account, SEND.manifest.propagation)
    account.having(access_key=minted.value).check(SEND)


def test_the_last_use_is_told_hours_late_and_the_manifest_waits_for_it(account: Account, rotator: Rotator) -> None:
    account.act("set_last_used_lag", hours=4)
    account.check(SEND)

    at_once = keys(rotator)[key_id(account.values["access_key"])].last_used_at
    lag = SEND.manifest.last_used_lag
    assert lag is not None
    later(account, lag + timedelta(seconds=1))
    told = keys(rotator)[key_id(account.values["access_key"])].last_used_at

    assert at_once is None
    assert told is not None
    assert datetime.now(UTC) - told < timedelta(minutes=2)


def test_a_wrong_secret_is_a_refusal_and_a_wrong_clock_or_region_is_none(account: Account) -> None:
    value = account.values["access_key"]
    wrong = value.replace('"secret_access_key":"', '"secret_access_key":"x')
    assert refusal(account, wrong) == "awskey.key_secret_wrong"

    for words, symptom in (
        ("Signature expired: 20261126T013558Z is now earlier than 20261126T015000Z", "awskey.clock_behind"),
        ("Signature not yet current: 20261126T023558Z is still later than", "awskey.clock_ahead"),
        ("Credential should be scoped to a valid region.", "awskey.region_wrong"),
    ):
        account.fault(status=403, body=f"<Error><Code>SignatureDoesNotMatch</Code><Message>{words}</Message></Error>")
        assert refusal(account, value) == symptom
        assert symptom not in SEND.refusals


@pytest.mark.parametrize(
    "fault", [{"status": 403, "body": "<h1>403 Forbidden</h1>"}, {"status": 500}, {"throttle_s": 1}, {"garbage": True}],
    ids=str,
)  # fmt: skip
def test_another_answer_says_nothing_about_a_key(fault: dict[str, object], account: Account) -> None:
    account.fault(**fault)

    with pytest.raises(OpsError) as caught:
        account.check(SEND)

    assert caught.value.symptom not in SEND.refusals


def test_the_managing_key_rotates_itself_with_its_own_users_keys(account: Account, rotator: Rotator) -> None:
    with closing(account.rotator(MANAGE)) as own:
        minted = own.create(MARKER, "")
        assert sorted(keys(own)) == sorted([key_id(account.values["manage_key"]), minted.vendor_id])
        assert marked(own) == [minted.vendor_id]
    successor = account.having(manage_key=minted.value)
    successor.check(MANAGE)

    with closing(successor.rotator(MANAGE)) as own:
        own.disable(key_id(account.values["manage_key"]))
        with pytest.raises(Rejected) as caught:
            account.check(MANAGE)
        assert caught.value.symptom in MANAGE.refusals
        own.revoke(key_id(account.values["manage_key"]))
        assert list(keys(own)) == [minted.vendor_id]

    assert (MANAGE.manifest.opens_management, MANAGE.purpose) == (True, Purpose.MANAGE)
    with pytest.raises(Rejected) as caught:
        keys(rotator)  # it still calls with the key that was deleted
    assert caught.value.symptom == "awskey.manage_key_unknown"


def test_without_a_managing_key_the_rehearsal_says_what_is_missing(account: Account) -> None:
    for rotation in (SEND, MANAGE):
        with pytest.raises(BadInput):
            account.having(manage_key="").rotator(rotation)
    with pytest.raises(BadInput, match="AWS_IAM_MANAGE_KEY"):
        account.having(manage_key="").check(MANAGE)
    assert account.requests() == []


@pytest.mark.parametrize("verb", CHANGES)
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(verb: str, account: Account, rotator: Rotator) -> None:
    for fault in ({"status": 500}, {"drop": True}):
        account.fault(**fault, rpc=operation(verb))

        with pytest.raises(OutcomeUnknown):
            CALLS[verb](rotator)


def test_a_throttled_creation_happened_to_nobody_and_takes_its_tag_back(account: Account, rotator: Rotator) -> None:
    account.fault(throttle_s=1, rpc="CreateAccessKey")

    with pytest.raises(Unavailable) as caught:
        rotator.create(MARKER, "")

    assert caught.value.symptom == "awskey.throttled"
    account.act("create_access_key")  # somebody, in the same second
    assert marked(rotator) == []


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, account: Account, rotator: Rotator) -> None:
    verb = next((verb for verb in CALLS if verb in row.verbs), "get_caller_identity")
    account.fault(status=min(row.statuses), body=f"{{ {row.marker} }}", rpc=operation(verb))

    with pytest.raises(row.kind.value) as caught:
        CALLS[verb](rotator) if verb in CALLS else account.check(SEND)

    assert caught.value.symptom == row.id
    assert "{" not in str(caught.value)
