"""Whether the key and the version that really encrypted are ones that somebody chose."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.kms_checks import Part, PartKind, faulty, passed
from domain.kms_names import is_key_id, is_same_key, shown_key, shown_version
from ledger.kms_goldens import MINTED
from steps.kms_question import KeyQuestion
from vendors.kms import Inventory

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


def drift_part(question: KeyQuestion, seen: Encrypted, told: Inventory | None) -> Part:
    """Return whether what encrypted is pinned, and whether the key's description says the same.

    `told` is None where the description could not be read: that is the other parts' fault.
    """
    name, version = question.part(PartKind.DRIFT), shown_version(seen.version)
    if not _is_chosen(question, seen.key):
        wanted = " or ".join(sorted({shown_key(key) for key in _chosen_keys(question)}))
        return faulty(name, "kms.key_drift", f"{shown_key(seen.key)} encrypted, chosen is {wanted}", version)
    if seen.version and not _is_expected(question, seen, told):
        return faulty(name, "kms.version_drift", "", version)
    if told and told.primary and seen.version and told.primary != seen.version and _lists(told, seen.version):
        return _disagreeing(question, seen, told)
    words = f"version {version} of {shown_key(seen.key)} encrypted" if version else f"{shown_key(seen.key)} encrypted"
    return passed(name, f"{words}, {_why(question)}")


def _disagreeing(question: KeyQuestion, seen: Encrypted, told: Inventory) -> Part:
    """Return that description and encryption name two versions: no fault for some hours after a change that somebody planned."""
    name, version, primary = question.part(PartKind.DRIFT), shown_version(seen.version), shown_version(told.primary)
    known = question.past.primary_since if question.past.primary == primary else None
    since = known or question.at
    is_planned = told.primary in {*question.planned, *_announced(question, told)}
    if not is_planned or question.at - since > SETTLES_WITHIN:
        return faulty(name, "kms.disagreement", f"version {version}", primary)
    return passed(
        name,
        f"version {version} of {shown_key(seen.key)} still encrypts, though its description says version {primary} since "
        f"{since.astimezone(UTC):%Y-%m-%d %H:%M} UTC: a planned change, which may take up to {SETTLES_WITHIN // _HOUR} hours",
    )


def _is_chosen(question: KeyQuestion, key: str) -> bool:
    chosen = _chosen_keys(question)
    return not chosen or any(is_same_key(key, one) or key.endswith(f"/{one}") for one in chosen)


def _chosen_keys(question: KeyQuestion) -> set[str]:
    """Return the keys that may encrypt; none where only an alias is given and nothing was seen behind it yet."""
    pinned = {pin for pin in question.section.pinned if _is_key(pin)}
    if pinned:
        return pinned
    # Not those of wrapped keys: a file is kept under whichever key the alias leads to.
    seen = {one.key for one in question.goldens if one.source == MINTED}
    return seen if "alias/" in question.key else {question.key}


def _is_expected(question: KeyQuestion, seen: Encrypted, told: Inventory | None) -> bool:
    pinned = {pin for pin in question.section.pinned if not _is_key(pin)}
    if pinned:
        return seen.version in pinned
    known = {one.version for one in question.goldens if one.version and is_same_key(one.key, seen.key)}
    return not known or seen.version in {*known, *question.planned, *_announced(question, told)}


def _announced(question: KeyQuestion, told: Inventory | None) -> Iterator[str]:
    """Yield the versions that the provider made when an earlier check was told that it would: its own rotation is a planned one."""
    for version in told.versions if told else ():
        if version.created_at and any(_fits(version.created_at, moment) for moment in question.past.rotations_told):
            yield version.id


def _fits(created_at: datetime, moment: datetime) -> bool:
    return moment - _TOLD_EARLY <= created_at <= moment + _TOLD_LATE


def _lists(told: Inventory, version: str) -> bool:
    # Where the description has other names for versions than the answers, nothing can be compared.
    return any(one.id == version for one in told.versions)


def _is_key(pin: str) -> bool:
    return "/" in pin or pin.startswith("arn:") or is_key_id(pin)


def _why(question: KeyQuestion) -> str:
    if question.section.pinned:
        return "as pinned"
    return "as before" if question.goldens else "the first that was seen"
