"""Creating the new credential and proving it, so that a crash at any line leaves nothing that is not found again.

The intent is committed before the vendor is asked, under a marker that no other attempt shares. Whether an attempt came to
something is found by listing; a value that nobody kept is lost, and its credential is deleted.
"""

from datetime import timedelta

from domain.errors import Rejected, Unavailable
from domain.manifests import ListedCredential, Mint
from domain.names import marker
from domain.rotation import Kind, State, Wait
from domain.values import StoredValue
from ledger.questions import Seen
from ledger.rotations import Held, hold_groups, intend, still_held, write
from steps.attempts import SETTLE, created, delete_marked, made_by_attempt, settled_at, used_new
from steps.choosing import choose, chosen
from steps.containing import contain
from steps.destruction_guard import held_back
from steps.keeping import keep_old
from steps.minting_by_hand import awaited_value, begin_by_hand
from steps.rotation_hands import Hands, Listing, Proof, Proven, Stop, kept_back
from steps.rotation_people import asked, stands_asked
from steps.value_store import keep_once


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
    return _begin(hands, held)


def _begin(hands: Hands, held: Held) -> Stop | None:
    if hands.manifest.by_hand:
        return begin_by_hand(hands, held)
    if hands.manifest.swaps:
        return choose(hands, held)
    return _no_slot(hands.vendor.listing(), hands) or _create(hands, held)


def reconcile(hands: Hands, held: Held) -> Stop | None:
    """CREATING: an attempt whose end nobody wrote down. Look before anything is repeated."""
    if hands.manifest.by_hand:
        return awaited_value(hands, held)
    stored = hands.store.read(hands.version(held.record, held.record.attempt))
    if hands.manifest.swaps:
        return chosen(hands, held, stored)
    return _look_for(hands, held, stored) if hands.manifest.listable else _unlistable(hands, held, stored)


def _look_for(hands: Hands, held: Held, stored: StoredValue | None) -> Stop | None:
    found = made_by_attempt(hands, held)
    ours = _with_value(hands, found, stored)
    if ours is not None and stored is not None:
        created(hands, held, ours.vendor_id, stored)
        return None
    if found:
        return _delete_orphans(hands, held, found)
    if hands.ledger.now() < (settled := settled_at(hands, held)):
        return Stop(
            Wait.SETTLING,
            "Whether the vendor made the new credential is looked up once its listing has settled.",
            settled,
        )
    write(held, "decision", {"attempt": held.record.attempt, "found": 0}, state=State.PLANNED)
    return None


def verify_new(hands: Hands, held: Held) -> Stop | None:
    """CREATED: the new credential must be seen to work before anything reads it."""
    record = held.record
    stored = hands.store.read(record.new_version)
    if stored is None:
        return give_up(hands, held, "its value document is gone")
    if hands.manifest.swaps:
        write(held, "decision", {"proof": "once the vendor uses it"}, state=State.VERIFIED)
        return None
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
        held, "outcome", {"verb": "prove", "how": proof.how, "version": record.new_version, "vendor_id": record.new_vendor_id},
        state=State.VERIFIED, columns={"verified_at": hands.ledger.now()}, facts=used_new(held, proof),
    )  # fmt: skip
    return None


def give_up(hands: Hands, held: Held, why: str) -> Stop | None:
    """Delete what this attempt made, and let the next one begin; a value made by hand is left to the person.

    Raises:
        Rejected: always, at the end, so that attempts that keep failing are counted.
    """
    record = held.record
    if not hands.manifest.by_hand and not hands.manifest.swaps:
        if stop := held_back(hands, record.new_vendor_id):
            return stop
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
    created(hands, held, minted.vendor_id, stored)
    return None


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
        created(hands, held, stored.vendor_id, stored)
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
