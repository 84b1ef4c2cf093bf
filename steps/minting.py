"""Creating the new credential and proving it, so that a crash at any line leaves nothing that is not found again.

The intent is committed before the vendor is asked, under a marker that no other attempt shares. Whether an attempt came to
something is found by listing; a value that nobody kept is lost, and its credential is deleted.
"""

from datetime import datetime, timedelta

from domain.errors import Rejected, Unavailable
from domain.manifests import ListedCredential, Mint
from domain.names import marker
from domain.rotation import Kind, State, Wait
from domain.values import StoredValue
from ledger.held_credentials import see_credential
from ledger.questions import Seen
from ledger.rotations import LEASE, Flip, Held, hold_groups, intend, still_held, write
from steps.rotation_hands import Hands, Listing, Proof, Proven, Stop, kept_back
from steps.rotation_people import asked, stands_asked
from steps.value_store import keep_once

_BEFORE_FLIP = frozenset({State.CREATING, State.CREATED, State.VERIFIED})
# How soon something that converges by itself is looked at again.
SETTLE = timedelta(minutes=1)


def plan_creation(hands: Hands, held: Held) -> Stop | None:
    """PLANNED: see that all is there and free, then create; what was created before is never created again."""
    record = held.record
    # An emergency waits for nobody: what is exposed goes first, whatever else is under way.
    other = "" if record.emergency else hold_groups(held, hands.policy.groups)
    if other:
        return Stop(Wait.GROUP, f"Rotation {other} of the same group is first.", hands.ledger.now() + SETTLE)
    if not record.old_version and (stop := keep_old(hands, held)):
        return stop
    if record.kind is Kind.ADOPTION:
        write(held, "decision", {"adopts": str(record.credential)}, state=State.ADOPTING)
        return None
    if record.contain_first and record.emergency and not {"contained_at", "not_contained"} & record.facts.keys():
        return contain(hands, held)
    if hands.manifest.by_hand:
        columns = {"attempt": record.attempt + 1, "creating_at": hands.ledger.now()}
        write(held, "decision", {"awaits": "a value made by hand"}, state=State.CREATING, columns=columns)
        return None
    return _no_slot(hands.vendor.listing(), hands) or _create(hands, held)


def keep_old(hands: Hands, held: Held) -> Stop | None:
    """Keep the value in use as a document of its own before anything can overwrite it, and let the pointer name it."""
    record, value = held.record, hands.store.projected(hands.credential)
    if not value:
        return Stop(Wait.BLOCKED_PREFLIGHT, f"{hands.credential} has no value in its block.")
    fingerprint = hands.fingerprint(value)
    known = see_credential(hands.ledger, hands.credential, fingerprint)
    # Another value than the one that was bound is bound to nothing yet, whoever put it there.
    is_another = known.fingerprint not in {"", fingerprint}
    found_by_hand = is_another and known.version != ""
    if found_by_hand and record.facts.get("put_back") is True:
        return put_back(hands, held, known.version)
    if found_by_hand and record.kind is not Kind.ADOPTION:
        return Stop(
            Wait.BLOCKED_CONFLICT, f"The block of {hands.credential} holds a value that the ledger does not know."
        )
    is_kept = known.version != "" and not found_by_hand
    name = known.version if is_kept else hands.version(record, 0)
    if not is_kept:
        # An earlier try may have kept what stood there then; that is the value this rotation is about.
        fingerprint = hands.fingerprint(keep_once(hands.store, name, StoredValue(value)).value)
        is_another = known.fingerprint not in {"", fingerprint}
    vendor_id, minted_at = ("", None) if is_another else (known.vendor_id, known.minted_at)
    write(
        held, "outcome", {"kept": name, "fingerprint": fingerprint, "vendor_id": vendor_id},
        columns={"old_version": name, "old_vendor_id": vendor_id},
        facts={"old_fingerprint": fingerprint, "old_minted_at": _iso(minted_at), "takes_over": known.version if found_by_hand else ""},
        flip=None if known.version else Flip("", name, vendor_id, fingerprint, minted_at),
    )  # fmt: skip
    return None


def put_back(hands: Hands, held: Held, version: str) -> Stop | None:
    """Put the ledger's value back into the block, on an operator's word; what stood there is gone."""
    stored = hands.store.read(version)
    if stored is None:
        return Stop(Wait.BLOCKED_CONFLICT, f"The value document {version} is gone, so it cannot be put back.")
    still_held(held)
    hands.store.project(hands.credential, stored.value)
    return Stop(Wait.SETTLING, "The ledger's value was put back.", hands.ledger.now())


def contain(hands: Hands, held: Held) -> Stop | None:
    """CONTAINING, in an emergency that asks for it: the exposed credential is switched off before there is another."""
    if hands.manifest.by_hand:
        return _contained_by_hand(hands, held)
    if hands.manifest.opens_management:
        why = "without it no other could be made; it goes as soon as there is another"
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


