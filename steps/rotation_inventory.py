"""Which credentials there are to rotate, how old they are, and which of them their policy makes due."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.config import Config
from domain.manifests import Manifest
from domain.names import Credential, Purpose
from domain.policies import Policy, due_at, is_too_old
from domain.rotation_calendar import Life
from domain.rotation_config import policy_of
from ledger.alerts import clear_alert, raise_alert
from ledger.held_credentials import HeldCredential, held_credentials, see_credential
from ledger.opening import Ledger
from ledger.rotation_rows import rotations, times_given_up
from vendors.rotation import Rotation

Rows = Mapping[tuple[str, Purpose], Rotation]


@dataclass(frozen=True, slots=True)
class Due:
    """One credential that is due: since when its value is in use, and the moment by which it was due."""

    held: HeldCredential
    at: datetime
    given_up: int = 0

    @property
    def window(self) -> str:
        """Every trigger for this age of this value names the same window; missed ones collapse to one.

        A rotation that was given up ends its window: the credential is still due.
        """
        return f"due {self.at:%Y-%m-%d}{f' again {self.given_up}' if self.given_up else ''}"


def credentials_in(config: Config, environment: str, rows: Rows) -> list[Credential]:
    """Return every credential that the environment's targets in scope can have, in their order; manage credentials last."""
    targets = config.environment(environment).rotated
    found = [
        Credential(target, environment, purpose)
        for target in targets
        for integration, purpose in rows
        if integration == target.integration
    ]
    return sorted(found, key=lambda one: one.purpose is Purpose.MANAGE)


def lives_of(config: Config, rows: Rows, held: Iterable[HeldCredential]) -> dict[Credential, Life]:
    """Return how long each value may live; those whose integration or purpose is not known any more are left out."""
    found: dict[Credential, Life] = {}
    for one in held:
        row = rows.get((one.credential.target.integration, one.credential.purpose))
        if row is not None:
            policy = policy_of(config, one.credential, row.manifest.usual_age)
            found[one.credential] = Life(one.credential, one.since, policy, row.manifest)
    return found


def take_stock(
    ledger: Ledger, credentials: Iterable[Credential], value_of: Callable[[Credential], str], fingerprint: Callable[[str], str]
) -> list[HeldCredential]:  # fmt: skip
    """Record every credential that has a value, and return them; from here on their age is known."""
    known = {one.credential: one for one in held_credentials(ledger)}
    found: list[HeldCredential] = []
    for credential in credentials:
        if credential in known:
            found.append(known[credential])
        elif value := value_of(credential):
            found.append(see_credential(ledger, credential, fingerprint(value)))
    return found


def due_now(
    ledger: Ledger, held: Iterable[HeldCredential], policy_of: Callable[[Credential], Policy], manifest_of: Callable[[Credential], Manifest]
) -> list[Due]:  # fmt: skip
    """Return what is due and has no open rotation, the longest due first; canaries are left to the drill."""
    now = ledger.now()
    open_ones = {record.credential for record in rotations(ledger, open_only=True, limit=100_000)}
    found = [
        Due(one, at, times_given_up(ledger, one.credential))
        for one in held
        if one.credential not in open_ones
        and not policy_of(one.credential).is_drill
        and (at := due_at(one.credential, one.since, policy_of(one.credential), manifest_of(one.credential))) <= now
    ]
    return sorted(found, key=lambda due: due.at)


def check_ages(ledger: Ledger, policy_of: Callable[[Credential], Policy | None]) -> list[str]:
    """Raise an alert for every credential that is older than its policy and has no open rotation; clear the others'.

    Asks the ledger alone: neither the rotator nor its credentials are needed. Returns the alerts that hold, a sentence each.
    """
    now = ledger.now()
    open_ones = {record.credential for record in rotations(ledger, open_only=True, limit=100_000)}
    said: list[str] = []
    for one in held_credentials(ledger):
        policy, key = policy_of(one.credential), f"age:{one.credential}"
        if policy is None or one.credential in open_ones or not is_too_old(one.since, now, policy):
            clear_alert(ledger, key)
            continue
        age = (now - one.since).days
        told = f"{one.credential} is {age} days old, its policy allows {policy.max_age.days}, and no rotation is open. Rotate it: opsflows rotate {one.credential}."
        raise_alert(
            ledger, key, environment=one.credential.environment, target=str(one.credential.target),
            text=told, runbook="docs/runbooks/rotation-planned.md",
        )  # fmt: skip
        said.append(told)
    return said
