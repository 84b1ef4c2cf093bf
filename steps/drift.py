"""Between rotations: a block or sink that shows another value than the current one is put right, or told to someone."""

from domain.errors import OpsError
from domain.rotation import RotationRecord, State
from ledger.alerts import clear_alert, raise_alert
from ledger.credential_history import last_proofs
from ledger.freezing import frozen
from ledger.held_credentials import HeldCredential, find_credential
from ledger.rotation_rows import rotations
from ledger.rotations import note, record_drift
from steps.publishing import beside
from steps.rotation_hands import Hands
from vendors.sinks import Sink


def put_back_drift(hands: Hands) -> list[str]:
    """Put the current value back where an earlier one stands, as a form that was opened before a flip and saved after it leaves it.

    A value that the ledger does not know is somebody's work: it is left alone and raised as an alert. Where it cannot be adopted
    (it may be the one in use, after a restore), the sinks are left alone as well. A sink is given no value that was never proven. For credentials without an open rotation, whose steps look after them. Returns what was done, a
    sentence each.
    """
    held = find_credential(hands.ledger, hands.credential)
    current = hands.store.read(held.version) if held is not None and held.version else None
    if held is None or current is None:
        return []
    there, key = hands.store.projected(hands.credential), f"drift:{hands.credential}"
    said: list[str] = []
    is_somebodys = bool(there) and there != current.value and not _was_current(hands, held, there)
    if is_somebodys:
        good = "adopt" if hands.manifest.can_be_adopted else "rotate"
        told = f"The block of {hands.credential} holds a value that the ledger does not know. If it is good: opsflows {good} {hands.credential}."
        raise_alert(
            hands.ledger, key, environment=held.credential.environment, target=str(held.credential.target), text=told,
            runbook="docs/runbooks/rotation-stuck.md",
        )  # fmt: skip
        said.append(told)
    else:
        clear_alert(hands.ledger, key)
    if frozen(hands.ledger) is not None:
        return said
    if there != current.value and not is_somebodys:
        record_drift(hands.ledger, hands.credential, {"block": str(hands.credential), "version": held.version})
        hands.store.project(hands.credential, current.value)
        said.append(f"The block of {hands.credential} showed an earlier value; the current one was put back.")
    if is_somebodys and not hands.manifest.can_be_adopted:
        return said
    # Applications read the sinks, whatever waits in the block to be adopted.
    # What a vendor itself points to is left alone: who moved it there meant to.
    for name, sink in hands.sinks.items():
        try:
            said.extend(_put_back(hands, held, name, sink, current.value))
        except OpsError as error:  # one that is away hides nothing at the others
            said.append(f"Sink {name} of {hands.credential}: {error}")
    return said


def _put_back(hands: Hands, held: HeldCredential, name: str, sink: Sink, value: str) -> list[str]:
    if sink.serves(value) is not False:
        return []
    # What a rotation found in the block is current from then on, whoever put it there, also where that rotation was given up.
    if hands.credential not in last_proofs(hands.ledger):
        told = f"Sink {name} does not serve the current value of {hands.credential}, which was never proven; it was left as it is."
        return [f"{told} If the value is good: opsflows adopt {hands.credential}, or rotate it."]
    record_drift(hands.ledger, hands.credential, {"sink": name, "version": held.version})
    sink.publish(value)
    return [f"Sink {name} did not serve the current value of {hands.credential}; it was put back."]


def make_due_where_drifted(hands: Hands, record: RotationRecord) -> list[str]:
    """Make a rotation that waits for its overlap due now where a block or sink shows another value; its step puts it right.

    Otherwise whoever reads there would go on with the retiring value until the overlap is over. Returns what was seen.
    """
    surviving = hands.store.read(record.surviving_version)
    if record.state is not State.PUBLISHED or surviving is None:
        return []
    drifted = [
        name
        for name, place in hands.places.items()
        if place.serves(surviving.value, beside(hands, record, record.surviving_version)) is False
    ]
    if hands.store.projected(hands.credential) != surviving.value:
        drifted.append("its block")
    if not drifted:
        return []
    note(hands.ledger, record.id, {"verb": "drift", "seen_at": drifted})
    return [
        f"{', '.join(drifted)} showed another value of {hands.credential} than the one in use; rotation {record.id} looks after it."
    ]


def _was_current(hands: Hands, held: HeldCredential, value: str) -> bool:
    told = hands.fingerprint(value)
    known = (record.facts for record in rotations(hands.ledger, credential=held.credential))
    return any(told in {facts.get("old_fingerprint"), facts.get("new_fingerprint")} for facts in known)