def reconcile(hands: Hands, held: Held) -> Stop | None:
    """CREATING: an attempt whose end nobody wrote down. Look before anything is repeated."""
    if hands.manifest.by_hand:
        return _awaited_value(hands, held)
    record = held.record
    stored = hands.store.read(hands.version(record, record.attempt))
    if not hands.manifest.listable:
        return _unlistable(hands, held, stored)
    found = hands.vendor.listing().marked(marker(record.id, record.attempt))
    ours = _with_value(hands, found, stored)
    if ours is not None and stored is not None:
        _created(hands, held, ours.vendor_id, stored)
        return None
    if found:
        return _delete_orphans(hands, held, found)
    if hands.ledger.now() < (settled := settled_at(hands, held)):
        return Stop(
            Wait.SETTLING,
            "Whether the vendor made the new credential is looked up once its listing has settled.",
            settled,
        )
    write(held, "decision", {"attempt": record.attempt, "found": 0}, state=State.PLANNED)
    return None


def verify_new(hands: Hands, held: Held) -> Stop | None:
    """CREATED: the new credential must be seen to work before anything reads it."""
    record = held.record
    stored = hands.store.read(record.new_version)
    if stored is None:
        return give_up(hands, held, "its value document is gone")
    if stands_asked(hands, held, "seen"):
        return Stop(Wait.AWAITING_HUMAN_SEEN, record.words or "Somebody must say whether the event arrived.")
    proof = hands.vendor.prove(stored.value)
    # What is made by hand has no id; a reading one never has, and what the vendor names is what the event was sent with.
    told = proof.attributed_to if record.new_vendor_id else ""
    if proof.outcome is Proven.PASSED and told not in {"", record.new_vendor_id}:
        return give_up(hands, held, f"the vendor says that its event came with {proof.attributed_to}")
    if proof.outcome is not Proven.PASSED and (stop := _unproven(hands, held, proof)):
        return stop
    write(
        held, "outcome", {"verb": "prove", "version": record.new_version, "vendor_id": record.new_vendor_id},
        state=State.VERIFIED, columns={"verified_at": hands.ledger.now()}, facts=used_new(held, proof),
    )  # fmt: skip
    return None


def give_up(hands: Hands, held: Held, why: str) -> Stop | None:
    """Delete what this attempt made, and let the next one begin; a value made by hand is left to the person.

    Raises:
        Rejected: always, at the end, so that attempts that keep failing are counted.
    """
    record = held.record
    if not hands.manifest.by_hand:
        kept = intend(held, "revoke", {"vendor_id": record.new_vendor_id, "why": why})
        if kept is not None:
            return kept_back(kept)
        still_held(held)
        hands.vendor.revoke(record.new_vendor_id)
    columns = {"new_vendor_id": "", "new_version": "", "minted_at": None}
    write(held, "outcome", {"attempt": record.attempt, "given_up": why}, state=State.PLANNED, columns=columns)
    raise Rejected(
        f"Attempt {record.attempt} of {record.credential} was given up: {why}.",
        "The old credential is in use as before.",
        "The next attempt begins by itself; if it keeps failing, the rotation halts and says so.",
        "rotation.attempt_failed",
    )


def used_new(held: Held, proof: Proof) -> dict[str, object]:
    """Return the facts with this probe of the new credential among our own uses."""
    return {"own_uses_of_new": _last_uses(held.record.facts.get("own_uses_of_new"), proof.at)}


def used_old(held: Held, proof: Proof) -> dict[str, object]:
    return {"own_uses": _last_uses(held.record.facts.get("own_uses"), proof.at)}


def delete_marked(hands: Hands, held: Held, found: list[ListedCredential]) -> Stop | None:
    """Delete what carries this rotation's marker, each under an intent of its own."""
    for one in found:
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


def _create(hands: Hands, held: Held) -> Stop | None:
    record = held.record
    attempt = record.attempt + 1
    mark, name = marker(record.id, attempt), hands.version(record, attempt)
    value = ""
    if hands.manifest.mint is Mint.BY_CLIENT:
        value = keep_once(hands.store, name, StoredValue(hands.new_value(), mark, mark)).value
    columns = {"attempt": attempt, "creating_at": hands.ledger.now(), "new_vendor_id": "", "new_version": ""}
    kept = intend(
        held, "create", {"marker": mark, "attempt": attempt}, state=State.CREATING, columns=columns,
        cap=hands.policy.per_vendor_per_hour,
    )  # fmt: skip
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    try:
        minted = hands.vendor.create(mark, value)
    except (Rejected, Unavailable) as error:
        write(held, "outcome", {"verb": "create", "came_to": error.happened}, state=State.PLANNED)
        raise
    stored = StoredValue(minted.value or value, minted.vendor_id, mark)
    if hands.manifest.mint is Mint.BY_VENDOR:
        stored = keep_once(hands.store, name, stored)
    _created(hands, held, minted.vendor_id, stored)
    return None


def _created(hands: Hands, held: Held, vendor_id: str, stored: StoredValue) -> None:
    record, fingerprint = held.record, hands.fingerprint(stored.value)
    name = hands.version(record, record.attempt)
    write(
        held, "outcome", {"verb": "create", "vendor_id": vendor_id, "version": name, "fingerprint": fingerprint},
        state=State.CREATED,
        # Minted after its intent: the earlier moment is the safe one when a compromise is judged.
        columns={"new_version": name, "new_vendor_id": vendor_id, "minted_at": record.creating_at},
        facts={"new_fingerprint": fingerprint},
    )  # fmt: skip


