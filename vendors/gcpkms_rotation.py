"""How a key's versions are rotated in Google Cloud KMS: a new version, then the primary, then the old version ends.

The value is the version's name; nothing secret leaves Google. A version has no field for a marker and creating one has no
request id, so our marker is a label of the key: it says before the creation which number was the last (`after-4`), and then
which one was made (`is-5`). Where the answer was lost, the one version after that number is ours; if there are several,
somebody else made one at the same time, none is taken for ours, and ours stays, unused and harmless.

A version that known ciphertexts still need is never destroyed: with it they are lost for good. Destruction waits for the
key's delay (30 days where nobody chose another), during which a version can be restored.
Source: https://cloud.google.com/kms/docs/rotate-key, https://cloud.google.com/kms/docs/destroy-restore,
https://cloud.google.com/kms/docs/re-encrypt-data
"""

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from domain.diagnosis import Signature, error_of
from domain.errors import OpsError, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential, Manifest, Mint, Minted, Page
from domain.names import MARKER_PREFIX, Purpose
from vendors.gcpkey_rotation import KEY_LIMITS, manage_rotation
from vendors.gcpkms import SIGNATURES as CLIENT_SIGNATURES
from vendors.gcpkms import SYMPTOMS, connect, key_and_number
from vendors.gcpkms_ciphertexts import NOTHING, known_ciphertexts, read_ciphertext
from vendors.gcpkms_versions import DISABLED, ENABLED, KeyVersion, KeyVersions, Opened, connect_versions
from vendors.http import Conduct
from vendors.rate_limits import Limit
from vendors.rotation import HeldOpen, Rotation

# https://cloud.google.com/kms/docs/consistency: within a minute, in exceptional cases hours.
PROPAGATION = timedelta(minutes=1)
LISTING_LAG = timedelta(minutes=1)
# Source: the runbook that this replaces, and https://cloud.google.com/kms/docs/key-rotation: a year at most.
USUAL_AGE = timedelta(days=365)
PAGE_CIPHERTEXTS = 20
_TOLD = 3
_CHECKED_TEXT = b"opsflows"

SIGNATURES: tuple[Signature, ...] = ()  # those of vendors/gcpkms.py speak of changes too


@dataclass(frozen=True, slots=True)
class KeyVersionCredentials:
    """The versions of one key as credentials. A change looks at the version first, since what is so already is done."""

    versions: KeyVersions
    ciphertexts: str = NOTHING

    def list_credentials(self, cursor: str) -> Page:
        """Return all versions that still live, at once: which one a marker is about shows only among all of them."""
        del cursor
        every, labels = self.versions.every(), self.versions.look().labels
        marked = marked_versions(labels, [one.number for one in every])
        return Page(tuple(self._listed(one, marked.get(one.number, "")) for one in every if not one.ends))

    def create(self, marker: str, value: str) -> Minted:
        """Say on the key what is about to be made, make the version, and say which one it is.

        Where the last is lost, the first still tells it. Four requests, since a version takes no name of ours.
        """
        del value
        every, labels = self.versions.every(), self.versions.look().labels
        last = max((one.number for one in every), default=0)
        kept = _kept_labels(labels, marker, [one.number for one in every if not one.ends])
        self.versions.label({**kept, marker: f"after-{last}"})
        try:
            number = self.versions.create()
        except (Rejected, Unavailable):
            # Nothing was made, so that nothing that somebody makes next may be taken for it.
            with suppress(OpsError):
                self.versions.label(kept)
            raise
        with suppress(OpsError):  # noted as evidence; the version is known all the same
            self.versions.label({**kept, marker: f"is-{number}"})
        return Minted(str(number), self.versions.name(number))

    def disable(self, vendor_id: str) -> None:
        """Switch the version off; one that is off or ends already is done."""
        number = int(vendor_id)
        if self.versions.described(number).state == ENABLED:
            self.versions.set_state("disable_version", number, DISABLED)

    def enable(self, vendor_id: str) -> None:
        """Switch the version on again. One that waits to be destroyed must be restored by a person first."""
        number = int(vendor_id)
        if self.versions.described(number).state != ENABLED:
            self.versions.set_state("enable_version", number, ENABLED)

    def revoke(self, vendor_id: str) -> None:
        """Let the version be destroyed after the key's delay; one that waits for that already is done.

        Raises:
            Rejected: it is the primary version, or known ciphertexts may still need it; nothing was changed.
        """
        number = int(vendor_id)
        if self.versions.described(number).ends:
            return
        words = {"key": self.versions.key, "number": vendor_id}
        if self.versions.look().primary == number:
            raise error_of(SYMPTOMS["gcpkms.is_primary"], Rejected, **words)
        if needed := self._needing(number, known_ciphertexts(self.ciphertexts)):
            told = {"count": str(len(needed)), "names": ", ".join(name for name, _ in needed[:_TOLD])}
            raise error_of(SYMPTOMS["gcpkms.still_needed"], Rejected, **words, **told)
        self.versions.destroy(number)

    def held_open(self, vendor_id: str, cursor: str) -> HeldOpen:
        """Return the known ciphertexts that need the version or may need it, a page of files at a time."""
        files, begins = known_ciphertexts(self.ciphertexts), int(cursor or 0)
        ends = begins + PAGE_CIPHERTEXTS
        needed = self._needing(int(vendor_id), files[begins:ends])
        return HeldOpen(tuple(f"{name}: {why}" for name, why in needed), str(ends) if ends < len(files) else "")

    def close(self) -> None:
        self.versions.close()

    def _needing(self, number: int, files: Iterable[Path]) -> list[tuple[str, str]]:
        """Decrypt each file, one request each; its text is dropped at once."""
        files = tuple(files)
        primary = self.versions.look().primary if files else None
        found = []
        for file in files:
            ciphertext = read_ciphertext(file)
            why = why_needed(self.versions.decrypt(ciphertext.content), number, primary)
            found += [(ciphertext.name, why)] if why else []
        return found

    def _listed(self, version: KeyVersion, marker: str) -> ListedCredential:
        return ListedCredential(
            vendor_id=str(version.number),
            name=marker,
            enabled=version.state == ENABLED,
            hint=f"version {version.number}",
            created_at=version.created_at,
            fits=partial(_fit, self.versions.name(version.number)),
        )


