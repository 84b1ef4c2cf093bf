"""A value that replaces the only one at the vendor: chosen and kept here, at the vendor only once everything else has it."""

from domain.names import marker
from domain.rotation import State
from domain.values import StoredValue
from ledger.rotations import Held, intend, write
from steps.attempts import created
from steps.rotation_hands import Hands, Stop, kept_back
from steps.value_store import keep_once


def choose(hands: Hands, held: Held) -> Stop | None:
    """Choose the value that will replace the one at the vendor; until the vendor is pointed to it nothing is there to be found."""
    attempt = held.record.attempt + 1
    mark = marker(held.record.id, attempt)
    columns = {
        "attempt": attempt,
        "creating_at": hands.ledger.now(),
        "new_vendor_id": "",
        "new_version": "",
        "verified_at": None,
    }
    kept = intend(
        held, "choose", {"marker": mark, "attempt": attempt}, state=State.CREATING, columns=columns,
        cap=hands.policy.per_vendor_per_hour,
    )  # fmt: skip
    if kept is not None:
        return kept_back(kept)
    name = hands.version(held.record, attempt)
    return chosen(hands, held, keep_once(hands.store, name, StoredValue(hands.new_value(), mark, mark)))


def chosen(hands: Hands, held: Held, stored: StoredValue | None) -> Stop | None:
    if stored is None:
        write(held, "decision", {"attempt": held.record.attempt, "chosen": False}, state=State.PLANNED)
        return None
    created(hands, held, stored.vendor_id, stored)
    return None
