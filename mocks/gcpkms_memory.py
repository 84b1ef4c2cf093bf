"""What Google Cloud KMS's stand-in remembers: key rings, symmetric keys, and their versions with their material.

Source: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys
"""

import secrets
from dataclasses import dataclass, field

from mocks.google_calls import PROJECT, PROJECT_NUMBER, encoded, refused
from mocks.stage import Desk

ENABLED, DISABLED = "ENABLED", "DISABLED"
DESTROY_SCHEDULED, DESTROYED = "DESTROY_SCHEDULED", "DESTROYED"
# https://cloud.google.com/kms/docs/destroy-restore: 30 days unless the key says otherwise.
DESTROY_AFTER_S = 30 * 86_400.0
KEY_BYTES = 32
# When the first key was made: before anything that the stand-ins' clock can show.
_LONG_AGO = 1_735_689_600.0


@dataclass(frozen=True, slots=True)
class Seed:
    """The key that is there from the start, and its first version's material as base64."""

    ring: str
    key: str
    material: str


@dataclass(slots=True)
class Version:
    """`material` is base64, empty once it is destroyed. Until `usable_until` a version works that no longer should."""

    number: int
    state: str
    material: str
    created_at: float
    destroy_at: float | None = None
    destroyed_at: float | None = None
    usable_until: float = 0.0


@dataclass(slots=True)
class Primary:
    """From `visible_at` on, encryption with the key uses this version."""

    number: int
    visible_at: float


@dataclass(slots=True)
class Key:
    """`primaries` are in the order in which they were chosen; GetCryptoKey shows the last one at once.

    `rotation_period_s` and `rotates_at` are shown and nothing else: nobody rotates here by himself.
    """

    name: str
    created_at: float
    versions: list[Version] = field(default_factory=list)
    primaries: list[Primary] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    destroy_after_s: float = DESTROY_AFTER_S
    rotation_period_s: float | None = None
    rotates_at: float | None = None


@dataclass(slots=True)
class Memory:
    """`rings` are the moments of creation by name. `disable_lag_s` is for how long a disabled version still works.

    `checksums_ignored` lets checksums in requests be overlooked, as where something strips them on the way.
    """

    rings: dict[str, float]
    keys: dict[str, Key]
    disable_lag_s: float = 0.0
    checksums_ignored: bool = False


Kms = Desk[Seed, Memory]


def new_seed() -> Seed:
    ring = f"projects/{PROJECT}/locations/europe-west1/keyRings/stand-in"
    return Seed(ring, f"{ring}/cryptoKeys/app-{secrets.token_hex(4)}", new_material())


def new_memory(seed: Seed) -> Memory:
    first = Version(1, ENABLED, seed.material, _LONG_AGO)
    key = Key(seed.key, _LONG_AGO, [first], [Primary(1, _LONG_AGO)])
    return Memory({seed.ring: _LONG_AGO}, {seed.key: key})


def new_material() -> str:
    return encoded(secrets.token_bytes(KEY_BYTES))


def canonical(name: str) -> str:
    """Return the name as answers write it; a request may name the project by its number."""
    return name.replace(f"projects/{PROJECT_NUMBER}/", f"projects/{PROJECT}/", 1)


def key_named(desk: Kms, name: str) -> Key:
    found = desk.memory.keys.get(canonical(name))
    if found is None:
        raise refused("NOT_FOUND", f"CryptoKey {name} not found.")
    return found


def version_named(desk: Kms, name: str) -> tuple[Key, Version]:
    key_name, _, number = canonical(name).partition("/cryptoKeyVersions/")
    key = desk.memory.keys.get(key_name)
    found = [row for row in settled(desk, key) if str(row.number) == number] if key is not None else []
    if key is None or not found:
        raise refused("NOT_FOUND", f"CryptoKeyVersion {name} not found.")
    return key, found[0]


def version_name(key: Key, version: Version) -> str:
    return f"{key.name}/cryptoKeyVersions/{version.number}"


def settled(desk: Kms, key: Key) -> list[Version]:
    """Return the versions, having destroyed those whose hour has come."""
    for version in key.versions:
        if version.destroy_at is not None and version.destroy_at <= desk.now():
            destroyed(version, version.destroy_at)
    return key.versions


def destroyed(version: Version, at: float) -> None:
    version.state, version.material = DESTROYED, ""
    version.destroyed_at, version.destroy_at = at, None


def add_version(desk: Kms, key: Key) -> Version:
    """Make a version, which is not the primary; versions are never taken away, so no number is used twice."""
    added = Version(len(key.versions) + 1, ENABLED, new_material(), desk.now())
    key.versions.append(added)
    return added


def primary_in_use(desk: Kms, key: Key) -> Version | None:
    """Return the version that encryption with the key uses by now; for a while that is the one before."""
    known = [row.number for row in key.primaries if row.visible_at <= desk.now()]
    return next((row for row in settled(desk, key) if known and row.number == known[-1]), None)


def usable(desk: Kms, version: Version) -> bool:
    """Tell whether it encrypts and decrypts: while it is enabled, and a little longer."""
    return version.state == ENABLED or (bool(version.material) and desk.now() < version.usable_until)
