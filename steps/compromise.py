"""One case: what a compromise exposed over all integrations, the order to replace it, and what belongs to it from then on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.compromise import Case, Exposure, InUse, Isolation, emergency_window, exposure, isolation, turn
from domain.config import Config
from domain.names import Credential
from domain.rotation import RotationRecord
from domain.rotation_config import alert_channel, policy_of
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.opening import Ledger
from ledger.rotation_journal import Entry, entries
from ledger.rotation_rows import open_rotation_of, rotations
from steps.emergency import Order, order_emergency
from steps.rotation_inventory import Rows
from steps.turns import IsChannel


@dataclass(frozen=True, slots=True)
class Suspect:
    """One credential of the scope: exposed or not, and why; whether it may go first, and why not; what only a person does."""

    credential: Credential
    exposure: Exposure
    why: str
    isolation: Isolation
    because: str
    is_channel: bool
    person: tuple[str, ...] = ()

    @property
    def is_exposed(self) -> bool:
        return self.exposure is Exposure.EXPOSED


@dataclass(frozen=True, slots=True)
class Sources:
    """What suspects are looked at with. `has_value` is asked of what the ledger has never seen a value of."""

    ledger: Ledger
    config: Config
    rows: Rows
    has_value: Callable[[Credential], bool]


def channels_of(config: Config) -> IsChannel:
    """Return what says whether alerts go out through a credential's target."""
    return lambda credential: alert_channel(config, credential) > 0


def suspects(sources: Sources, chosen: Iterable[Credential], compromised_at: datetime) -> list[Suspect]:
    """Return what is known of each credential of the scope, in the order in which it would be replaced; changes nothing."""
    known = {one.credential: one for one in held_credentials(sources.ledger)}
    in_order = in_turn(sources.config, chosen, sources.rows)
    return [_suspect(sources, one, known.get(one), compromised_at) for one in in_order]


def in_turn(config: Config, chosen: Iterable[Credential], rows: Rows) -> list[Credential]:
    """Return the credentials in the order in which they are replaced: what manages others late, alert channels last."""

    def place(credential: Credential) -> tuple[bool, bool, bool, bool, int]:
        manifest = rows[credential.target.integration, credential.purpose].manifest
        return turn(credential, manifest, alert_channel(config, credential))

    return sorted(chosen, key=place)


def order_replacement(ledger: Ledger, config: Config, found: Iterable[Suspect], order: Order) -> list[RotationRecord]:
    """Mark what is exposed and order its emergency rotations, one after the other; return them.

    Only what may be switched off first is, where the order says so. Ordered again, the same rotations are found.
    """
    records: list[RotationRecord] = []
    for one in found:
        if one.is_exposed:
            own = replace(order, contain_first=order.contain_first and one.isolation is not Isolation.NO)
            records += order_emergency(ledger, [one.credential], own, channels_of(config))
    return records


def rotations_of_case(ledger: Ledger, case: Case) -> list[RotationRecord]:
    """Return the rotations that the case ordered, and those that followed them by themselves; the earliest opened first."""
    there = [one for one in rotations(ledger, limit=100_000) if one.emergency]
    own = {one.id for one in there if _is_ordered_by(ledger, one.id, case)}
    credentials = {one.credential for one in there if one.id in own}
    followed = f"{emergency_window(case.compromised_at)} flip "
    found = [
        one for one in there if one.id in own or (one.due_window.startswith(followed) and one.credential in credentials)
    ]
    return sorted(found, key=lambda one: (one.opened_at, one.id))


def moment_of_ticket(ledger: Ledger, ticket: str) -> datetime | None:
    """Return the last moment that an order of the ticket named, None where there was none: who names no other goes on with it."""
    there = [(one.id, one.compromised_at) for one in rotations(ledger, limit=100_000)]
    named = [at for rotation, at in there if at and _is_ordered_by(ledger, rotation, Case(ticket, at))]
    return max(named, default=None)


def latest_of_each(records: Sequence[RotationRecord]) -> list[RotationRecord]:
    """Return each credential's last rotation, in the order of their first ones."""
    return list({one.credential: one for one in records}.values())


def _suspect(
    sources: Sources, credential: Credential, held: HeldCredential | None, compromised_at: datetime
) -> Suspect:
    row = sources.rows[credential.target.integration, credential.purpose]
    is_channel = alert_channel(sources.config, credential) > 0
    found, why = exposure(_in_use(sources.ledger, held), compromised_at)
    if (held is None or not held.fingerprint) and not sources.has_value(credential):
        found, why = Exposure.NO_VALUE, "its block holds no value, so nothing of ours is exposed"
    may, because = isolation(credential, row.manifest, is_channel=is_channel)
    consumers = policy_of(sources.config, credential).consumers
    person = (
        *([f"Create: {row.by_hand.create}"] if row.by_hand.create else []),
        *([f"Revoke: {row.by_hand.revoke}"] if row.by_hand.revoke else []),
        *([f"Let {', '.join(consumers)} load the new value."] if consumers else []),
    )
    return Suspect(credential, found, why, may, because, is_channel, person)


def _in_use(ledger: Ledger, held: HeldCredential | None) -> InUse | None:
    if held is None:
        return None
    return InUse(held.first_seen_at, held.minted_at, open_rotation_of(ledger, held.credential))


def _is_ordered_by(ledger: Ledger, rotation: str, case: Case) -> bool:
    return any(_orders(entry, case) for entry in entries(ledger, rotation))


def _orders(entry: Entry, case: Case) -> bool:
    """Say whether the entry is the case's order: what it opened, or its word to a rotation that was open."""
    said = entry.said
    if said.get("ticket") != case.ticket:
        return False
    if entry.kind == "opened":
        # One that was given up and ordered again has more behind it.
        return f"{said.get('due_window')} ".startswith(f"{emergency_window(case.compromised_at)} ")
    return said.get("verb") == "emergency" and said.get("compromised_at") == case.compromised_at.isoformat()
