"""The value in use, kept as a document of its own before a rotation touches anything."""

from datetime import datetime

from domain.rotation import Kind, Wait
from domain.values import StoredValue
from ledger.held_credentials import see_credential
from ledger.rotations import Flip, Held, still_held, write
from steps.rotation_hands import Hands, Stop
from steps.value_store import keep_once


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


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
