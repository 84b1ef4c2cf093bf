"""What AWS tells of a key, as versions: one for each key material, since a key keeps what it was ever rotated away from.

A version's id is the id of its key material, which Decrypt tells as well. Where the list of rotations has no such ids (older
and compatible services) it is the material's place, "1" for the first; a list only grows, so the numbers stay. The state is the
whole key's: AWS disables and deletes no single material.
Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html, .../API_RotationsListEntry.html,
https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from domain.kms_keys import Inventory, KeyVersionFacts, VersionState

# A state that is not here is OTHER: `Unavailable` (a key store that is not connected), and what AWS may add.
_STATES: Mapping[str, VersionState] = MappingProxyType(
    {
        "Enabled": VersionState.ENABLED,
        # A multi-region key whose primary region is being moved; it is used all the while.
        "Updating": VersionState.ENABLED,
        "Disabled": VersionState.DISABLED,
        "PendingDeletion": VersionState.DESTROY_SCHEDULED,
        # Its days are counted only once its last replica is deleted, so there is no moment yet.
        "PendingReplicaDeletion": VersionState.DESTROY_SCHEDULED,
        "Creating": VersionState.PENDING,
        "PendingImport": VersionState.PENDING,
    }
)
_LAST = datetime.max.replace(tzinfo=UTC)

Row = Mapping[str, Any]


def inventory_of(about: Row, status: Row, rotations: Sequence[Row] | None) -> Inventory:
    """Return the key and its versions, oldest first.

    `about` is AWS's KeyMetadata, `status` its rotation status. `rotations` is None where nobody may or can tell them: then
    the key has one version, of an age that is not known if AWS rotates it.
    """
    current = str(about.get("CurrentKeyMaterialId", ""))
    rotates = bool(status.get("KeyRotationEnabled"))
    told = [row for row in rotations or () if row.get("KeyMaterialId")]
    if told:
        current = current or _marked_current(told)
        versions = _by_material(about, told, current)
    else:
        versions = _by_place(about, rotations, current, rotates=rotates)
        current = versions[-1].id if versions else ""
    return Inventory(
        key=str(about["Arn"]),
        primary=current,
        versions=versions,
        rotates_at=_moment(status.get("NextRotationDate")) if rotates else None,
    )


def _marked_current(rows: Sequence[Row]) -> str:
    return next((str(row["KeyMaterialId"]) for row in rows if row.get("KeyMaterialState") == "CURRENT"), "")


def _by_material(about: Row, rows: Sequence[Row], current: str) -> tuple[KeyVersionFacts, ...]:
    found = {str(row["KeyMaterialId"]): _material(about, row) for row in rows}
    # The list may be behind the key's description for a while.
    if current and current not in found:
        found[current] = KeyVersionFacts(current, _state(about), None, _moment(about.get("DeletionDate")))
    return tuple(sorted(found.values(), key=lambda version: version.created_at or _LAST))


def _material(about: Row, row: Row) -> KeyVersionFacts:
    waiting = str(row.get("KeyMaterialState", "")).startswith("PENDING")
    missing = waiting or row.get("ImportState") == "PENDING_IMPORT"
    state = _state(about)
    # The first material was never rotated to; it is as old as the key.
    created = row.get("RotationDate") or (None if waiting else about.get("CreationDate"))
    return KeyVersionFacts(
        id=str(row["KeyMaterialId"]),
        state=VersionState.PENDING if missing and state is VersionState.ENABLED else state,
        created_at=_moment(created),
        destroy_at=_moment(about.get("DeletionDate")),
        expires_at=_moment(row.get("ValidTo")),
    )


def _by_place(
    about: Row, rotations: Sequence[Row] | None, current: str, *, rotates: bool
) -> tuple[KeyVersionFacts, ...]:
    if _has_no_material(about, current):
        return ()
    moments = sorted(moment for row in rotations or () if (moment := _moment(row.get("RotationDate"))))
    since: list[datetime | None] = [_moment(about.get("CreationDate")), *moments]
    if rotations is None and rotates:
        since = [None]
    ids = [str(place) for place in range(1, len(since) + 1)]
    if current:
        ids[-1] = current
    return tuple(
        KeyVersionFacts(
            version, _state(about), created, _moment(about.get("DeletionDate")), _moment(about.get("ValidTo"))
        )
        for version, created in zip(ids, since, strict=True)
    )


def _has_no_material(about: Row, current: str) -> bool:
    return not current and about.get("Origin") == "EXTERNAL" and about.get("KeyState") == "PendingImport"


def _state(about: Row) -> VersionState:
    return _STATES.get(str(about.get("KeyState", "")), VersionState.OTHER)


def _moment(told: object) -> datetime | None:
    """Return AWS's moment in UTC; botocore makes it aware, in this machine's own zone."""
    return told.astimezone(UTC) if isinstance(told, datetime) else None
