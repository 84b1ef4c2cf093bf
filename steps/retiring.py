"""Retiring a credential: through the gate, switched off where the vendor can, soaked, deleted, and seen to be refused.

The gate is asked just before each change, also after a crash: time has passed since the intent was written.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from domain.errors import OpsError
from domain.retiring import Evidence, Reading, clocks_disagree, why_it_stays, why_not_yet
from domain.rotation import RotationRecord, State, Wait
from ledger.rotations import Held, intend, still_held, write
from steps.attempts import settled_at, used_new, used_old
from steps.destruction_guard import foretold, held_back
from steps.publishing import serve, withdraw
from steps.rotation_hands import LOOK_AGAIN, Hands, Listing, Proven, Stop, kept_back
from steps.rotation_people import asked


def retire(hands: Hands, held: Held) -> Stop | None:
    """PUBLISHED: keep serving, and once nothing keeps the retiring credential, switch it off or begin to delete it."""
    stop = serve(hands, held) or _gate(hands, held)
    if stop is not None:
        return stop
    if hands.manifest.by_hand:
        write(held, "decision", {"retires": held.record.retiring_version, "by": "hand"}, state=State.REVOKING)
        return None
    return _switch_off(hands, held) if hands.manifest.can_disable else _delete(hands, held)


def finish_disabling(hands: Hands, held: Held) -> Stop | None:
    """DISABLING, taken up again: look whether it is off; where it is not, ask the gate before trying again."""
    vendor_id = held.record.retiring_id
    if hands.manifest.listable:
        there = hands.vendor.listing().of_id(vendor_id)
        if there is None:
            write(held, "outcome", {"verb": "disable", "found": "deleted by somebody"}, state=State.REVOKING)
            return None
        if not there.enabled:
            _disabled(hands, held)
            return None
    if stop := serve_and_gate(hands, held):
        write(held, "decision", {"stays": stop.words}, state=State.PUBLISHED)
        return stop
    return _switch_off(hands, held)


def soak(hands: Hands, held: Held) -> Stop | None:
    """DISABLED: leave time in which it can be switched on again; an emergency has none."""
    record = held.record
    ends = (record.disabled_at or record.opened_at) + hands.policy.soak
    if not record.emergency and hands.ledger.now() < ends:
        return Stop(Wait.SOAK, f"Switched off; it can be switched on again until {ends:%Y-%m-%d %H:%M} UTC.", ends)
    # What cannot be undone is done beside a credential that works now, not only when the soak began.
    return _surviving_works(hands, held) or _delete(hands, held)


def finish_revoking(hands: Hands, held: Held) -> Stop | None:
    """REVOKING: see that it is gone, delete it where it is not, and see that its value is refused."""
    record = held.record
    if not hands.manifest.by_hand and "revoked_at" not in record.facts:
        if not _is_seen_gone(hands, held):
            return _delete_after_all(hands, held)
        write(held, "outcome", {"verb": "revoke", "found": "gone"}, facts=_revoked(hands))
    return withdraw(hands, held) or _see_refused(hands, held)


def _is_seen_gone(hands: Hands, held: Held) -> bool:
    """Say whether the listing shows that it is deleted; one that lags may not even show yet that it was made."""
    if not hands.manifest.listable or hands.vendor.listing().of_id(held.record.retiring_id) is not None:
        return False
    return not held.record.back or hands.ledger.now() >= settled_at(hands, held)


def serve_and_gate(hands: Hands, held: Held) -> Stop | None:
    return serve(hands, held) or _gate(hands, held)


def _delete_after_all(hands: Hands, held: Held) -> Stop | None:
    record = held.record
    if record.facts.get("never_handed_out") is True:
        return _delete(hands, held)
    asks = serve_and_gate if record.disabled_at is None else _surviving_works
    if stop := asks(hands, held):
        write(held, "decision", {"stays": stop.words}, state=State.PUBLISHED)
        return stop
    return _delete(hands, held)


def _gate(hands: Hands, held: Held) -> Stop | None:
    """Return why the retiring credential stays, None where it may go."""
    record = held.record
    if not record.retiring_id and not hands.manifest.by_hand and not hands.manifest.swaps:
        return Stop(
            Wait.AWAITING_ADOPTION,
            f"Which credential of the vendor the old value of {hands.credential} is, is not known; nothing foreign is touched.",
        )
    now = hands.ledger.now()
    served = record.served_at or now
    waived = _is_waived(record)
    # An emergency that is rolled back takes the new one away from whoever has loaded it: that has its overlap.
    if not record.emergency or record.back:
        early = why_not_yet(Evidence(now, served, waived=waived), hands.policy, hands.manifest)
        if early is not None:
            return Stop(early.wait, early.words + foretold(hands, record.retiring_id), early.until)
        # Reads come before the probe, so that one that stays for days does not send an event at every look.
        if stop := held_back(hands, record.retiring_id):
            return stop
        kept = why_it_stays(_evidence(hands, held, served, waived=waived), hands.policy, hands.manifest)
        if kept is not None:
            return Stop(kept.wait, kept.words, kept.until)
    return _surviving_works(hands, held)


def _surviving_works(hands: Hands, held: Held) -> Stop | None:
    """Prove the surviving credential just now: the other one is retired only beside one that works."""
    stored = hands.store.read(held.record.surviving_version)
    if stored is None:
        return Stop(Wait.BLOCKED_NEW_FAILS, f"The value document {held.record.surviving_version} is gone.")
    if not held.record.emergency and (stop := _clocks_disagree(hands, stored.value)):
        return stop
    proof = hands.vendor.prove(stored.value)
    if proof.outcome is Proven.NOT_AGREED:
        return Stop(Wait.AWAITING_AGREEMENT, proof.words)
    # What cannot be read back was seen by a person before; now it is at least not refused.
    if proof.outcome not in {Proven.PASSED, Proven.UNSEEN}:
        return Stop(Wait.BLOCKED_NEW_FAILS, f"The credential in use does not pass its probe: {proof.words}")
    used = used_old(held, proof) if held.record.back else used_new(held, proof)
    compared = "compared" if hands.vendor.told_at() else "not compared: the vendor tells no time"
    said = {"verb": "prove", "how": proof.how, "version": held.record.surviving_version, "clocks": compared}
    write(held, "outcome", said, facts=used)
    return None


def _clocks_disagree(hands: Hands, value: str) -> Stop | None:
    """Ask the vendor something harmless, and compare what its clock says in the answer with ours.

    Before the probe: an event with a wrong time on it would only seem to be lost.
    """
    if hands.vendor.is_refused(value):
        return Stop(Wait.BLOCKED_NEW_FAILS, "The vendor refuses the credential in use.")
    told = hands.vendor.told_at()
    if told is None:
        return None
    kept = clocks_disagree(hands.ledger.now(), worker_at=told[1], vendor_at=told[0])
    return Stop(kept.wait, kept.words) if kept else None


def _evidence(hands: Hands, held: Held, served: datetime, *, waived: bool) -> Evidence:
    record = held.record
    # The reading's moment is before the listing, so that a use between the two is not taken for covered.
    now = hands.ledger.now()
    listing = hands.vendor.listing() if hands.manifest.last_used_lag is not None else Listing(())
    old, new = listing.of_id(record.retiring_id), listing.of_id(record.surviving_id)
    own, own_new = ("own_uses_of_new", "own_uses") if record.back else ("own_uses", "own_uses_of_new")
    acknowledged = record.facts.get("acknowledged")
    return Evidence(
        now=now,
        served_at=served,
        old=Reading(now, old.last_used_at) if old else None,
        new_last_used_at=new.last_used_at if new else None,
        own_uses=_moments(record.facts.get(own)),
        own_uses_of_new=_moments(record.facts.get(own_new)),
        acknowledged=frozenset(acknowledged) if isinstance(acknowledged, dict) else frozenset(),
        held_open=_held_open(hands, record.retiring_id),
        waived=waived,
    )


def _held_open(hands: Hands, vendor_id: str) -> tuple[str, ...]:
    """Return what only the credential itself can close; what it encrypted has held it before that (`held_back`)."""
    return hands.vendor.held_open(vendor_id) if vendor_id and not hands.manifest.loses_data else ()


def _switch_off(hands: Hands, held: Held) -> Stop | None:
    vendor_id = held.record.retiring_id
    kept = intend(held, "disable", {"vendor_id": vendor_id}, state=State.DISABLING)
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    hands.vendor.disable(vendor_id)
    _disabled(hands, held)
    return None


def _disabled(hands: Hands, held: Held) -> None:
    told = {"verb": "disable", "vendor_id": held.record.retiring_id}
    write(held, "outcome", told, state=State.DISABLED, columns={"disabled_at": hands.ledger.now()})


def _delete(hands: Hands, held: Held) -> Stop | None:
    vendor_id = held.record.retiring_id
    if stop := held_back(hands, vendor_id):
        return stop
    kept = intend(held, "revoke", {"vendor_id": vendor_id}, state=State.REVOKING)
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    # What the new value replaced is not at the vendor any more.
    if not hands.manifest.swaps:
        hands.vendor.revoke(vendor_id)
    write(held, "outcome", {"verb": "revoke", "vendor_id": vendor_id}, facts=_revoked(hands))
    return None


def _see_refused(hands: Hands, held: Held) -> Stop | None:
    """Close only when the vendor was seen to refuse the value; until it has converged, and a while longer, ask again."""
    record = held.record
    stored = hands.store.read(record.retiring_version)
    if stored is None and not _unseen_is_waived(record):
        raise OpsError(
            f"The value document {record.retiring_version} is gone, so it cannot be seen to be refused.",
            "The vendor was told to delete the credential; whether it still works is not known.",
            f"See in the vendor's console that it is gone, then: opsflows rotation waive {record.id} --reason WHAT_YOU_SAW.",
            "rotation.value_gone",
        )
    if stored is not None and not hands.vendor.is_refused(stored.value):
        return _still_accepted(hands, held)
    seen = {"refused": record.retiring_version} if stored else {"not_seen_refused": record.retiring_version}
    write(held, "outcome", seen, state=record.ends_as)
    _drop_documents(hands, record)
    return None


def _is_waived(record: RotationRecord) -> bool:
    """Say whether someone let it go although it is used; who waived a receiver's word before the flip said nothing of that."""
    waiver = record.facts.get("waived")
    return bool(waiver) and not (isinstance(waiver, Mapping) and waiver.get("state") == State.VERIFIED.value)


