"""What earlier checks tell of a target and of each of its keys, and what is known of a key when it is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.kms_checks import Part, PartKind, PartOutcome, part_name
from domain.kms_goldens import Golden, Slot
from domain.kms_history import KeptCheck
from domain.kms_sections import KmsKeySection
from domain.kms_standing import PartStanding, Standing

# A daily check may come a little early, so that a day's jitter does not make it one of two days.
NEGATIVE_CHECKS_EVERY = timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a target when it is checked at `at`.

    `kept` are earlier checks, oldest first; `goldens` are those in force; `standings` say where each part stands, by its name.
    `first_kept` says when each version of a key got its first golden, by the key's name here, its full name and the version.
    """

    at: datetime
    kept: Sequence[KeptCheck]
    goldens: Sequence[Golden]
    standings: Mapping[str, PartStanding] = field(default_factory=lambda: MappingProxyType({}))
    first_kept: Mapping[tuple[str, str, str], datetime] = field(default_factory=lambda: MappingProxyType({}))
    retired: frozenset[Slot] = frozenset()


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier checks tell of a key.

    `rotations_told` are the moments at which the provider said that it would rotate it. `first_kept` says when each version got its
    first golden, by the key's full name and the version; `retired` are the slots of wrapped keys that nothing needs any more.
    `primary` is the version that the key's description named last, as it is shown, and `primary_since` when it was first seen to.
    """

    negative_is_due: bool = True
    rotations_told: frozenset[datetime] = frozenset()
    first_kept: Mapping[tuple[str, str], datetime] = field(default_factory=lambda: MappingProxyType({}))
    retired: frozenset[str] = frozenset()
    primary: str = ""
    primary_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyKnown:
    """What is known of one key of one target when it is checked at `at`.

    `key` is its name as it is connected to, `goldens` are its own in force. `planned` are the versions that our own rotation made.
    """

    environment: str
    target: str
    name: str
    key: str
    section: KmsKeySection
    at: datetime
    goldens: Sequence[Golden] = ()
    planned: frozenset[str] = frozenset()
    past: Past = field(default_factory=Past)

    def part(self, kind: PartKind) -> str:
        return part_name(kind, self.name)

    def context(self, purpose: str) -> dict[str, str]:
        """Return what a ciphertext of ours is bound to; `purpose` is `canary` or `golden`."""
        ours = {"opsflows": purpose, "environment": self.environment, "service": self.target}
        return {**ours, **self.section.context}


def past_of(remembered: Remembered, name: str) -> Past:
    """Return what is remembered of the target's key of that name."""
    negative, rotation = part_name(PartKind.NEGATIVE, name), part_name(PartKind.ROTATION, name)
    versions = part_name(PartKind.VERSIONS, name)
    told, is_due, primary, since = set(), True, "", None
    for check in remembered.kept:
        parts: Mapping[str, Part] = {part.name: part for part in check.checked.parts}
        if rotation in parts and "rotates_at" in parts[rotation].facts:
            told.add(datetime.fromisoformat(parts[rotation].facts["rotates_at"]))
        said = parts[versions].facts.get("primary", "") if versions in parts else ""
        if said and said != primary:
            primary, since = said, check.at
        if negative in parts and parts[negative].outcome is not PartOutcome.NOT_RUN:
            is_due = check.at <= remembered.at - NEGATIVE_CHECKS_EVERY
    first = {(key, version): at for (whose, key, version), at in remembered.first_kept.items() if whose == name}
    retired = frozenset(one.slot for one in remembered.retired if one.key_name == name)
    is_due = is_due or _is_open(remembered.standings.get(negative))
    return Past(is_due, frozenset(told), first, retired, primary, since)


def _is_open(standing: PartStanding | None) -> bool:
    """Say whether answers are waited for: a part that is DOWN, or failed just now, is asked in each run as any other is."""
    return standing is not None and (standing.standing is Standing.DOWN or standing.still_due > 0)
