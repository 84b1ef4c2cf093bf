"""Going back to the old credential: it is switched on and proven before anything reads it again; then the new one retires.

What was never handed out is deleted at once. What was, goes through the same overlap and gate as an old one.
"""

from datetime import datetime

from domain.names import marker
from domain.rotation import State, Wait
from domain.values import StoredValue
from ledger.rotations import Flip, Held, intend, still_held, write
from steps.minting import SETTLE, delete_marked, settled_at, used_old
from steps.publishing import fill_sink
from steps.rotation_hands import Hands, Proven, Stop, kept_back

_NOTHING_CREATED = frozenset({State.PLANNED, State.CONTAINING, State.CREATING})


def roll_back(hands: Hands, held: Held) -> Stop | None:
    """ROLLING_BACK, from wherever the rotation had come."""
    record = held.record
    came_to = State(str(record.facts["rolled_from"]))
    if stop := _switch_on(hands, held):
        return stop
    if came_to in _NOTHING_CREATED and not record.new_vendor_id:
        return _give_up_attempt(hands, held)
    if not record.flipped_at and not record.facts.get("handed_out"):
        write(held, "decision", {"retires": record.new_version}, state=State.REVOKING, facts={"never_handed_out": True})
        return None
    return _hand_back(hands, held)


def _switch_on(hands: Hands, held: Held) -> Stop | None:
    """Enable the old credential where we, or somebody, switched it off. One that is gone cannot be gone back to."""
    record = held.record
    touched = record.disabled_at is not None or State(str(record.facts["rolled_from"])) is State.DISABLING
    if not (touched or "contained_at" in record.facts) or not record.old_vendor_id:
        return None
    there = hands.vendor.listing().of_id(record.old_vendor_id)
    if there is None:
        return Stop(Wait.BLOCKED_OLD_FAILS, "The old credential is gone at the vendor; there is nothing to go back to.")
    if there.enabled:
        return None
    kept = intend(held, "enable", {"vendor_id": record.old_vendor_id})
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    hands.vendor.enable(record.old_vendor_id)
    write(held, "outcome", {"verb": "enable", "vendor_id": record.old_vendor_id})
    return None


def _give_up_attempt(hands: Hands, held: Held) -> Stop | None:
    """Delete what the unfinished attempt may have made; a listing that lags is waited for."""
    record = held.record
    if record.attempt and not hands.manifest.by_hand and hands.manifest.listable:
        found = hands.vendor.listing().marked(marker(record.id, record.attempt))
        if stop := delete_marked(hands, held, found):
            return stop
        if hands.ledger.now() < (settled := settled_at(hands, held)):
            return Stop(
                Wait.SETTLING,
                "Whether the last attempt made a credential is looked up once the listing has settled.",
                settled,
            )
    still_held(held)
    for attempt in range(1, record.attempt + 1):
        hands.store.drop(hands.version(record, attempt))
    write(held, "outcome", {"given_up": record.attempt}, state=State.ABORTED)
    return None


def _hand_back(hands: Hands, held: Held) -> Stop | None:
    record = held.record
    old = hands.store.read(record.old_version)
    if old is None:
        return Stop(
            Wait.BLOCKED_OLD_FAILS, f"The value document {record.old_version} is gone; there is nothing to go back to."
        )
    if stop := _old_works(hands, held, old):
        return stop
    for name in hands.policy.sinks:
        if stop := fill_sink(hands, held, name, record.old_version, old.value):
            return stop
    fingerprint = hands.fingerprint(old.value)
    minted = str(record.facts.get("old_minted_at") or "")
    flip = Flip(
        record.new_version,
        record.old_version,
        record.old_vendor_id,
        fingerprint,
        datetime.fromisoformat(minted) if minted else None,
    )
    write(
        held, "outcome", {"verb": "flip back", "to": record.old_version, "fingerprint": fingerprint}, state=State.PUBLISHED,
        columns={"served_at": None, "disabled_at": None}, flip=flip if record.flipped_at else None,
    )  # fmt: skip
    return None


def _old_works(hands: Hands, held: Held, old: StoredValue) -> Stop | None:
    proof = hands.vendor.prove(old.value)
    if proof.outcome is Proven.NOT_AGREED:
        return Stop(Wait.AWAITING_AGREEMENT, proof.words, next_step=proof.next_step)
    if proof.outcome is Proven.REFUSED:
        return Stop(
            Wait.BLOCKED_OLD_FAILS,
            f"The old credential does not pass its probe: {proof.words}",
            hands.ledger.now() + SETTLE,
        )
    write(held, "outcome", {"verb": "prove", "version": held.record.old_version}, facts=used_old(held, proof))
    return None
