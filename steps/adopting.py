"""Binding a value that we did not make to its entry at the vendor: recognised, proven by a probe, and only then ours to retire."""

from domain.errors import OpsError, Rejected
from domain.manifests import Fit, ListedCredential
from domain.rotation import RotationRecord, State
from ledger.held_credentials import note_minted
from ledger.rotation_rows import find_rotation
from ledger.rotations import Flip, Held, note, write
from steps.rotation_hands import Hands, Listing, Proof, Proven, Stop

_UNCLEAR = "rotation.adoption_unclear"


def adopt_at_vendor(hands: Hands, held: Held) -> Stop | None:
    """ADOPTING: bind the current value; where it cannot be told what it is, nothing is bound and the adoption is over.

    Raises:
        Rejected: it could not be told, or the value does not work.
    """
    record = held.record
    try:
        bound, how, _ = _proven(hands, record.old_version, str(record.facts.get("named_id", "")))
    except Rejected as error:
        write(held, "outcome", {"not_adopted": error.happened}, state=State.ABORTED)
        raise
    write(held, "intent", {"verb": "adopt", "vendor_id": bound.vendor_id, "told_by": how})
    note_minted(hands.ledger, record.credential, bound.created_at)
    before = str(record.facts.get("takes_over") or "")
    fingerprint = str(record.facts["old_fingerprint"])
    flip = Flip(before, record.old_version, bound.vendor_id, fingerprint, bound.created_at) if before else None
    write(
        held, "outcome", {"verb": "adopt", "vendor_id": bound.vendor_id, "told_by": how}, state=State.DONE,
        columns={"old_vendor_id": bound.vendor_id}, flip=flip, bind=bound.vendor_id,
    )  # fmt: skip
    return None


def adopt_retiring(hands: Hands, rotation: str, named_id: str, operator: str) -> RotationRecord:
    """Bind the old value of an open rotation, which then goes on to retire it.

    Raises:
        Rejected: it could not be told which one it is, or the value does not work any more.
        BadInput: the rotation is over.
    """
    record = find_rotation(hands.ledger, rotation)
    bound, how, proof = _proven(hands, record.old_version, named_id)
    said = {"verb": "adopt", "vendor_id": bound.vendor_id, "told_by": how, "operator": operator}
    # The pointer's row is bound as well, as long as it names the old value.
    bind = None if record.flipped_at else bound.vendor_id
    # The probe used the old value: that is no use by anybody else.
    known = record.facts.get("own_uses")
    own = {"own_uses": [*(known if isinstance(known, list) else []), proof.at.isoformat()]}
    return note(hands.ledger, rotation, said, own, columns={"old_vendor_id": bound.vendor_id}, bind=bind)


def recognised(listing: Listing, value: str, named_id: str) -> list[tuple[ListedCredential, str]]:
    """Return what the value can be, the exact fits alone where there are any, and how that is told."""
    fits = [(one, one.fits(value)) for one in listing.credentials]
    exact = [(one, "the vendor lists its public part or value") for one, fit in fits if fit is Fit.EXACT]
    close = [(one, "its last characters are listed") for one, fit in fits if fit is Fit.LAST_CHARACTERS]
    found = exact or close
    if not named_id:
        return found
    named = listing.of_id(named_id)
    if named is None or (found and all(one.vendor_id != named_id for one, _ in found)):
        return []
    return [(named, "an operator named it")]


def _proven(hands: Hands, version: str, named_id: str) -> tuple[ListedCredential, str, Proof]:
    """Return what the value is and how that is told, borne out by a probe, and that probe."""
    stored = hands.store.read(version)
    if stored is None:
        raise _unclear(hands, "its value document is gone")
    listing = hands.vendor.listing()
    found = recognised(listing, stored.value, named_id)
    if named_id and not found:
        raise _unclear(hands, f"the vendor lists no {named_id} that the value could belong to")
    proof = hands.vendor.prove(stored.value)
    # What the vendor takes and nobody can read back is at least not refused; what it is, the listing or an operator says.
    if proof.outcome not in {Proven.PASSED, Proven.UNSEEN}:
        raise _unclear(hands, f"its probe ended as {proof.outcome.value}: {proof.words}")
    if proof.attributed_to:
        attributed = listing.of_id(proof.attributed_to)
        if attributed is None or (found and attributed not in [one for one, _ in found]):
            raise _unclear(hands, f"the vendor says that its event came with {proof.attributed_to}")
        return attributed, "the vendor attributes its event to it", proof
    if len(found) != 1:
        names = ", ".join(f"{one.name or '-'} ({one.vendor_id})" for one, _ in found) or "nothing listed fits"
        raise _unclear(hands, f"it could be any of: {names}" if found else names)
    return *found[0], proof


def _unclear(hands: Hands, why: str) -> OpsError:
    return Rejected(
        f"Which credential of the vendor {hands.credential} is, could not be told: {why}.",
        "Nothing was bound, and nothing at the vendor was touched.",
        f"Find it in the vendor's console and name it: opsflows adopt {hands.credential} --vendor-id ID.",
        _UNCLEAR,
    )