def _unseen_is_waived(record: RotationRecord) -> bool:
    """Say whether someone said at this very state what they saw; a waiver of the gate says nothing of a refusal."""
    waiver = record.facts.get("waived")
    return isinstance(waiver, Mapping) and waiver.get("state") == State.REVOKING.value


def _still_accepted(hands: Hands, held: Held) -> Stop:
    if hands.manifest.by_hand:
        todo = f"{hands.by_hand.revoke} It is the credential with the value of {held.record.retiring_version}"
        asked(hands, held, "revoke", todo)
        return Stop(Wait.AWAITING_HUMAN_REVOKE, f"{hands.by_hand.revoke} The vendor still accepts the retiring value.")
    revoked = datetime.fromisoformat(str(held.record.facts["revoked_at"]))
    known = revoked + hands.manifest.propagation
    if hands.ledger.now() < known:
        return Stop(Wait.SETTLING, "Deleted; the vendor has not converged yet and still accepts it.", known)
    return Stop(
        Wait.STILL_ACCEPTED,
        f"Deleted at {revoked:%Y-%m-%d %H:%M} UTC, and the vendor still accepts it.",
        hands.ledger.now() + LOOK_AGAIN,
    )


def _drop_documents(hands: Hands, record: RotationRecord) -> None:
    """Delete the documents of this rotation but the surviving one: a value that is refused is of no use to anyone.

    After the rotation is closed, because without the document the refusal could not be seen again; what a crash leaves
    here, the next sweep deletes.
    """
    mine = {record.retiring_version, *(hands.version(record, n) for n in range(record.attempt + 1))}
    with suppress(OpsError):
        for name in sorted(mine - {record.surviving_version, ""}):
            hands.store.drop(name)


def _revoked(hands: Hands) -> dict[str, object]:
    return {"revoked_at": hands.ledger.now().isoformat()}


def _moments(known: object) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(str(one)) for one in known) if isinstance(known, list) else ()
