"""A rotation moves along its table's edges only, and every wait is either time's, or somebody's to end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from domain.attention import Weight
from domain.names import SWEEPER, Credential
from domain.rotation import (
    CLOSED,
    IN_WORDS,
    Kind,
    RotationRecord,
    State,
    Wait,
    is_patient,
    may_follow,
    may_roll_back,
    needs_someone,
    rotation_id,
    verdict_of,
    weight_of,
)
from domain.run_bounds import ENDS_WELL_WITHIN
from domain.verdicts import Verdict

CREDENTIAL = Credential.parse("datadog-default-prod-send")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RECORD = RotationRecord(
    id="r1", credential=CREDENTIAL, kind=Kind.SCHEDULED, state=State.PUBLISHED, wait=Wait.OVERLAP, words="", next_step="",
    attempt=1, back=False, emergency=False, contain_first=False, old_version="old", old_vendor_id="id1", new_version="new",
    new_vendor_id="id2", opened_at=NOON, not_before=NOON, creating_at=None, minted_at=None, verified_at=None, flipped_at=None,
    served_at=None, disabled_at=None, closed_at=None, compromised_at=None, failures=0, head_seq=1, head_hash="h", fence=1,
    worker="", lease_until=None, operator="ada", reason="due", ticket="OPS-1", due_window="w",
)  # fmt: skip


def test_the_way_from_planned_to_done_is_in_the_table() -> None:
    way = [
        State.PLANNED, State.CREATING, State.CREATED, State.VERIFIED, State.PUBLISHED, State.DISABLING, State.DISABLED,
        State.REVOKING, State.DONE,
    ]  # fmt: skip

    assert all(may_follow(before, after) for before, after in pairwise(way))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.PLANNED, State.CREATED),  # nothing is created without an intent
        (State.CREATED, State.PUBLISHED),  # nothing is published without a proof
        (State.VERIFIED, State.REVOKING),  # nothing is retired before something else is published
        (State.PUBLISHED, State.DONE),  # what is published is not done (rotation.md, R10)
        (State.REVOKING, State.ROLLING_BACK),  # what is being deleted cannot be gone back to
    ],
)
def test_no_edge_leaves_out_what_makes_it_safe(before: State, after: State) -> None:
    assert not may_follow(before, after)


@pytest.mark.parametrize("state", State)
def test_an_open_rotation_may_stay_and_a_closed_one_moves_nowhere(state: State) -> None:
    following = {after for after in State if may_follow(state, after)}

    assert following == set() if state in CLOSED else state in following


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached_and_is_told_in_words(state: State) -> None:
    assert state is State.PLANNED or any(may_follow(before, state) for before in State if before is not state)
    assert IN_WORDS[state]


def test_it_can_be_rolled_back_until_the_old_credential_is_being_deleted() -> None:
    assert {state for state in State if not may_roll_back(state)} == {
        State.ADOPTING, State.REVOKING, State.ROLLING_BACK, State.DONE, State.ABORTED,
    }  # fmt: skip


def test_what_time_alone_ends_needs_nobody() -> None:
    assert not any(needs_someone(wait) for wait in Wait if is_patient(wait))


@pytest.mark.parametrize("wait", [wait for wait in Wait if wait.startswith(("BLOCKED", "AWAITING"))])
def test_what_is_blocked_or_awaits_a_person_needs_someone(wait: Wait) -> None:
    assert needs_someone(wait)
    assert verdict_of(replace(RECORD, wait=wait)) is Verdict.HOLD


def test_a_failed_step_that_is_tried_again_is_for_later_and_one_that_failed_too_often_is_for_now() -> None:
    weights = {wait: weight_of(replace(RECORD, wait=wait), NOON) for wait in Wait}

    assert (weights[Wait.BACKOFF], weights[Wait.HALTED]) == (Weight.LATER, Weight.NOW)
    assert {wait for wait, weight in weights.items() if weight is None} == {Wait.NOTHING, *filter(is_patient, Wait)}
    assert {wait for wait, weight in weights.items() if weight is Weight.NOW} == set(filter(needs_someone, Wait))


def test_what_nobody_steps_any_more_is_for_now_whatever_it_waits_for() -> None:
    late = NOON + ENDS_WELL_WITHIN[SWEEPER] + timedelta(minutes=1)
    in_hands = replace(RECORD, lease_until=late + timedelta(minutes=1))

    assert (weight_of(RECORD, late), weight_of(in_hands, late)) == (Weight.NOW, None)


def test_an_overlap_is_a_wait_and_no_failure() -> None:
    assert verdict_of(RECORD) is Verdict.WAITING


def test_only_what_ended_as_it_was_meant_to_is_green() -> None:
    done, given_up = replace(RECORD, state=State.DONE), replace(RECORD, state=State.ABORTED)

    assert verdict_of(done) is Verdict.GREEN
    assert verdict_of(given_up) is Verdict.HOLD
    assert verdict_of(replace(given_up, back=True)) is Verdict.GREEN


def test_a_rollback_retires_the_new_credential_and_ends_aborted() -> None:
    back = replace(RECORD, back=True)

    assert (RECORD.retiring_id, RECORD.surviving_version, RECORD.ends_as) == ("id1", "new", State.DONE)
    assert (back.retiring_id, back.surviving_version, back.ends_as) == ("id2", "old", State.ABORTED)


def test_every_trigger_of_one_window_means_the_same_rotation() -> None:
    other = Credential.parse("splunk-default-prod-send")

    assert rotation_id(CREDENTIAL, "2026-Q1") == rotation_id(CREDENTIAL, "2026-Q1")
    assert (
        len({rotation_id(CREDENTIAL, "2026-Q1"), rotation_id(CREDENTIAL, "2026-Q2"), rotation_id(other, "2026-Q1")})
        == 3
    )


def test_a_rotation_is_open_until_it_is_closed() -> None:
    assert RECORD.is_open
    assert not replace(RECORD, closed_at=NOON + timedelta(days=2)).is_open
