"""A value that a person makes in the vendor's console and puts into the block."""

from domain.rotation import State, Wait
from domain.values import StoredValue
from ledger.questions import Seen
from ledger.rotations import Held, still_held, write
from steps.attempts import created, texts
from steps.rotation_hands import Hands, Stop
from steps.rotation_people import asked
from steps.value_store import keep_once


def begin_by_hand(hands: Hands, held: Held) -> Stop | None:
    columns = {"attempt": held.record.attempt + 1, "creating_at": hands.ledger.now()}
    write(held, "decision", {"awaits": "a value made by hand"}, state=State.CREATING, columns=columns)
    return None


def awaited_value(hands: Hands, held: Held) -> Stop | None:
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
            *texts(record.facts.get("tried")),
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
    tried = [*texts(record.facts.get("tried")), hands.fingerprint(stored.value)]
    write(held, "decision", {"candidate": name}, facts={"tried": tried})
    created(hands, held, "", stored)
    return None
