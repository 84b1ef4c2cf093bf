"""A compromise: which values it exposed, what may be switched off before there is another, what is replaced in which order."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from domain.errors import BadInput
from domain.manifests import Manifest
from domain.names import Credential, Purpose
from domain.rotation import RotationRecord
from domain.windows import DAY_OF_MONTH

# What forms take. Whether there is such a day is said by whoever reads it.
MOMENT = f"{DAY_OF_MONTH}T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?Z"


@dataclass(frozen=True, slots=True)
class Case:
    """One compromise, named by its ticket and its moment: every run that names both goes on with the same one.

    `compromised_at` is the moment until which every value counts as exposed.
    """

    ticket: str
    compromised_at: datetime

    @property
    def id(self) -> str:
        told = f"{self.ticket}\n{self.compromised_at.isoformat()}"
        return f"c{hashlib.sha256(told.encode()).hexdigest()[:11]}"


class Exposure(Enum):
    """Whether a credential is to be replaced."""

    EXPOSED = "EXPOSED"
    NOT_EXPOSED = "not exposed"
    NO_VALUE = "no value"


@dataclass(frozen=True, slots=True)
class InUse:
    """What is known of the value in use. `minted_at` is None where nobody knows it; `rotation` is the open one, if there is one."""

    first_seen_at: datetime
    minted_at: datetime | None
    rotation: RotationRecord | None = None


class Isolation(Enum):
    """Whether an exposed credential may be switched off before there is another."""

    BY_OPSFLOWS = "yes"
    BY_A_PERSON = "a person"
    NO = "no"


def moment_of(text: str) -> datetime:
    """Read `2026-11-25T14:00:00Z`.

    Raises:
        BadInput: it is no moment, or does not say that it is UTC.
    """
    at: datetime | None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadInput(f"{text!r} is no moment in UTC.", "Nothing was done.", "Write it like 2026-11-25T14:00:00Z.")
    return at


def emergency_window(compromised_at: datetime) -> str:
    """Return the due window of what a compromise opens: every trigger for that moment is the same rotation."""
    return f"emergency {compromised_at.isoformat()}"


def exposure(in_use: InUse | None, compromised_at: datetime) -> tuple[Exposure, str]:
    """Return whether a credential is exposed, and why: in use at the compromise, or nobody knows since when it is.

    A value that an open rotation has replaced is exposed as long as its vendor accepts it.
    """
    if in_use is None:
        return Exposure.EXPOSED, "not known to the ledger; nobody knows since when it is in use"
    if in_use.minted_at is None:
        seen = f"first seen {in_use.first_seen_at:%Y-%m-%d %H:%M} UTC"
        return Exposure.EXPOSED, f"nobody knows since when it is in use; {seen}"
    minted = f"minted {in_use.minted_at:%Y-%m-%d %H:%M} UTC"
    if in_use.minted_at <= compromised_at:
        return Exposure.EXPOSED, minted
    record = in_use.rotation
    if record is not None and record.flipped_at is not None and _old_is_exposed(record, compromised_at):
        return Exposure.EXPOSED, f"{minted}, but the value before it is accepted still (rotation {record.id})"
    return Exposure.NOT_EXPOSED, minted


def isolation(credential: Credential, manifest: Manifest, *, is_channel: bool) -> tuple[Isolation, str]:
    """Return whether the credential may be switched off first, and by whom or why not."""
    if is_channel:
        return Isolation.NO, "alerts go out through it: it is replaced last, and never off before there is another"
    if credential.purpose is Purpose.MANAGE or manifest.opens_management:
        return Isolation.NO, "without it no other could be made; it goes as soon as there is another"
    if manifest.swaps:
        return Isolation.NO, "the vendor holds one value, which the new one replaces"
    if manifest.loses_data and not manifest.can_disable:
        return Isolation.NO, "what it encrypted would be lost with it"
    if manifest.by_hand:
        return Isolation.BY_A_PERSON, "a person revokes it in the vendor's console before there is another"
    off = (
        "switched off, and can be switched on again"
        if manifest.can_disable
        else "deleted: its vendor cannot switch off"
    )
    return Isolation.BY_OPSFLOWS, off


def turn(credential: Credential, manifest: Manifest, channel: int) -> tuple[bool, bool, bool, bool, int]:
    """Return the key by which exposed credentials are put in order; `channel` is 0 where no alert goes out through it.

    What manages others goes after them. Alert channels go last: first those that wait for nobody, so that one is whole again soon;
    what pages is touched last of all.
    """
    is_channel = channel > 0
    manages = credential.purpose is Purpose.MANAGE
    return is_channel, manages or manifest.opens_management, manages, is_channel and manifest.by_hand, channel


def lasted(span: timedelta) -> str:
    """Return a measured span as people read it: its two greatest units, e.g. `3 h 12 min` or `41 s`."""
    seconds = max(int(span.total_seconds()), 0)
    found: list[str] = []
    for unit, size in _UNITS:
        number, seconds = divmod(seconds, size)
        if number or (unit == "s" and not found):
            found.append(f"{number} {unit}")
    return " ".join(found[:2])


_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def _old_is_exposed(record: RotationRecord, compromised_at: datetime) -> bool:
    minted = str(record.facts.get("old_minted_at") or "")
    return not minted or datetime.fromisoformat(minted) <= compromised_at