def _with_value(hands: Hands, found: list[ListedCredential], stored: StoredValue | None) -> ListedCredential | None:
    """Return the listed credential whose value we have."""
    if stored is None:
        return None
    if hands.manifest.mint is Mint.BY_CLIENT:
        return found[0] if found else None
    if not found and stored.vendor_id:  # kept after the vendor answered; the listing only lags
        return ListedCredential(stored.vendor_id, stored.marker)
    return next((one for one in found if one.vendor_id == stored.vendor_id), None)


def _delete_orphans(hands: Hands, held: Held, found: list[ListedCredential]) -> Stop | None:
    stop = delete_marked(hands, held, found)
    if stop is None:
        ids = [one.vendor_id for one in found]
        write(held, "outcome", {"verb": "revoke", "vendor_ids": ids}, state=State.PLANNED)
    return stop


def _unlistable(hands: Hands, held: Held, stored: StoredValue | None) -> Stop | None:
    """Without a listing only the kept value shows that a credential was made; its absence shows nothing for a while."""
    record = held.record
    if stored is not None and stored.vendor_id:
        _created(hands, held, stored.vendor_id, stored)
        return None
    if hands.ledger.now() < (arrived := settled_at(hands, held)):
        return Stop(Wait.SETTLING, "What was asked for may still arrive; then somebody must look for it.", arrived)
    settled = arrived + (hands.manifest.native_expiry or timedelta(0))
    expires = hands.manifest.native_expiry is not None and hands.ledger.now() >= settled
    if not expires and record.facts.get("reconciled") != record.attempt:
        return Stop(
            Wait.AWAITING_HUMAN_RECONCILE,
            f"The vendor may have made a credential marked {marker(record.id, record.attempt)}, whose value is lost; it cannot be listed.",
        )
    write(held, "decision", {"attempt": record.attempt, "reconciled": True}, state=State.PLANNED)
    return None


def _awaited_value(hands: Hands, held: Held) -> Stop | None:
    """Wait for a person to put the new value into the credential's block and to say so; then the old one is put back there.

    Until it is proven nothing but the proof reads it.
    """
    record = held.record
    name = hands.version(record, record.attempt)
    todo = f"{hands.by_hand.create} Put the value into the block {hands.credential}"
    if asked(hands, held, "create", todo) is not Seen.YES:
        return Stop(Wait.AWAITING_HUMAN_CREATE, f"{todo}, then answer the question.")
    stored = hands.store.read(name)
    if stored is None:
        candidate = hands.store.projected(hands.credential)
        if not candidate or hands.fingerprint(candidate) in {
            record.facts.get("old_fingerprint"),
            *_texts(record.facts.get("tried")),
        }:
            return Stop(
                Wait.AWAITING_HUMAN_CREATE,
                f"It was said to be done, but the block {hands.credential} holds no new value yet.",
            )
        stored = keep_once(hands.store, name, StoredValue(candidate))
    old = hands.store.read(record.old_version)
    if old is not None and hands.store.projected(hands.credential) != old.value:
        still_held(held)
        hands.store.project(hands.credential, old.value)
    tried = [*_texts(record.facts.get("tried")), hands.fingerprint(stored.value)]
    write(held, "decision", {"candidate": name}, facts={"tried": tried})
    _created(hands, held, "", stored)
    return None


def _unproven(hands: Hands, held: Held, proof: Proof) -> Stop | None:
    """Return why it does not go on; None where a person saw what no credential can read back."""
    if proof.outcome is Proven.UNSEEN:
        answer = asked(hands, held, "seen", proof.words)
        if answer is Seen.NO:
            return give_up(hands, held, "a person did not see its event")
        told = f"Somebody must say whether the event arrived: {proof.words}"
        return Stop(Wait.AWAITING_HUMAN_SEEN, told) if answer is None else None
    if proof.outcome is Proven.NOT_AGREED:
        return Stop(Wait.AWAITING_AGREEMENT, proof.words)
    minted = held.record.minted_at or held.record.opened_at
    if hands.ledger.now() < (known := minted + hands.manifest.propagation):
        return Stop(Wait.SETTLING, f"The vendor does not know the new credential yet: {proof.words}", known)
    return give_up(hands, held, proof.words or "the vendor refuses it")


def _no_slot(listing: Listing, hands: Hands) -> Stop | None:
    slots = listing.slots if listing.slots is not None else hands.manifest.slots
    if slots is None or len(listing.credentials) < slots:
        return None
    names = ", ".join(one.name or one.vendor_id for one in listing.credentials[:5])
    return Stop(
        Wait.BLOCKED_NO_SLOT,
        f"All {slots} places at the vendor are taken ({names}). None of them is deleted to make room.",
    )


def _last_uses(known: object, at: datetime) -> list[str]:
    return [*_texts(known), at.isoformat()][-5:]


def _texts(known: object) -> list[str]:
    return [str(one) for one in known] if isinstance(known, list) else []


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
