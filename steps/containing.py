"""Containing first, in an emergency that asks for it: the exposed credential is switched off before there is another."""

from domain.rotation import State, Wait
from ledger.rotations import Held, intend, still_held, write
from steps.rotation_hands import Hands, Stop
from steps.rotation_people import asked

_BEFORE_FLIP = frozenset({State.CREATING, State.CREATED, State.VERIFIED})


def contain(hands: Hands, held: Held) -> Stop | None:
    """CONTAINING, in an emergency that asks for it: the exposed credential is switched off before there is another."""
    if hands.manifest.by_hand:
        return _contained_by_hand(hands, held)
    if hands.manifest.opens_management or hands.manifest.swaps:
        why = "without it nothing could be made or received; it goes as soon as there is another"
        write(held, "decision", {"not_contained": why}, facts={"not_contained": True})
        return None
    vendor_id = held.record.old_vendor_id
    if not vendor_id:
        return Stop(Wait.AWAITING_ADOPTION, f"Which credential of the vendor {hands.credential} is, is not known.")
    # Ordered of a rotation that is further on, it happens beside what is under way, in the state that it has.
    begun = held.record.state in {State.PLANNED, State.CONTAINING}
    verb, act = ("disable", hands.vendor.disable) if hands.manifest.can_disable else ("revoke", hands.vendor.revoke)
    said = {"vendor_id": vendor_id, "why": "contain first"}
    intend(held, verb, said, state=State.CONTAINING if begun else None)
    still_held(held)
    act(vendor_id)
    contained = {"contained_at": hands.ledger.now().isoformat()}
    told = {"verb": verb, "vendor_id": vendor_id}
    write(held, "outcome", told, state=State.PLANNED if begun else None, facts=contained)
    return None


def contain_late(hands: Hands, held: Held) -> Stop | None:
    """Contain first, where it was ordered after the rotation had begun and before the old credential goes anyway."""
    record = held.record
    ordered = record.emergency and record.contain_first and not record.back
    if not ordered or record.state not in _BEFORE_FLIP or {"contained_at", "not_contained"} & set(record.facts):
        return None
    return contain(hands, held)


def _contained_by_hand(hands: Hands, held: Held) -> Stop | None:
    """Wait until a person has revoked the exposed credential, which the vendor's refusal shows."""
    stored = hands.store.read(held.record.old_version)
    if stored is not None and not hands.vendor.is_refused(stored.value):
        todo = f"{hands.by_hand.revoke} It is the credential in use: it is contained before there is another."
        asked(hands, held, "contain", todo)
        return Stop(Wait.AWAITING_HUMAN_REVOKE, f"{todo} The vendor still accepts it.")
    contained = {"contained_at": hands.ledger.now().isoformat()}
    write(held, "decision", {"contained": held.record.old_version, "by": "hand"}, facts=contained)
    return None
