"""Whether the key and the version that really encrypted are ones that somebody chose."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.kms_checks import Part, PartKind, faulty, passed
from domain.kms_goldens import MINTED
from domain.kms_keys import Inventory
from domain.kms_names import is_key_id, is_same_key, shown_key, shown_version
from domain.kms_past import KeyKnown

DRIFTED = frozenset({"kms.key_drift", "kms.version_drift"})
# A provider's rotation comes up to some hours after the moment it named, seldom a little before.
_HOUR = timedelta(hours=1)
_TOLD_EARLY, _TOLD_LATE = _HOUR, timedelta(days=1)
# A moved primary version is used everywhere within a minute, exceptionally hours. https://cloud.google.com/kms/docs/consistency
SETTLES_WITHIN = 3 * _HOUR


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Which key and version really encrypted; `version` is empty where nobody tells."""

    key: str
    version: str


def drift_part(known: KeyKnown, seen: Encrypted, told: Inventory | None) -> Part:
    """Return whether what encrypted is pinned, and whether the key's description says the same.

    `told` is None where the description could not be read: that is the other parts' fault.
    """
    name, version = known.part(PartKind.DRIFT), shown_version(seen.version)
    if not _is_chosen(known, seen.key):
        wanted = " or ".join(sorted({shown_key(key) for key in _chosen_keys(known)}))
        return faulty(name, "kms.key_drift", f"{shown_key(seen.key)} encrypted, chosen is {wanted}", version)
    if seen.version and not _is_expected(known, seen, told):
        return faulty(name, "kms.version_drift", "", version)
    if told and told.primary and seen.version and told.primary != seen.version and _lists(told, seen.version):
        return _disagreeing(known, seen, told)
    words = f"version {version} of {shown_key(seen.key)} encrypted" if version else f"{shown_key(seen.key)} encrypted"
    return passed(name, f"{words}, {_why(known)}")


def _disagreeing(known: KeyKnown, seen: Encrypted, told: Inventory) -> Part:
    """Return that description and encryption name two versions: no fault for some hours after a change that somebody planned."""
    name, version, primary = known.part(PartKind.DRIFT), shown_version(seen.version), shown_version(told.primary)
    seen_since = known.past.primary_since if known.past.primary == primary else None
    since = seen_since or known.at
    is_planned = told.primary in {*known.planned, *_announced(known, told)}
    if not is_planned or known.at - since > SETTLES_WITHIN:
        return faulty(name, "kms.disagreement", f"version {version}", primary)
    return passed(
        name,
        f"version {version} of {shown_key(seen.key)} still encrypts, though its description says version {primary} since "
        f"{since.astimezone(UTC):%Y-%m-%d %H:%M} UTC: a planned change, which may take up to {SETTLES_WITHIN // _HOUR} hours",
    )


def _is_chosen(known: KeyKnown, key: str) -> bool:
    chosen = _chosen_keys(known)
    return not chosen or any(is_same_key(key, one) or key.endswith(f"/{one}") for one in chosen)


def _chosen_keys(known: KeyKnown) -> set[str]:
    """Return the keys that may encrypt; none where only an alias is given and nothing was seen behind it yet."""
    pinned = {pin for pin in known.section.pinned if _is_key(pin)}
    if pinned:
        return pinned
    # Not those of wrapped keys: a file is kept under whichever key the alias leads to.
    seen = {one.key for one in known.goldens if one.source == MINTED}
    return seen if "alias/" in known.key else {known.key}


def _is_expected(known: KeyKnown, seen: Encrypted, told: Inventory | None) -> bool:
    pinned = {pin for pin in known.section.pinned if not _is_key(pin)}
    if pinned:
        return seen.version in pinned
    before = {one.version for one in known.goldens if one.version and is_same_key(one.key, seen.key)}
    return not before or seen.version in {*before, *known.planned, *_announced(known, told)}


def _announced(known: KeyKnown, told: Inventory | None) -> Iterator[str]:
    """Yield the versions that the provider made when an earlier check was told that it would: its own rotation is a planned one."""
    for version in told.versions if told else ():
        if version.created_at and any(_fits(version.created_at, moment) for moment in known.past.rotations_told):
            yield version.id


def _fits(created_at: datetime, moment: datetime) -> bool:
    return moment - _TOLD_EARLY <= created_at <= moment + _TOLD_LATE


def _lists(told: Inventory, version: str) -> bool:
    # Where the description has other names for versions than the answers, nothing can be compared.
    return any(one.id == version for one in told.versions)


def _is_key(pin: str) -> bool:
    return "/" in pin or pin.startswith("arn:") or is_key_id(pin)


def _why(known: KeyKnown) -> str:
    if known.section.pinned:
        return "as pinned"
    return "as before" if known.goldens else "the first that was seen"
