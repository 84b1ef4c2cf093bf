"""Handing the new value out: every sink first, then the pointer, then the projection; and putting back what drifts.

The pointer moves in one commit with the state. The overlap counts from the moment at which everything was seen to serve the
surviving value, so that an outage in between shortens nothing.
"""

from datetime import timedelta

from domain.errors import OpsError, OutcomeUnknown
from domain.rotation import State, Wait
from ledger.rotations import Flip, Held, intend, still_held, write
from steps.minting import used_new
from steps.rotation_hands import Hands, Proven, Stop, kept_back

# A proof that is older is repeated before the value is handed out: the vendor may have thought otherwise since.
PROOF_HOLDS = timedelta(minutes=15)


def publish(hands: Hands, held: Held) -> Stop | None:
    """VERIFIED: put the new value into every sink, see it there, and move the pointer."""
    record = held.record
    stored = hands.store.read(record.new_version)
    if stored is None:
        raise _value_gone(record.new_version)
    if record.verified_at is None or hands.ledger.now() - record.verified_at > PROOF_HOLDS:
        proof = hands.vendor.prove(stored.value)
        if proof.outcome is Proven.REFUSED:
            return Stop(Wait.BLOCKED_NEW_FAILS, f"The new credential does not work any more: {proof.words}")
        if proof.outcome is Proven.NOT_AGREED:
            return Stop(Wait.AWAITING_AGREEMENT, proof.words)
        write(
            held,
            "outcome",
            {"verb": "prove", "version": record.new_version},
            columns={"verified_at": hands.ledger.now()},
            facts=used_new(held, proof),
        )
    for name in hands.policy.sinks:
        if stop := fill_sink(hands, held, name, record.new_version, stored.value):
            return stop
    fingerprint = hands.fingerprint(stored.value)
    flip = Flip(record.old_version, record.new_version, record.new_vendor_id, fingerprint, held.record.minted_at)
    write(
        held, "outcome", {"verb": "flip", "from": record.old_version, "to": record.new_version, "fingerprint": fingerprint},
        state=State.PUBLISHED, columns={"flipped_at": hands.ledger.now(), "served_at": None}, flip=flip,
    )  # fmt: skip
    return None


def serve(hands: Hands, held: Held) -> Stop | None:
    """PUBLISHED: see that projection and sinks serve the surviving value, and put right what does not.

    Whoever read the other value in the meantime has it; so the overlap begins anew with what had to be put right.
    """
    record = held.record
    surviving = hands.store.read(record.surviving_version)
    if surviving is None:
        raise _value_gone(record.surviving_version)
    repaired = record.served_at is None
    there = hands.store.projected(hands.credential)
    if there != surviving.value:
        if there and not _is_known(hands, held, there):
            return Stop(
                Wait.BLOCKED_CONFLICT, f"The block of {hands.credential} holds a value that the ledger does not know."
            )
        _note_drift(held, "the block")
        still_held(held)
        hands.store.project(hands.credential, surviving.value)
        repaired = True
    for name in hands.policy.sinks:
        if hands.sinks[name].serves(surviving.value) is False:
            repaired = True
            _note_drift(held, name)
            if stop := fill_sink(hands, held, name, record.surviving_version, surviving.value):
                return stop
    if repaired:
        serves = {"serves": record.surviving_version, "sinks": list(hands.policy.sinks)}
        write(held, "outcome", serves, columns={"served_at": hands.ledger.now()}, facts={"put_back": False})
    return None


def fill_sink(hands: Hands, held: Held, name: str, version: str, value: str) -> Stop | None:
    """Publish to one sink and read it back; a sink that cannot be read is told as such, not as confirmed."""
    sink = hands.sinks[name]
    confirmed = held.record.facts.get("sinks")
    known = confirmed if isinstance(confirmed, dict) else {}
    if str(known.get(name, "")).partition(" ")[0] == version and sink.serves(value) is not False:
        return None
    # From this intent on an application may have read it, whatever becomes of the call.
    kept = intend(held, "publish", {"sink": name, "version": version}, facts={"handed_out": True})
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    sink.publish(value)
    seen = sink.serves(value)
    if seen is False:
        raise OutcomeUnknown(
            f"Sink {name} took the value of {hands.credential} and does not serve it.",
            "Applications that read there still have the other value.",
            f"Look at sink {name}; the next step publishes there again.",
            "rotation.sink_not_serving",
        )
    told = version if seen else f"{version} (sent, not confirmed)"
    write(
        held,
        "outcome",
        {"sink": name, "version": version, "confirmed": bool(seen)},
        facts={"sinks": {**known, name: told}},
    )
    return None


def _note_drift(held: Held, place: str) -> None:
    """Write down that the overlap begins anew, before anything is put right: whoever comes after a crash finds it right."""
    if held.record.served_at is not None:
        write(held, "decision", {"drifted": place}, columns={"served_at": None})


def _is_known(hands: Hands, held: Held, value: str) -> bool:
    facts = held.record.facts
    told = hands.fingerprint(value)
    return told in {facts.get("old_fingerprint"), facts.get("new_fingerprint")} or facts.get("put_back") is True


def _value_gone(version: str) -> OpsError:
    return OpsError(
        f"The value document {version} is gone.",
        "Without it the credential can neither be published nor checked; nothing was changed.",
        "Roll back (opsflows rotation rollback); if the document was deleted by hand, restore it from Prefect's backup.",
        "rotation.value_gone",
    )
