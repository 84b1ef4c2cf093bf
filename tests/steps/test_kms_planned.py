"""Versions that our own rotation made may encrypt: they are no drift."""

from dataclasses import replace
from datetime import UTC, datetime

from domain.names import Credential
from domain.rotation import Kind, RotationRecord, State, Wait
from steps.kms_planned import versions_made

AT = datetime(2026, 9, 1, tzinfo=UTC)
ROTATION = RotationRecord(
    id="r1", credential=Credential.parse("gcpkms-default-prod-send"), kind=Kind.SCHEDULED, state=State.DONE, wait=Wait.NOTHING,
    words="", next_step="", attempt=1, back=False, emergency=False, contain_first=False, old_version="", old_vendor_id="1",
    new_version="", new_vendor_id="2", opened_at=AT, not_before=AT, creating_at=None, minted_at=None, verified_at=None,
    flipped_at=None, served_at=None, disabled_at=None, closed_at=None, compromised_at=None, failures=0, head_seq=0, head_hash="",
    fence=0, worker="", lease_until=None, operator="ana", reason="", ticket="", due_window="",
)  # fmt: skip


def test_a_version_that_a_rotation_made_is_planned_and_the_one_before_it_is_not() -> None:
    assert versions_made([ROTATION]) == {"2"}


def test_a_rotation_that_went_back_planned_the_old_version_too() -> None:
    assert versions_made([replace(ROTATION, back=True)]) == {"1", "2"}


def test_a_rotation_that_has_made_nothing_yet_plans_nothing() -> None:
    assert versions_made([replace(ROTATION, new_vendor_id="")]) == frozenset()
