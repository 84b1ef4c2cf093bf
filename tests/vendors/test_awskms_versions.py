"""AWS's description of a key and its rotations, read as versions."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.kms_keys import KeyVersionFacts, VersionState
from vendors.awskms_versions import inventory_of

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MADE = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
FIRST, SECOND, THIRD = "a" * 64, "b" * 64, "c" * 64


def about(state: str = "Enabled", **more: Any) -> dict[str, Any]:
    return {"Arn": ARN, "KeyState": state, "CreationDate": MADE, **more}


def test_each_key_material_is_a_version_and_the_current_one_is_primary() -> None:
    rotations: list[dict[str, Any]] = [
        {"KeyMaterialId": SECOND, "KeyMaterialState": "CURRENT", "RotationDate": MADE + YEAR},
        {"KeyMaterialId": FIRST, "KeyMaterialState": "NON_CURRENT"},
    ]

    inventory = inventory_of(about(), {}, rotations)

    assert (inventory.key, inventory.primary) == (ARN, SECOND)
    assert inventory.versions == (
        KeyVersionFacts(FIRST, VersionState.ENABLED, MADE),
        KeyVersionFacts(SECOND, VersionState.ENABLED, MADE + YEAR),
    )


def test_without_ids_of_materials_the_place_is_the_id() -> None:
    rotations = [{"RotationDate": MADE + 2 * YEAR}, {"RotationDate": MADE + YEAR}]

    inventory = inventory_of(about(), {}, rotations)

    assert [(version.id, version.created_at) for version in inventory.versions] == [
        ("1", MADE),
        ("2", MADE + YEAR),
        ("3", MADE + 2 * YEAR),
    ]
    assert inventory.primary == "3"


def test_what_the_description_calls_current_is_a_version_even_where_the_list_is_behind() -> None:
    inventory = inventory_of(about(CurrentKeyMaterialId=SECOND), {}, [{"KeyMaterialId": FIRST}])

    assert (inventory.primary, [version.id for version in inventory.versions]) == (SECOND, [FIRST, SECOND])
    assert inventory.versions[1].created_at is None


def test_imported_material_runs_out_one_by_one_and_waits_until_it_is_rotated_to() -> None:
    expires = MADE + timedelta(days=30)
    rotations: list[dict[str, Any]] = [
        {"KeyMaterialId": FIRST, "KeyMaterialState": "CURRENT", "ImportState": "IMPORTED", "ValidTo": expires},
        {"KeyMaterialId": SECOND, "KeyMaterialState": "PENDING_ROTATION", "ImportState": "IMPORTED"},
    ]

    inventory = inventory_of(about(Origin="EXTERNAL", ValidTo=expires), {}, rotations)

    assert inventory.versions == (
        KeyVersionFacts(FIRST, VersionState.ENABLED, MADE, expires_at=expires),
        KeyVersionFacts(SECOND, VersionState.PENDING, None),
    )


def test_material_that_ran_out_leaves_a_version_that_cannot_be_used() -> None:
    rotations = [{"KeyMaterialId": FIRST, "KeyMaterialState": "CURRENT", "ImportState": "PENDING_IMPORT"}]

    inventory = inventory_of(about("PendingImport", Origin="EXTERNAL"), {}, rotations)

    assert (inventory.primary, inventory.versions[0].state) == (FIRST, VersionState.PENDING)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("Enabled", VersionState.ENABLED),
        ("Updating", VersionState.ENABLED),
        ("Disabled", VersionState.DISABLED),
        ("PendingDeletion", VersionState.DESTROY_SCHEDULED),
        ("PendingReplicaDeletion", VersionState.DESTROY_SCHEDULED),
        ("Creating", VersionState.PENDING),
        ("PendingImport", VersionState.PENDING),
        ("Unavailable", VersionState.OTHER),
        ("NeverHeardOf", VersionState.OTHER),
        ("", VersionState.OTHER),
    ],
)
def test_every_version_has_the_keys_own_state(told: str, state: VersionState) -> None:
    inventory = inventory_of(about(told), {}, [{"KeyMaterialId": FIRST}, {"KeyMaterialId": SECOND}])

    assert {version.state for version in inventory.versions} == {state}


def test_the_day_of_deletion_is_every_versions_and_in_utc() -> None:
    day = datetime(2026, 12, 3, 10, tzinfo=timezone(timedelta(hours=2)))

    inventory = inventory_of(about("PendingDeletion", DeletionDate=day), {}, [{"RotationDate": MADE + YEAR}])

    assert [version.destroy_at for version in inventory.versions] == [day, day]
    assert {version.destroy_at.tzinfo for version in inventory.versions if version.destroy_at} == {UTC}


@pytest.mark.parametrize(("rotates", "created"), [(True, None), (False, MADE)])
def test_where_rotations_are_not_told_a_key_that_rotates_is_of_unknown_age(
    *, rotates: bool, created: datetime | None
) -> None:
    inventory = inventory_of(about(CurrentKeyMaterialId=THIRD), {"KeyRotationEnabled": rotates}, None)

    assert inventory.versions == (KeyVersionFacts(THIRD, VersionState.ENABLED, created),)


def test_awss_own_rotation_is_told_where_it_is_on() -> None:
    status = {"KeyRotationEnabled": True, "NextRotationDate": MADE + YEAR}

    on = inventory_of(about(), status, [])
    off = inventory_of(about(), {**status, "KeyRotationEnabled": False}, [])

    assert (on.rotates_at, off.rotates_at) == (MADE + YEAR, None)
