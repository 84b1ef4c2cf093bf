"""A value that a person made at the vendor goes straight into its write-once document; from there on nobody handles it."""

from collections.abc import Callable

from domain.errors import BadInput
from domain.manifests import Manifest
from domain.names import ROTATION_STEP, version_name
from domain.rotation import RotationRecord, State
from domain.values import StoredValue
from ledger.opening import Ledger
from ledger.questions import Seen, ask
from ledger.rotation_rows import find_rotation
from ledger.rotations import note
from steps.answering import take_answer
from steps.rotation_people import subject_of
from steps.value_store import ValueStore, keep_once


def awaiting_value(ledger: Ledger, rotation: str, manifest_of: Callable[[RotationRecord], Manifest]) -> RotationRecord:
    """Return the rotation, which waits for a value that a person makes.

    Raises:
        BadInput: there is no such rotation, or it waits for no value.
    """
    record = find_rotation(ledger, rotation)
    if manifest_of(record).by_hand and record.state is State.CREATING:
        return record
    raise BadInput(
        f"Rotation {rotation} of {record.credential} waits for no value from you: it is {record.state.value}{f', {record.wait.value}' if record.wait else ''}.",
        "A value is entered once, for a credential that is made by hand. Nothing was stored.",
        f"opsflows rotation show {rotation} prints where it stands.",
    )


def enter_value(
    ledger: Ledger, record: RotationRecord, value: str, *, operator: str, store: ValueStore, fingerprint: Callable[[str], str]
) -> None:  # fmt: skip
    """Keep the value as this attempt's and answer its question, so that the next step proves it.

    Raises:
        BadInput: it is the value in use, one that failed before, or another one was entered for this attempt.
    """
    told, tried = fingerprint(value), record.facts.get("tried")
    if told == record.facts.get("old_fingerprint") or (isinstance(tried, list) and told in tried):
        raise BadInput(
            f"That is no new value of {record.credential}: it is the one in use, or one that was tried before.",
            "Nothing was stored.",
            "Copy the new one from the vendor's console and enter it again.",
        )
    name = version_name(record.credential, record.id, record.attempt)
    if keep_once(store, name, StoredValue(value)).value != value:
        raise BadInput(
            f"Another value was entered for attempt {record.attempt} of {record.credential} already.",
            "A value is written once; the first one stays and is proven. Nothing was stored.",
            f"If the first one is wrong, its proof fails and a new one is asked for; opsflows rotation show {record.id}.",
        )
    note(ledger, record.id, {"verb": "enter", "operator": operator, "version": name, "fingerprint": told})
    text = f"{record.credential}: put the new value in place"
    environment = record.credential.environment
    question = ask(ledger, environment, ROTATION_STEP, subject_of(record, "create"), text, ledger.now(), record.id)
    take_answer(ledger, question.id, operator, Seen.YES, "The value was entered.")
