"""What Google Secret Manager's stand-in remembers: secrets, their versions, and which names are known by now.

Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets
"""

import secrets
from dataclasses import dataclass, field

from mocks.google_calls import encoded
from mocks.stage import Desk

ENABLED, DISABLED, DESTROYED = "ENABLED", "DISABLED", "DESTROYED"


@dataclass(frozen=True, slots=True)
class Seed:
    """The secret that is there from the start, and its first value."""

    secret_id: str
    value: str


@dataclass(slots=True)
class Version:
    """`data` is base64, empty once it is destroyed. `visible_at` is when `latest` knows it."""

    number: int
    state: str
    data: str
    etag: str
    created_at: float
    visible_at: float
    checksum_given: bool = False
    destroyed_at: float | None = None
    destroy_at: float | None = None


@dataclass(slots=True)
class Pointing:
    """From `visible_at` on, an alias names this version; None where it was removed."""

    number: int | None
    visible_at: float


@dataclass(slots=True)
class Secret:
    """`aliases` is what GetSecret shows; `pointings` is, alias by alias, what an access by it finds and when."""

    id: str
    etag: str
    created_at: float
    versions: list[Version] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    pointings: dict[str, list[Pointing]] = field(default_factory=dict)
    destroy_ttl_s: float | None = None


@dataclass(slots=True)
class Memory:
    """`checksums_ignored` lets checksums in requests be overlooked, as where something strips them on the way."""

    secrets: dict[str, Secret]
    checksums_ignored: bool = False


Vault = Desk[Seed, Memory]
# When the first secret was made: before anything that the stand-ins' clock can show.
_LONG_AGO = 1_735_689_600.0


def new_etag() -> str:
    """Return an etag with the quotation marks that are part of it."""
    return f'"{secrets.token_hex(7)}"'


def new_seed() -> Seed:
    return Seed(f"app-{secrets.token_hex(4)}", secrets.token_urlsafe(24))


def new_memory(seed: Seed) -> Memory:
    first = Version(1, ENABLED, encoded(seed.value.encode()), new_etag(), _LONG_AGO, _LONG_AGO, checksum_given=True)
    return Memory({seed.secret_id: Secret(seed.secret_id, new_etag(), _LONG_AGO, [first])})


def add_version(desk: Vault, secret: Secret, payload: bytes, *, checksum_given: bool = False) -> Version:
    """Store the payload under the next number; versions are never taken away, so none is used twice."""
    added = Version(
        len(secret.versions) + 1, ENABLED, encoded(payload), new_etag(), desk.now(), desk.visible_at(), checksum_given
    )
    secret.versions.append(added)
    return added


def settled(desk: Vault, secret: Secret) -> list[Version]:
    """Return the versions, having destroyed those whose hour has come."""
    for version in secret.versions:
        if version.destroy_at is not None and version.destroy_at <= desk.now():
            destroy(version, version.destroy_at)
    return secret.versions


def destroy(version: Version, at: float) -> None:
    version.state, version.data = DESTROYED, ""
    version.destroyed_at, version.destroy_at = version.destroyed_at or at, None


def point_aliases(desk: Vault, secret: Secret, aliases: dict[str, int]) -> None:
    """Let the aliases name these versions, at once in GetSecret, and after a while for an access by alias."""
    for alias in {*aliases, *secret.aliases}:
        wanted = aliases.get(alias)
        if wanted != secret.aliases.get(alias):
            secret.pointings.setdefault(alias, []).append(Pointing(wanted, desk.visible_at()))
    secret.aliases = aliases


def latest(desk: Vault, secret: Secret) -> Version | None:
    """Return the newest version that is known by now, whatever its state."""
    return next((row for row in reversed(settled(desk, secret)) if row.visible_at <= desk.now()), None)


def aliased(desk: Vault, secret: Secret, alias: str) -> Version | None:
    """Return the version that an alias names by now."""
    known = [row.number for row in secret.pointings.get(alias, ()) if row.visible_at <= desk.now()]
    return numbered(desk, secret, known[-1]) if known and known[-1] is not None else None


def numbered(desk: Vault, secret: Secret, number: int) -> Version | None:
    return next((row for row in settled(desk, secret) if row.number == number), None)
