"""Going back to the old credential: it is switched on and proven before anything reads it again; then the new one retires.

What was never handed out is deleted at once. What was, goes through the same overlap and gate as an old one.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from domain.rotation import State, Wait
from domain.values import StoredValue
from ledger.rotations import Flip, Held, intend, still_held, write
from steps.attempts import SETTLE, delete_marked, made_by_attempt, settled_at, used_old
from steps.destruction_guard import held_back
from steps.publishing import fill_sink
from steps.rotation_hands import Hands, Proven, Stop, kept_back

_NOTHING_CREATED = frozenset({State.PLANNED, State.CONTAINING, State.CREATING})
_MAY_BE_OFF = frozenset({State.CONTAINING, State.DISABLING, State.DISABLED})
_FORWARD: Mapping[State, State] = MappingProxyType(
    {State.CONTAINING: State.PLANNED, State.DISABLING: State.PUBLISHED, State.DISABLED: State.PUBLISHED}
)


def roll_back(hands: Hands, held: Held) -> Stop | None:
    """ROLLING_BACK, from wherever the rotation had come."""
    record = held.record
    came_to = State(str(record.facts["rolled_from"]))
    if record.facts.get("forward") is True:
        return _go_forward(held, came_to)
    if hands.ledger.now() < (calls_end := datetime.fromisoformat(str(record.facts["calls_end_at"]))):
        return Stop(Wait.SETTLING, "A call that was under way when it was ordered may still arrive.", calls_end)
    if stop := _switch_on(hands, held):
        return stop
    if came_to in _NOTHING_CREATED and not record.new_vendor_id:
        return _give_up_attempt(hands, held)
    if not record.flipped_at and not record.facts.get("handed_out"):
        write(held, "decision", {"retires": record.new_version}, state=State.REVOKING, facts={"never_handed_out": True})
        return None
    return _hand_back(hands, held)


def _go_forward(held: Held, came_to: State) -> Stop | None:
    """Take up again what was under way, on an operator's word: there is no old credential to go back to."""
    state = _FORWARD.get(came_to, came_to)
    columns = {"back": False, "served_at": None, "verified_at": None}
    write(held, "decision", {"goes": "forward again"}, state=state, columns=columns, facts={"forward": False})
    return None


def _switch_on(hands: Hands, held: Held) -> Stop | None:
    """Enable the old credential where we may have switched it off; a listing that lags may still show it as enabled.

    One that is gone cannot be gone back to.
    """
    record, contained = held.record, "contained_at" in held.record.facts
    touched = record.disabled_at is not None or str(record.facts["rolled_from"]) in _MAY_BE_OFF or contained
    if not touched or record.facts.get("enabled_at"):
        return None
    manifest = hands.manifest
    if not manifest.can_disable or (manifest.listable and hands.vendor.listing().of_id(record.old_vendor_id) is None):
        return Stop(Wait.BLOCKED_OLD_FAILS, "The old credential is gone at the vendor; there is nothing to go back to.")
    kept = intend(held, "enable", {"vendor_id": record.old_vendor_id})
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    hands.vendor.enable(record.old_vendor_id)
    enabled = {"enabled_at": hands.ledger.now().isoformat()}
    write(held, "outcome", {"verb": "enable", "vendor_id": record.old_vendor_id}, facts=enabled)
    return None


def _give_up_attempt(hands: Hands, held: Held) -> Stop | None:
    """Delete what the unfinished attempt may have made; a listing that lags is waited for."""
    record = held.record
    if record.attempt and not hands.manifest.by_hand and hands.manifest.listable:
        found = made_by_attempt(hands, held)
        if stop := delete_marked(hands, held, found):
            return stop
        if hands.ledger.now() < (settled := settled_at(hands, held)):
            return Stop(
                Wait.SETTLING,
                "Whether the last attempt made a credential is looked up once the listing has settled.",
                settled,
            )
    if (
        not hands.manifest.listable
        and not hands.manifest.by_hand
        and not hands.manifest.swaps
        and (stop := _give_up_unlisted(hands, held))
    ):
        return stop
    still_held(held)
    for attempt in range(1, record.attempt + 1):
        hands.store.drop(hands.version(record, attempt))
    write(held, "outcome", {"given_up": record.attempt}, state=State.ABORTED)
    return None


def _give_up_unlisted(hands: Hands, held: Held) -> Stop | None:
    """Without a listing a kept value says what the attempt made; where there is none, a person must look."""
    record = held.record
    stored = hands.store.read(hands.version(record, record.attempt)) if record.attempt else None
    if stored is not None and stored.vendor_id:
        if stop := held_back(hands, stored.vendor_id):
            return stop
        kept = intend(held, "revoke", {"vendor_id": stored.vendor_id, "why": "its rotation is given up"})
        if kept is not None:
            return kept_back(kept)
        still_held(held)
        hands.vendor.revoke(stored.vendor_id)
        return None
    was_creating = str(record.facts["rolled_from"]) == State.CREATING
    if not was_creating or record.facts.get("reconciled") == record.attempt:
        return None
    if hands.ledger.now() < (arrived := settled_at(hands, held)):
        return Stop(Wait.SETTLING, "What was asked for may still arrive; then somebody must look for it.", arrived)
    return Stop(
        Wait.AWAITING_HUMAN_RECONCILE,
        f"The vendor may have made a credential for rotation {record.id}, whose value is lost; it cannot be listed.",
    )


def _hand_back(hands: Hands, held: Held) -> Stop | None:
    record = held.record
    old = hands.store.read(record.old_version)
    if old is None:
        return Stop(
            Wait.BLOCKED_OLD_FAILS, f"The value document {record.old_version} is gone; there is nothing to go back to."
        )
    swaps = hands.manifest.swaps
    if not swaps and (stop := _old_works(hands, held, old)):
        return stop
    for name in hands.places:
        if stop := fill_sink(hands, held, name, record.old_version, old.value):
            return stop
    if swaps and (stop := _old_works(hands, held, old)):
        # The vendor was pointed back just now, and may still use the new one.
        known = datetime.fromisoformat(str(held.record.facts["pointed_at"])) + hands.manifest.propagation
        return Stop(Wait.SETTLING, stop.words, known) if hands.ledger.now() < known else stop
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
        return Stop(Wait.AWAITING_AGREEMENT, proof.words)
    if proof.outcome is Proven.REFUSED:
        return Stop(
            Wait.BLOCKED_OLD_FAILS,
            f"The old credential does not pass its probe: {proof.words}",
            hands.ledger.now() + SETTLE,
        )
    write(
        held,
        "outcome",
        {"verb": "prove", "how": proof.how, "version": held.record.old_version},
        facts=used_old(held, proof),
    )
    return None
