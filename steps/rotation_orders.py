"""What operators order of an open rotation: resume, roll back, waive, acknowledge; each is a word in its journal."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from domain.errors import BadInput, Rejected
from domain.rotation import RotationRecord, State, Wait, may_roll_back
from ledger.opening import Ledger
from ledger.rotation_rows import find_rotation
from ledger.rotations import CALL_TAKES, LEASE, Held, note, seize, stand, write
from steps.value_store import ValueStore

# In these a call may be under way although nobody has the rotation: its answer was lost.
_CHANGING = frozenset({State.CONTAINING, State.DISABLING})


def resume(ledger: Ledger, rotation: str, operator: str, reason: str) -> RotationRecord:
    """Let a halted rotation go on.

    At a conflict it is the word that the ledger's value is to be put back; where the old credential turned out to be lost,
    the word that the rotation goes forward again.
    """
    record = find_rotation(ledger, rotation)
    facts: dict[str, object] = {}
    said = {"verb": "resume", "operator": operator, "reason": reason, "stood_at": record.wait.value}
    columns = {"failures": 0, "wait": Wait.NOTHING.value, "words": "", "next_step": ""}
    if record.wait is Wait.AWAITING_HUMAN_RECONCILE:
        facts["reconciled"] = record.attempt
    if record.wait is Wait.BLOCKED_CONFLICT:
        facts["put_back"] = True
    if record.wait is Wait.BLOCKED_OLD_FAILS:
        facts["forward"] = True
    return note(ledger, rotation, said, facts, columns=columns)


def order_roll_back(ledger: Ledger, rotation: str, operator: str, reason: str) -> RotationRecord:
    """Take the rotation from whoever works on it and turn it round.

    Raises:
        BadInput: it is over, rolls back already, or the old credential is being deleted.
        Rejected: somebody else took it at this very moment.
    """
    record = find_rotation(ledger, rotation)
    if not record.is_open or record.back or not may_roll_back(record.state):
        raise BadInput(
            f"Rotation {rotation} of {record.credential} cannot be rolled back: it is {record.state.value}{', and rolls back already' if record.back else ''}.",
            "Once the old credential is being deleted there is nothing to go back to. Nothing was done.",
            f"opsflows rotation show {rotation} prints where it stands; a new rotation is the way forward.",
        )
    held = seize(ledger, rotation, f"operator {operator}")
    if held is None or (held.record.state, held.record.back) != (record.state, False):
        if held is not None:
            _give_back(held)
        raise Rejected(
            f"Rotation {rotation} moved on just now.", "Nothing was done.", "Look where it stands and order again."
        )
    now = ledger.now()
    write(
        held, "word", {"verb": "rollback", "operator": operator, "reason": reason}, state=State.ROLLING_BACK,
        columns={"back": True, "not_before": now, "failures": 0},
        facts={
            "rolled_from": record.state.value, "calls_end_at": _calls_end_at(record, held.record, now).isoformat(),
            "forward": False, "enabled_at": "", "waived": None,
        },
        release=True,
    )  # fmt: skip
    return held.record


def _give_back(held: Held) -> None:
    """Release what was seized for nothing, as it stood."""
    there = held.record
    stand(held, there.wait, there.words, there.next_step, there.not_before)


def waive(ledger: Ledger, rotation: str, operator: str, reason: str) -> RotationRecord:
    """Let the retiring credential go although it is used, or nobody acknowledged the new one; overlap and proof stay."""
    state = find_rotation(ledger, rotation).state.value
    waiver = {"operator": operator, "reason": reason, "state": state}
    return note(ledger, rotation, {"verb": "waive", "operator": operator, "reason": reason}, {"waived": waiver})


def acknowledge(
    ledger: Ledger, rotation: str, consumer: str, *, operator: str, proof: str, store: ValueStore
) -> RotationRecord:
    """Record that a consumer uses the new value: by its proof of possession, or by an operator's word where `proof` is empty.

    Raises:
        BadInput: the proof is not that of the new value.
    """
    record = find_rotation(ledger, rotation)
    if not proof:
        return take_word(ledger, rotation, consumer, operator)
    if not _possesses(store, record, proof):
        raise BadInput(
            f"The proof of {consumer} is not that of the new value.",
            "It may have loaded the old one still. Nothing was recorded.",
            f"The proof is the HMAC-SHA256 of {rotation} under the new value, in hex; let {consumer} load the value and try again.",
        )
    return _acknowledged(ledger, record, consumer, "proof of possession")


def take_word(ledger: Ledger, rotation: str, consumer: str, operator: str) -> RotationRecord:
    """Record an operator's word that a consumer uses the new value."""
    return _acknowledged(ledger, find_rotation(ledger, rotation), consumer, f"the word of {operator}")


def _calls_end_at(before: RotationRecord, seized: RotationRecord, now: datetime) -> datetime:
    """Return when whatever was begun outside before the order has arrived: what is looked at sooner may change again."""
    was_at_work = before.lease_until is not None and before.lease_until > now
    if was_at_work or seized.fence != before.fence + 1:
        return now + LEASE
    return now + CALL_TAKES if before.state in _CHANGING else now


def possession(value: str, rotation: str) -> str:
    """Return the proof that a consumer shows: it holds the value, and the value cannot be had from the proof."""
    return hmac.new(value.encode(), rotation.encode(), hashlib.sha256).hexdigest()


def _acknowledged(ledger: Ledger, record: RotationRecord, consumer: str, told: str) -> RotationRecord:
    known = record.facts.get("acknowledged")
    acknowledged = {**(known if isinstance(known, Mapping) else {}), consumer: told}
    return note(
        ledger, record.id, {"verb": "acknowledge", "consumer": consumer, "by": told}, {"acknowledged": acknowledged}
    )


def _possesses(store: ValueStore, record: RotationRecord, proof: str) -> bool:
    stored = store.read(record.surviving_version)
    return stored is not None and hmac.compare_digest(possession(stored.value, record.id), proof.strip().lower())
