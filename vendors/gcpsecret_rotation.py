"""How a secret's value is rotated in Google Secret Manager: a new version, then the aliases, then the old version ends.

We choose the value, and it was kept before it is added; a version has no field for a marker, so what a lost answer left is
found by its value. Adding has no request id: an add that is repeated makes a second version. The alias `current` names
the version in use, `previous` the one before it, until the next rotation; both move in one change.
Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets,
https://cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions
"""

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hmac import compare_digest

from domain.diagnosis import Signature, error_of
from domain.errors import Rejected
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from domain.names import Purpose
from vendors.gcpkey_rotation import KEY_LIMITS, manage_rotation
from vendors.gcpsecret import SIGNATURES as CLIENT_SIGNATURES
from vendors.gcpsecret import SYMPTOMS, connect
from vendors.gcpsecret_versions import SecretVersions, Version, connect_versions
from vendors.http import Conduct
from vendors.rate_limits import Limit
from vendors.rotation import HeldOpen, Rotation

CURRENT, PREVIOUS = "current", "previous"
VALUE_BYTES = 32
# https://cloud.google.com/secret-manager/docs/reference/consistency: minutes, in exceptional cases hours.
LISTING_LAG = timedelta(minutes=5)
PROPAGATION = timedelta(minutes=5)
USUAL_AGE = timedelta(days=90)

SIGNATURES: tuple[Signature, ...] = ()  # those of vendors/gcpsecret.py speak of changes too


@dataclass(frozen=True, slots=True)
class SecretValues:
    """The versions of one secret as credentials. Changing one takes two requests: its etag is read first."""

    versions: SecretVersions

    def list_credentials(self, cursor: str) -> Page:
        """Return one page of the versions that still live. Which value a version has only its payload tells: one access each."""
        page, next_cursor = self.versions.listed(cursor)
        live = [one for one in page if not one.ends]
        fresh = [] if cursor else [*self.versions.unlisted(page)]
        found = [self.versions.described(number) for number in reversed(fresh)]
        return Page(tuple(self._listed(one) for one in [*found, *live]), next_cursor)

    def create(self, marker: str, value: str) -> Minted:
        """Add a version with this value; that it can be read back by its number is what the probe shows."""
        del marker
        return Minted(str(self.versions.add(value)), value)

    def disable(self, vendor_id: str) -> None:
        """Switch the version off; one that is off or destroyed already is done."""
        version = self.versions.described(int(vendor_id))
        if version.enabled:
            self.versions.change("disable_version", "disable_secret_version", version, lambda _: None)

    def enable(self, vendor_id: str) -> None:
        """Switch the version on again, also one that waits to be destroyed."""
        version = self.versions.described(int(vendor_id))
        if not version.enabled:
            self.versions.change("enable_version", "enable_secret_version", version, lambda _: None)

    def revoke(self, vendor_id: str) -> None:
        """Destroy the version. Where the secret delays that, it is disabled and waits: it counts as gone."""
        version = self.versions.described(int(vendor_id))
        if not version.ends:
            self.versions.change("destroy_version", "destroy_secret_version", version, self.versions.destroyed)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return nothing: a value is read, and holds nothing."""
        del vendor_id, cursor
        return HeldOpen()

    def close(self) -> None:
        self.versions.close()

    def _listed(self, version: Version) -> ListedCredential:
        payload = self.versions.access(version.number).payload
        digest = hashlib.sha256(payload).digest() if payload is not None else b""
        return ListedCredential(
            vendor_id=str(version.number),
            name="",
            enabled=version.enabled,
            hint=f"version {version.number}",
            created_at=version.created_at,
            fits=partial(_fit, digest),
        )


@dataclass(frozen=True, slots=True)
class AliasPointer:
    """The aliases `current` and `previous` of one secret. Other aliases are left alone."""

    versions: SecretVersions

    def point_to(self, value: str) -> None:
        """Let `current` name the version with this value, and `previous` the one that it named before.

        Finding the version takes an access per live version; the aliases then move in one change.

        Raises:
            Rejected: no enabled version serves the value.
            Unavailable: somebody changed the secret meanwhile.
        """
        number = self.versions.holding(value)
        if number is None:
            raise error_of(SYMPTOMS["gcpsecret.version_off"], Rejected, secret=self.versions.secret)
        seen = self.versions.aliases()
        before = seen.numbers.get(CURRENT)
        if before != number:
            previous = {} if before is None else {PREVIOUS: before}
            self.versions.move(seen, {**seen.numbers, **previous, CURRENT: number})

    def points_to(self, value: str) -> bool:
        """Say whether `current` names a version that serves this value: read by its number, since access by alias lags."""
        number = self.versions.aliases().numbers.get(CURRENT)
        return number is not None and self.versions.access(number).is_value(value)

    def close(self) -> None:
        self.versions.close()


def connect_values(values: Mapping[str, str], address: str | None, conduct: Conduct) -> SecretValues:
    """Return the rotator of the secret's versions.

    Raises:
        BadInput: the host is not allowed here.
    """
    return SecretValues(_versions(values, address, conduct))


def connect_pointer(values: Mapping[str, str], address: str | None, conduct: Conduct) -> AliasPointer:
    return AliasPointer(_versions(values, address, conduct))


def check_value(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where an enabled version serves exactly this value.

    Raises:
        Rejected: with gcpsecret.version_off where none does.
    """
    with closing(connect(values, address, conduct)) as client:
        client.number()


def new_value() -> str:
    """Return 32 random bytes, in letters that no shell and no URL changes."""
    return secrets.token_urlsafe(VALUE_BYTES)


def _versions(values: Mapping[str, str], address: str | None, conduct: Conduct) -> SecretVersions:
    return connect_versions(values["secret_name"], values.get("manage_key", ""), address, conduct)


def _fit(digest: bytes, value: str) -> Fit:
    return Fit.EXACT if compare_digest(digest, hashlib.sha256(value.encode()).digest()) else Fit.NO


ROTATIONS = (
    Rotation(
        "gcpsecret", Purpose.SEND, "value",
        Manifest(
            Mint.BY_CLIENT, listable=True, can_disable=True, listing_lag=LISTING_LAG, propagation=PROPAGATION,
            usual_age=USUAL_AGE,
        ),
        connect=connect_values,
        check=check_value,
        refusals=frozenset({"gcpsecret.version_off"}),
        point=connect_pointer,
        new_value=new_value,
    ),
    manage_rotation("gcpsecret", CLIENT_SIGNATURES),
)  # fmt: skip

# https://cloud.google.com/secret-manager/quotas: per project; changes of one global secret, and of one version of it, besides.
LIMITS = (
    *KEY_LIMITS,
    Limit(90_000, timedelta(minutes=1), verbs=frozenset({"access_version"})),
    Limit(600, timedelta(minutes=1), verbs=frozenset({"list_versions", "get_version", "get_secret"})),
    Limit(120, timedelta(minutes=1), verbs=frozenset({"add_version", "move_aliases"})),
    Limit(60, timedelta(minutes=1), verbs=frozenset({"enable_version", "disable_version", "destroy_version"})),
)