@dataclass(frozen=True, slots=True)
class PrimaryPointer:
    """Which version the key encrypts with. For a while after it was moved, Google may still use the one before."""

    versions: KeyVersions

    def point_to(self, value: str) -> None:
        self.versions.set_primary(_number_of(value))

    def points_to(self, value: str) -> bool:
        return self.versions.look().primary == _number_of(value)

    def close(self) -> None:
        self.versions.close()


def marked_versions(labels: Mapping[str, str], numbers: Iterable[int]) -> dict[int, str]:
    """Return the marker of each version that is known to be one of ours, by its number.

    A marker that only says after which number its version came is about the one version that came after it; where there are
    several, or none, it is about none.
    """
    told = {marker: value.partition("-") for marker, value in labels.items() if marker.startswith(MARKER_PREFIX)}
    sure = {int(number): marker for marker, (word, _, number) in told.items() if word == "is" and number.isdecimal()}
    found = dict(sure)
    for marker, (word, _, last) in told.items():
        if word != "after" or not last.isdecimal():
            continue
        since = [number for number in numbers if number > int(last) and number not in sure]
        if len(since) == 1:
            found[since[0]] = marker
    return found


def why_needed(opened: Opened, number: int, primary: int | None) -> str:
    """Return why a ciphertext may need the version, empty where it surely does not."""
    again = "re-encrypt it with the primary version"
    if not opened.decrypted:
        if opened.needs is None:
            return "whether it needs the version cannot be told: it is no ciphertext of this key, or has further data bound to it"
        return f"it needs the version, which is off: enable it, then {again}" if opened.needs == number else ""
    if opened.by_primary:
        return (
            f"it needs the version, which is the primary one: make another one primary, then {again}"
            if number == primary
            else ""
        )
    return (
        ""
        if number == primary
        else f"it needs an older version than the primary one, which Google does not name: {again}"
    )


def connect_key_versions(values: Mapping[str, str], address: str | None, conduct: Conduct) -> KeyVersionCredentials:
    """Return the rotator of the key's versions.

    Raises:
        BadInput: the version in use is not one of the key's, or the host is not allowed here.
    """
    return KeyVersionCredentials(_versions(values, address, conduct), values["ciphertexts"])


def connect_pointer(values: Mapping[str, str], address: str | None, conduct: Conduct) -> PrimaryPointer:
    return PrimaryPointer(_versions(values, address, conduct))


def check_version(values: Mapping[str, str], address: str | None, conduct: Conduct) -> None:
    """Return where Google encrypts with this very version; what it makes is dropped.

    Raises:
        Rejected: with gcpkms.version_off where the version is not enabled.
        NotYet: Google is still making it.
    """
    with closing(connect(values, address, conduct)) as client:
        client.versions.encrypt(client.number, _CHECKED_TEXT)


def _versions(values: Mapping[str, str], address: str | None, conduct: Conduct) -> KeyVersions:
    key, _ = key_and_number(values)
    return connect_versions(key, values.get("manage_key", ""), address, conduct)


def _kept_labels(labels: Mapping[str, str], marker: str, living: Iterable[int]) -> dict[str, str]:
    """Return the labels without the markers that are over: of versions that ended, and of rotations before this one."""
    rotation, made = marker.rpartition("-")[0], {f"is-{number}" for number in living}
    return {
        name: value
        for name, value in labels.items()
        if not name.startswith(MARKER_PREFIX) or value in made or name.rpartition("-")[0] == rotation
    }


def _number_of(value: str) -> int:
    return int(value.rpartition("/")[2])


def _fit(name: str, value: str) -> Fit:
    return Fit.EXACT if name == value else Fit.NO


ROTATIONS = (
    Rotation(
        "gcpkms", Purpose.SEND, "key_version",
        Manifest(
            Mint.BY_VENDOR, marker_field="a label of the key", listable=True, can_disable=True, listing_lag=LISTING_LAG,
            propagation=PROPAGATION, loses_data=True, usual_age=USUAL_AGE,
        ),
        connect=connect_key_versions,
        check=check_version,
        # A 404 says nothing about the version: Google says it of an unknown key too, and destroyed versions stay.
        refusals=frozenset({"gcpkms.version_off"}),
        point=connect_pointer,
    ),
    manage_rotation("gcpkms", CLIENT_SIGNATURES),
)  # fmt: skip

# https://cloud.google.com/kms/quotas: of the calling project. Since 2026 they adjust themselves; these are where they began.
LIMITS = (
    *KEY_LIMITS,
    Limit(300, timedelta(minutes=1), verbs=frozenset({"list_versions", "get_version", "get_crypto_key"})),
    Limit(60, timedelta(minutes=1), verbs=frozenset({
        "create_version", "enable_version", "disable_version", "destroy_version", "set_primary", "label_key",
    })),
    Limit(60_000, timedelta(minutes=1), verbs=frozenset({"encrypt", "decrypt"})),
)  # fmt: skip
