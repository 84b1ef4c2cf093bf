"""A cloud's keys in memory, as vendors/kms.py describes them: versions and states, faults on demand, and time that only they spend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from domain.errors import OpsError, Rejected, Unavailable
from domain.kms_faults import FAULTS
from domain.kms_keys import Inventory, KeyVersionFacts, Sealed, Unsealed, VersionState
from vendors.healthz import Reading
from vendors.http import Conduct
from vendors.kms import KmsProvider

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MAIN = "projects/p/locations/global/keyRings/r/cryptoKeys/main"
OTHER = "projects/p/locations/global/keyRings/r/cryptoKeys/other"
_MAC = 16
_OFF = {
    VersionState.DISABLED: "kms.version_disabled",
    VersionState.DESTROY_SCHEDULED: "kms.version_scheduled",
    VersionState.DESTROYED: "kms.version_destroyed",
}


def refused(symptom: str, happened: str = "The double refuses.") -> OpsError:
    return Rejected(happened, "It was told to.", "Tell it otherwise.", symptom)


def unavailable(symptom: str, retry_after: timedelta | None = None) -> OpsError:
    return Unavailable("The double does not answer.", "It was told to.", "Wait.", symptom, retry_after)


@dataclass(slots=True)
class Cloud:
    """All keys of one provider, and what goes wrong with them. `share` is how many of all operations meet a transient fault."""

    versions: dict[str, list[KeyVersionFacts]] = field(default_factory=dict)
    primaries: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    # What every call of a verb fails with, as long as it stands here.
    failing: dict[str, OpsError] = field(default_factory=dict)
    # What the next calls fail with, whatever they are.
    next_faults: list[OpsError] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)
    told_primary: str = ""
    rotates_at: datetime | None = None
    opens_anything: bool = False
    # What a ciphertext that does not fit is answered with.
    refuses_with: OpsError = field(default_factory=lambda: refused("kms.not_opened"))
    swaps_text: bool = False
    tells_version: bool = True
    names_versions: bool = True
    # What decrypting with a key fails with, as long as it stands here.
    denied: dict[str, OpsError] = field(default_factory=dict)
    # And encrypting with a version that is named.
    denied_versions: dict[str, OpsError] = field(default_factory=dict)
    share: float = 0.0
    random: Random = field(default_factory=lambda: Random(1))  # noqa: S311 (nothing is kept secret by it)
    seconds: float = 0.0
    calls: list[str] = field(default_factory=list)

    def add(self, key: str, *, created_at: datetime = BEGAN) -> str:
        """Make a version that is primary from now on, and return its id."""
        made = self.versions.setdefault(key, [])
        made.append(KeyVersionFacts(str(len(made) + 1), VersionState.ENABLED, created_at))
        self.primaries[key] = made[-1].id
        return made[-1].id

    def change(self, key: str, version: str, state: VersionState, destroy_at: datetime | None = None) -> None:
        self.versions[key] = [
            replace(one, state=state, destroy_at=destroy_at) if one.id == version else one for one in self.versions[key]
        ]

    def provider(self) -> KmsProvider:
        def connect(key: str, values: Mapping[str, str], address: str | None, conduct: Conduct) -> "CloudKey":
            return CloudKey(self, key)

        faults = {fault: fault for fault in FAULTS}
        return KmsProvider("gcp", "A double", "gcpkms", connect, lambda _: "", faults, self.names_versions)

    def meet(self, verb: str) -> None:
        """Let the time of one call pass, and raise what it meets."""
        self.calls.append(verb)
        self.seconds += self.took.get(verb, 0.01)
        if self.random.random() < self.share:
            raise unavailable(
                self.random.choice(("kms.unreachable", "kms.unavailable", "kms.throttled", "kms.corrupted"))
            )
        if self.next_faults:
            raise self.next_faults.pop(0)
        if verb in self.failing:
            raise self.failing[verb]

    def paid(self) -> int:
        return sum(verb != "inventory" for verb in self.calls)


@dataclass(slots=True)
class CloudKey:
    """One key by name or alias; a KmsKey."""

    cloud: Cloud
    name: str
    is_closed: bool = False

    def encrypt(self, plaintext: bytes, context: Mapping[str, str], version: str = "") -> Sealed:
        self.cloud.meet("encrypt")
        key = self._key
        if version in self.cloud.denied_versions:
            raise self.cloud.denied_versions[version]
        version = version or self.cloud.primaries[key]
        self._require_enabled(key, version)
        blob = bytes([int(version)]) + plaintext + _mac(key, version, context, plaintext)
        return Sealed(blob, key, version if self.cloud.tells_version else "")

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> Unsealed:
        self.cloud.meet("decrypt")
        key, version, plaintext = self._key, str(ciphertext[0]), ciphertext[1:-_MAC]
        if key in self.cloud.denied:
            raise self.cloud.denied[key]
        if not self.cloud.opens_anything and ciphertext[-_MAC:] != _mac(key, version, context, plaintext):
            raise self.cloud.refuses_with
        self._require_enabled(key, version)
        return Unsealed(plaintext[::-1] if self.cloud.swaps_text else plaintext)

    def inventory(self) -> Inventory:
        self.cloud.meet("inventory")
        key = self._key
        primary = self.cloud.told_primary or self.cloud.primaries.get(key, "")
        return Inventory(key, primary, tuple(self.cloud.versions[key]), self.cloud.rotates_at)

    def close(self) -> None:
        self.is_closed = True

    @property
    def _key(self) -> str:
        return self.cloud.aliases.get(self.name, self.name)

    def _require_enabled(self, key: str, version: str) -> None:
        state = next(one.state for one in self.cloud.versions[key] if one.id == version)
        if state is not VersionState.ENABLED:
            raise refused(_OFF[state], f"The double answers that version {version} is {state}.")


@dataclass(slots=True)
class Service:
    """A service's page and its own canary. `says` is what the page reads as; `makes` is what its encryption makes of a text."""

    says: Callable[[], Reading] = field(default_factory=lambda: lambda: reading())  # noqa: PLW0108 (defined below)
    makes: Callable[[bytes], str] = lambda plaintext: "kms:v1:" + sealed_by_service(plaintext)
    text: bytes = b""
    swaps_text: bool = False

    def read_health(self, *_: object, **__: object) -> Reading:
        return self.says()

    def connect(self, *_: object) -> "Service":
        return self

    def encrypt(self, plaintext: bytes, *_: object, **__: object) -> str:
        self.text = plaintext
        return self.makes(plaintext)

    def decrypt(self, *_: object, **__: object) -> bytes:
        return self.text[::-1] if self.swaps_text else self.text

    def close(self) -> None: ...


def reading(fault: str = "", detail: str = "") -> Reading:
    healthy = not fault
    mode, ready = ("kms", True) if healthy else (None, None)
    return Reading(fault, detail, 200 if healthy else None, mode, ready, 12.0, BEGAN)


def sealed_by_service(plaintext: bytes) -> str:
    """Return something as long as a ciphertext that has nothing of the text in it."""
    return sha256(plaintext).hexdigest() + sha256(plaintext[::-1]).hexdigest()


def _mac(key: str, version: str, context: Mapping[str, str], plaintext: bytes) -> bytes:
    bound = repr((key, version, sorted(context.items()), plaintext)).encode()
    return sha256(bound).digest()[:_MAC]
