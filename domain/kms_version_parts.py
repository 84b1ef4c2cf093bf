"""What a key's own description says: which versions can still be used, how long one has until it is destroyed, and how old it is."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.kms_checks import Part, PartKind, faulty, not_run, passed
from domain.kms_faults import FAULTS
from domain.kms_keys import Inventory, KeyVersionFacts, VersionState
from domain.kms_names import is_same_key, shown_version
from domain.kms_past import KeyKnown

# Providers rotate some hours after the moment that they name.
ROTATION_GRACE = timedelta(days=1)
EXPIRES_SOON = timedelta(days=30)
_FAULT_OF_STATE = {
    VersionState.DISABLED: "kms.version_disabled",
    VersionState.DESTROY_SCHEDULED: "kms.version_scheduled",
    VersionState.DESTROYED: "kms.version_destroyed",
}


def versions_part(known: KeyKnown, told: Inventory) -> Part:
    """Return whether the version that encrypts and every version that a golden ciphertext needs can be used.

    A wrapped key whose version is not known holds no version here: the moment its version is off it does not open any more, which is
    seen within a day, and a destruction leaves a month to go back.
    """
    name = known.part(PartKind.VERSIONS)
    needed = {one.version for one in known.goldens if one.version and is_same_key(one.key, told.key)}
    if not told.primary:
        part = faulty(name, "kms.no_primary", _in_words(known, told, needed))
    else:
        found = [_off(name, version, known.at) for version in told.versions if version.id in {told.primary, *needed}]
        part = _first([one for one in found if one]) or passed(name, _in_words(known, told, needed))
    return replace(part, facts=dict(_facts(told)))


def rotation_part(known: KeyKnown, told: Inventory) -> Part:
    """Return whether the version in use is younger than the policy says, and its material lasts."""
    at = known.at
    version = next((one for one in told.versions if one.id == told.primary), None)
    facts = {"policy_days": f"{known.section.rotation_days:g}"}
    if told.rotates_at:
        facts["rotates_at"] = told.rotates_at.isoformat()
    if version and version.created_at:
        facts["age_days"] = f"{_days(at - version.created_at):.2f}"
    if version and version.expires_at:
        facts["expires_at"] = version.expires_at.isoformat()
    return replace(_judged_by_age(known, told, version), facts=facts)


def countdown(destroy_at: datetime, at: datetime) -> str:
    """Return how long is left and until when: `in 29 days 4 h (2026-11-30 10:00 UTC)`."""
    left = destroy_at - at
    moment = f"{destroy_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        return f"its moment has passed ({moment})"
    hours, minutes = divmod(int(left / timedelta(minutes=1)), 60)
    days, hours = divmod(hours, 24)
    words = f"{_count(days, 'day')} {hours} h" if days else f"{hours} h {minutes} min"
    return f"in {words} ({moment})"


def _judged_by_age(known: KeyKnown, told: Inventory, version: KeyVersionFacts | None) -> Part:
    name, at, policy = known.part(PartKind.ROTATION), known.at, known.section.rotation_days
    if version is None:
        return not_run(name, "no version is in use, so there is none to be too old")
    shown = shown_version(version.id)
    if version.expires_at and version.expires_at <= at + EXPIRES_SOON:
        return faulty(name, "kms.material_expires", f"version {shown} {countdown(version.expires_at, at)}", shown)
    if told.rotates_at and told.rotates_at + ROTATION_GRACE < at:
        late = f"the provider's own rotation was due on {told.rotates_at:%Y-%m-%d}, and version {shown} is still in use"
        return faulty(name, "kms.rotation_overdue", late, shown)
    if version.created_at is None:
        return not_run(name, f"how old version {shown} is, the provider does not tell")
    age = _days(at - version.created_at)
    # Where the provider rotates when the policy says, the version in use is as old as that when its hour comes.
    if age > policy + _days(ROTATION_GRACE):
        words = f"version {shown} is {age:.0f} days old, allowed are {policy:g} and a day's grace"
        return faulty(name, "kms.rotation_overdue", words, shown)
    return passed(name, f"version {shown} is {age:.0f} of {policy:g} days old")


def _off(name: str, version: KeyVersionFacts, at: datetime) -> Part | None:
    """Return what is wrong with a version that is needed, None where it can be used."""
    if version.state is VersionState.ENABLED:
        return None
    shown = shown_version(version.id)
    fault = _FAULT_OF_STATE.get(version.state)
    if fault is None:
        return faulty(name, "kms.key_unusable", f"version {shown} is {_STATE_WORDS[version.state]}", shown)
    when = countdown(version.destroy_at, at) if version.destroy_at else "when, the provider does not tell"
    return faulty(name, fault, when if version.state is VersionState.DESTROY_SCHEDULED else "", shown)


_STATE_WORDS = {
    VersionState.PENDING: "still being made or imported",
    VersionState.OTHER: "in a state that this check does not know",
}


def _first(found: Collection[Part]) -> Part | None:
    """Return what cannot wait: what counts at once before the rest."""
    return min(found, key=lambda part: not FAULTS[part.fault].at_once, default=None)


def _facts(told: Inventory) -> Iterator[tuple[str, str]]:
    yield "primary", shown_version(told.primary)
    yield "versions", str(len(told.versions))
    for version in told.versions:
        if version.state is not VersionState.DESTROYED and version.destroy_at:
            yield f"destroy_at/{shown_version(version.id)}", version.destroy_at.isoformat()


def _in_words(known: KeyKnown, told: Inventory, needed: Collection[str]) -> str:
    usable = sum(version.state is VersionState.ENABLED for version in told.versions)
    primary = f"version {shown_version(told.primary)} is primary" if told.primary else "none is primary"
    words = [f"{primary}, {usable} of {_count(len(told.versions), 'version')} enabled"]
    others = [one for one in told.versions if one.id != told.primary]
    words += [off for one in others if (off := _off_in_words(known, told, one))]
    unlisted = sorted(shown_version(one) for one in set(needed) - {version.id for version in told.versions})
    words += (
        [f"not listed by the provider, though golden ciphertexts need it: {', '.join(unlisted)}"] if unlisted else []
    )
    return "; ".join(words)


def _off_in_words(known: KeyKnown, told: Inventory, version: KeyVersionFacts) -> str:
    """Return what is not known or not needed of a version that is switched off; empty for one that is on, or is gone already."""
    if version.state not in _OFF_WORDS:
        return ""
    first = known.past.first_kept
    had = any(version.id == one and is_same_key(key, told.key) for key, one in first)
    when = f" {countdown(version.destroy_at, known.at)}" if version.destroy_at else ""
    shown = f"version {shown_version(version.id)}"
    if not had:
        return f"{shown} {_OFF_WORDS[version.state]}{when} and has no golden ciphertext: whether anything needs it is not known"
    return f"{shown}, which nothing known needs, is destroyed{when}" if when else ""


_OFF_WORDS = {VersionState.DISABLED: "is disabled", VersionState.DESTROY_SCHEDULED: "is to be destroyed"}


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)
