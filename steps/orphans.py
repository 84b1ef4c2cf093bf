"""What rotations left behind: credentials that nobody has the value of, documents of attempts that are over.

Deleted is only what carries our marker, has an intent of ours, and never was handed out. Everything else is somebody's, and is
told as foreign.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from domain.manifests import ListedCredential
from domain.names import MARKER_PREFIX
from domain.rotation import RotationRecord
from ledger.freezing import frozen
from ledger.held_credentials import find_credential, held_credentials
from ledger.rotation_rows import is_known, rotations
from ledger.rotations import record_orphan
from steps.destruction_guard import held_back
from steps.rotation_hands import Hands

_MARKED = re.compile(rf"{re.escape(MARKER_PREFIX)}(r[0-9a-f]{{11}})-([0-9]+)")
_DOCUMENT = re.compile(r".*--(r[0-9a-f]{11})-([0-9]+)")


@dataclass(frozen=True, slots=True)
class SweptOrphans:
    """What was deleted, and what was found that is not ours to delete, each as people read it."""

    deleted: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def sweep_orphans(hands: Hands) -> SweptOrphans:
    """Look through the vendor's listing of one credential's kind, and through the documents of the credential.

    `left` is what would be deleted, and is not: because of a freeze, or because something encrypted with it would be lost.
    """
    known = {record.id: record for record in rotations(hands.ledger, credential=hands.credential, limit=10_000)}
    _drop_stray_documents(hands, known.values())
    if hands.manifest.by_hand or not hands.manifest.listable:
        return SweptOrphans()
    in_use = _ids_in_use(hands, known.values())
    deleted, foreign, left = [], [], []
    for one in hands.vendor.listing().credentials:
        record, attempt = _made_by(one, known)
        if one.vendor_id in in_use or (record is None and _is_of_another_credential(hands, one)):
            continue
        if record is None or not _is_orphan(record, attempt, one):
            foreign.append(_told(one))
        elif frozen(hands.ledger) is not None:
            left.append(_told(one))
        elif stop := held_back(hands, one.vendor_id):
            left.append(f"{_told(one)}: {stop.words}")
        else:
            record_orphan(hands.ledger, record, {"marker": one.name, "vendor_id": one.vendor_id, "verb": "revoke"})
            hands.vendor.revoke(one.vendor_id)
            deleted.append(_told(one))
    return SweptOrphans(tuple(deleted), tuple(foreign), tuple(left))


def is_marked(told: str) -> bool:
    """Say whether a foreign credential, as told, carries a marker like ours: another ledger's, or a forged one."""
    return MARKER_PREFIX in told


def _ids_in_use(hands: Hands, known: Iterable[RotationRecord]) -> set[str]:
    """Return the vendor's ids of what is current, of this credential and of every other, and of what an open rotation works on."""
    current = {one.vendor_id for one in held_credentials(hands.ledger)}
    return current | {
        vendor_id for record in known if record.is_open for vendor_id in (record.old_vendor_id, record.new_vendor_id)
    }


def _is_of_another_credential(hands: Hands, one: ListedCredential) -> bool:
    """Several credentials share an account; what another one's rotation made is looked after in that one's sweep."""
    marked = _MARKED.fullmatch(one.name)
    return marked is not None and is_known(hands.ledger, marked[1])


def _made_by(one: ListedCredential, known: dict[str, RotationRecord]) -> tuple[RotationRecord | None, int]:
    marked = _MARKED.fullmatch(one.name)
    if marked is None:
        return None, 0
    record, attempt = known.get(marked[1]), int(marked[2])
    # Attempts are numbered by their intents: a higher number was never intended by us.
    return (record, attempt) if record is not None and 1 <= attempt <= record.attempt else (None, 0)


def _is_orphan(record: RotationRecord, attempt: int, one: ListedCredential) -> bool:
    if record.is_open:
        return attempt < record.attempt
    was_handed_out = one.vendor_id == record.new_vendor_id and (
        record.flipped_at is not None or record.facts.get("handed_out") is True
    )
    return not was_handed_out


def _drop_stray_documents(hands: Hands, known: Iterable[RotationRecord]) -> None:
    """Delete what a late worker kept for an attempt that is over, and was never current."""
    held = find_credential(hands.ledger, hands.credential)
    records = {record.id: record for record in known}
    used = {
        held.version if held else "",
        *(v for r in records.values() if r.is_open for v in (r.old_version, r.new_version)),
    }
    for name in hands.store.names(hands.credential):
        of = _DOCUMENT.fullmatch(name)
        record = records.get(of[1]) if of else None
        if record is None or name in used:
            continue
        if not record.is_open or int(of[2] if of else 0) < record.attempt:
            hands.store.drop(name)


def _told(one: ListedCredential) -> str:
    return f"{one.name or '-'} ({one.vendor_id}{f', {one.hint}' if one.hint else ''})"
