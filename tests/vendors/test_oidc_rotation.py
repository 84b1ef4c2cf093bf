"""A Keycloak client's two secrets in rotation, against the stand-in."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.errors import OutcomeUnknown
from domain.manifests import Fit
from tests.conftest import StandIns
from tests.vendors.oidc_realm import MARKER, NEW, SEND, holder, id_of, later, refusal, works
from tests.vendors.rotating import Account, account_of
from vendors.oidc import INTEGRATION
from vendors.oidc_admin import SECOND_LIFE
from vendors.oidc_rotation import new_secret
from vendors.rotation import Pointer, Rotator

DAY_S = 24 * 3600


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
    return account.values["client_secret"]


def test_a_rotation_from_the_first_look_to_the_last(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    old_id = id_of(rotator, old)

    minted = rotator.create(MARKER, NEW)
    beside = (works(account, old, NEW), pointer.points_to(old), pointer.points_to(NEW))
    pointer.point_to(NEW)
    swapped = (works(account, old, NEW), pointer.points_to(old), pointer.points_to(NEW))
    ids = (id_of(rotator, old), id_of(rotator, NEW))
    later(account, 25 * 3600)
    overlapped = works(account, old, NEW)
    rotator.revoke(old_id)

    assert beside == ([True, True], True, False)
    assert swapped == ([True, True], False, True)
    assert ids == (old_id, minted.vendor_id)
    assert overlapped == [True, True]
    assert works(account, old, NEW) == [False, True]
    assert holder(rotator, old) is None


def test_going_back_swaps_again_and_ends_the_new_secret(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    old_id, new_id = id_of(rotator, old), rotator.create(MARKER, NEW).vendor_id
    pointer.point_to(NEW)
    later(account, 23 * 3600)

    pointer.point_to(old)
    back = (works(account, old, NEW), id_of(rotator, old), id_of(rotator, NEW))
    later(account, 48 * 3600)
    rotator.revoke(new_id)

    assert back == ([True, True], old_id, new_id)
    assert works(account, old, NEW) == [True, False]


def test_an_attempt_that_is_given_up_leaves_the_secret_in_use_as_it_was(
    account: Account, rotator: Rotator, old: str
) -> None:
    new_id = rotator.create(MARKER, NEW).vendor_id

    for _ in range(2):
        rotator.revoke(new_id)

    assert works(account, old, NEW) == [True, False]
    rotator.create(MARKER, new_secret())


def test_both_are_told_by_their_value_and_named_by_nothing_of_it(account: Account, rotator: Rotator, old: str) -> None:
    minted = rotator.create(MARKER, NEW)

    page = rotator.list_credentials("")

    first, second = page.credentials
    assert (page.slots, page.next_cursor, SEND.manifest.slots, SEND.manifest.found_by_value) == (2, "", 2, True)
    assert (first.hint, second.hint, second.vendor_id) == ("the first secret", "the second secret", minted.vendor_id)
    assert (first.fits(old), first.fits(NEW), second.fits(NEW)) == (Fit.EXACT, Fit.NO, Fit.EXACT)
    assert first.created_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert second.created_at is not None
    assert abs(datetime.now(UTC) - second.created_at) < timedelta(minutes=1)
    assert all(row.vendor_id.removeprefix("secret-").isdecimal() for row in page.credentials)


def test_no_value_is_in_a_repr_or_in_the_evidence(account: Account, rotator: Rotator, pointer: Pointer) -> None:
    minted = rotator.create(MARKER, NEW)
    pointer.point_to(NEW)
    works(account, NEW)

    shown = f"{minted!r} {rotator!r} {pointer!r} {rotator.list_credentials('')!r} {account.evidence!r}"
    assert [value for value in (NEW, account.values["client_secret"], account.values["admin_client_secret"], "eyJ") if value in shown] == []  # fmt: skip


each_loss = pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502}, {"status": 409}], ids=str)


@each_loss
def test_a_creation_whose_answer_was_lost_is_found_by_the_value(
    fault: dict[str, object], account: Account, rotator: Rotator, old: str
) -> None:
    account.fault(**fault, method="PUT", deliver=True)

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, NEW)

    assert id_of(rotator, NEW) == rotator.create(MARKER, NEW).vendor_id
    assert works(account, old, NEW) == [True, True]


@each_loss
def test_a_swap_whose_answer_was_lost_is_seen_by_reading_it_back(
    fault: dict[str, object], account: Account, rotator: Rotator, pointer: Pointer
) -> None:
    rotator.create(MARKER, NEW)
    account.fault(**fault, method="PUT", deliver=True)

    with pytest.raises(OutcomeUnknown):
        pointer.point_to(NEW)

    assert pointer.points_to(NEW)
    pointer.point_to(NEW)
    assert works(account, account.values["client_secret"], NEW) == [True, True]


def test_without_a_policy_nothing_is_made_and_the_secret_in_use_stays(
    account: Account, rotator: Rotator, old: str
) -> None:
    account.act("switch_policy", on=False)

    assert refusal(lambda: rotator.create(MARKER, NEW)) == "oidc.no_policy"

    assert works(account, old, NEW) == [True, False]
    account.act("switch_policy", on=True)
    rotator.create(MARKER, NEW)
    assert works(account, old, NEW) == [True, True]


def test_an_overlap_that_is_lost_to_a_policy_switched_off_is_told_once(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    rotator.create(MARKER, NEW)
    account.act("switch_policy", on=False)

    assert refusal(lambda: pointer.point_to(NEW)) == "oidc.overlap_lost"

    pointer.point_to(NEW)
    assert works(account, old, NEW) == [False, True]


def test_the_second_secret_outlives_the_policys_own_time_and_not_a_month(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    account.act("switch_policy", on=True, expiration_s=90 * DAY_S, rotated_expiration_s=60)
    rotator.create(MARKER, NEW)
    pointer.point_to(NEW)
    later(account, SECOND_LIFE.total_seconds() - 60)
    within = works(account, old, NEW)

    later(account, SECOND_LIFE.total_seconds() + 60)

    assert (within, works(account, old, NEW)) == ([True, True], [False, True])
    assert holder(rotator, old) is None


def test_a_new_first_secret_has_the_life_that_the_policy_names(
    account: Account, rotator: Rotator, pointer: Pointer
) -> None:
    rotator.create(MARKER, NEW)
    later(account, 20 * DAY_S)
    pointer.point_to(NEW)

    later(account, 40 * DAY_S)

    assert works(account, NEW) == [True]


def test_a_secret_that_somebody_else_set_aside_is_not_overwritten(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    theirs = account.act("rotate")["secret"]

    assert len({row.vendor_id for row in rotator.list_credentials("").credentials}) == 2
    assert refusal(lambda: rotator.create(MARKER, NEW)) == "oidc.second_secret_stands"
    assert works(account, old, theirs, NEW) == [True, True, False]


def test_a_rotation_by_somebody_else_meanwhile_cuts_off_neither(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    old_id = id_of(rotator, old)
    rotator.create(MARKER, NEW)
    pointer.point_to(NEW)
    theirs = account.act("rotate")["secret"]

    rotator.revoke(old_id)  # gone by their doing
    pointer.point_to(NEW)

    assert works(account, old, NEW, theirs) == [False, True, True]
    assert pointer.points_to(NEW)


def test_a_secret_that_is_gone_is_not_made_the_first(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    rotator.create(MARKER, NEW)
    account.act("invalidate")

    assert refusal(lambda: pointer.point_to(NEW)) == "oidc.second_secret_gone"
    assert works(account, old) == [True]


def test_an_exposed_secret_goes_before_there_is_another_and_leaves_its_place_free(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    rotator.revoke(id_of(rotator, old))
    contained = (works(account, old), [row.enabled for row in rotator.list_credentials("").credentials])

    rotator.create(MARKER, NEW)
    pointer.point_to(NEW)

    assert contained == ([False], [False])
    assert works(account, old, NEW) == [False, True]
    assert [row.enabled for row in rotator.list_credentials("").credentials] == [True]


def test_the_first_secret_goes_in_favour_of_the_second_where_there_is_one(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    new_id = rotator.create(MARKER, NEW).vendor_id

    rotator.revoke(id_of(rotator, old))

    assert works(account, old, NEW) == [False, True]
    assert (pointer.points_to(NEW), id_of(rotator, NEW)) == (True, new_id)


def test_a_secret_that_has_ended_is_replaced_at_once(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    account.act("expire")
    ended = works(account, old)

    minted = rotator.create(MARKER, NEW)

    assert (ended, works(account, old, NEW)) == ([False], [False, True])
    assert (pointer.points_to(NEW), id_of(rotator, NEW)) == (True, minted.vendor_id)


def test_a_secret_that_ends_before_the_swap_does_not_take_the_new_one_along(
    account: Account, rotator: Rotator, pointer: Pointer, old: str
) -> None:
    rotator.create(MARKER, NEW)
    account.act("expire")
    before = (works(account, old, NEW), len(rotator.list_credentials("").credentials))

    pointer.point_to(NEW)

    assert before == ([False, False], 1)
    assert works(account, old, NEW) == [False, True]


def test_a_secret_in_keycloaks_vault_is_left_there(account: Account, rotator: Rotator) -> None:
    account.act("edit", secret="${vault.shop}")

    assert refusal(lambda: rotator.create(MARKER, NEW)) == "oidc.secret_in_vault"


def test_a_secret_is_not_switched_and_holds_nothing_open(account: Account, rotator: Rotator) -> None:
    assert not SEND.manifest.can_disable
    assert {refusal(partial(switch, "secret-1")) for switch in (rotator.disable, rotator.enable)} == {"oidc.no_switch"}
    assert rotator.held_open("secret-1", "").items == ()
    assert account.requests() == []


def test_a_disabled_client_says_nothing_about_its_secret(account: Account) -> None:
    account.act("edit", enabled=False)

    assert refusal(partial(account.check, SEND)) == "oidc.client_unknown"
    assert "oidc.client_unknown" not in SEND.refusals


def test_a_chosen_secret_is_long_and_never_the_same() -> None:
    assert SEND.new_value is not None
    chosen = {SEND.new_value() for _ in range(3)}

    assert len(chosen) == 3
    assert {len(value) for value in chosen} == {64}
    assert [row.check(value) for row in INTEGRATION.variables if row.secret for value in chosen]
