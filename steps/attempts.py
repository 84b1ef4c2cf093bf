"""What every way of making a new value shares: what an attempt made, when it is settled, and its becoming CREATED."""

from datetime import datetime, timedelta

from domain.manifests import Fit, ListedCredential
from domain.names import marker
from domain.rotation import State
from domain.values import StoredValue
from ledger.rotations import LEASE, Held, intend, still_held, write
from steps.destruction_guard import held_back
from steps.rotation_hands import Hands, Proof, Stop, kept_back

# How soon something that converges by itself is looked at again.
SETTLE = timedelta(minutes=1)


def created(hands: Hands, held: Held, vendor_id: str, stored: StoredValue) -> None:
    record, fingerprint = held.record, hands.fingerprint(stored.value)
    name = hands.version(record, record.attempt)
    write(
        held, "outcome", {"verb": "create", "vendor_id": vendor_id, "version": name, "fingerprint": fingerprint},
        state=State.CREATED,
        # Minted after its intent: the earlier moment is the safe one when a compromise is judged.
        columns={"new_version": name, "new_vendor_id": vendor_id, "minted_at": record.creating_at},
        facts={"new_fingerprint": fingerprint},
    )  # fmt: skip


def made_by_attempt(hands: Hands, held: Held) -> list[ListedCredential]:
    """Return what the vendor lists of this attempt: under its marker, or by the value that was kept before it was sent."""
    record, listing = held.record, hands.vendor.listing()
    if not hands.manifest.found_by_value:
        return listing.marked(marker(record.id, record.attempt))
    stored = hands.store.read(hands.version(record, record.attempt))
    return [one for one in listing.credentials if stored is not None and one.fits(stored.value) is Fit.EXACT]


def delete_marked(hands: Hands, held: Held, found: list[ListedCredential]) -> Stop | None:
    """Delete what carries this rotation's marker, each under an intent of its own."""
    for one in found:
        if stop := held_back(hands, one.vendor_id):
            return stop
        kept = intend(held, "revoke", {"vendor_id": one.vendor_id, "marker": one.name, "why": "nobody kept its value"})
        if kept is not None:
            return kept_back(kept)
        still_held(held)
        hands.vendor.revoke(one.vendor_id)
    return None


def settled_at(hands: Hands, held: Held) -> datetime:
    """Return when the listing shows whatever this attempt made: what was begun under its intent ends within the lease."""
    began = held.record.creating_at or held.record.opened_at
    return began + LEASE + hands.manifest.listing_lag


def used_new(held: Held, proof: Proof) -> dict[str, object]:
    """Return the facts with this probe of the new credential among our own uses."""
    return {"own_uses_of_new": _last_uses(held.record.facts.get("own_uses_of_new"), proof.at)}


def used_old(held: Held, proof: Proof) -> dict[str, object]:
    return {"own_uses": _last_uses(held.record.facts.get("own_uses"), proof.at)}


def _last_uses(known: object, at: datetime) -> list[str]:
    return [*texts(known), at.isoformat()][-5:]


def texts(known: object) -> list[str]:
    return [str(one) for one in known] if isinstance(known, list) else []
