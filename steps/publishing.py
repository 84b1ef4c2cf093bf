"""Handing the new value out: every sink first, then the pointer, then the projection; and putting back what drifts.

The pointer moves in one commit with the state. The overlap counts from the moment at which everything was seen to serve the
surviving value, so that an outage in between shortens nothing.
"""

from datetime import datetime, timedelta

from domain.errors import OpsError, OutcomeUnknown
from domain.names import AT_VENDOR
from domain.rotation import RotationRecord, State, Wait
from ledger.questions import Seen
from ledger.rotations import Flip, Held, intend, still_held, write
from steps.attempts import used_new
from steps.rotation_hands import Hands, Proven, Stop, kept_back
from steps.rotation_people import asked

# A proof that is older is repeated before the value is handed out: the vendor may have thought otherwise since.
PROOF_HOLDS = timedelta(minutes=15)


def publish(hands: Hands, held: Held) -> Stop | None:
    """VERIFIED: put the new value into every sink, see it there, and move the pointer."""
    record = held.record
    stored = hands.store.read(record.new_version)
    if stored is None:
        raise _value_gone(record.new_version)
    swaps = hands.manifest.swaps
    if not swaps and _proof_is_old(hands, held) and (stop := _prove_new(hands, held, stored.value)):
        return stop
    for name in hands.places:
        if swaps and name == AT_VENDOR and (stop := _who_is_not_ready(hands, held)):
            return stop
        if stop := fill_sink(hands, held, name, record.new_version, stored.value):
            return stop
    if swaps and _proof_is_old(hands, held) and (stop := _prove_swapped(hands, held, stored.value)):
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
    for name, place in hands.places.items():
        seen = place.serves(surviving.value, beside(hands, held.record, record.surviving_version))
        # What cannot be read serves what was last sent there.
        sent = str(_confirmed(held).get(name, "")).partition(" ")[0]
        if seen is False or (seen is None and sent != record.surviving_version):
            repaired = True
            _note_drift(held, name)
            if stop := fill_sink(hands, held, name, record.surviving_version, surviving.value):
                return stop
    if repaired:
        serves = {"serves": record.surviving_version, "sinks": list(hands.places)}
        write(held, "outcome", serves, columns={"served_at": hands.ledger.now()}, facts={"put_back": False})
    return None


def fill_sink(hands: Hands, held: Held, name: str, version: str, value: str) -> Stop | None:
    """Publish to one place and read it back; one that cannot be read is told as such, not as confirmed."""
    sink, known = hands.places[name], _confirmed(held)
    previous = beside(hands, held.record, version)
    if str(known.get(name, "")).partition(" ")[0] == version and sink.serves(value, previous) is not False:
        return None
    # From this intent on an application may have read it, whatever becomes of the call.
    kept = intend(held, "publish", {"sink": name, "version": version}, facts={"handed_out": True})
    if kept is not None:
        return kept_back(kept)
    still_held(held)
    sink.publish(value, previous)
    seen = sink.serves(value, previous)
    if seen is False:
        raise _not_serving(hands, name)
    told = version if seen else f"{version} (sent, not confirmed)"
    write(
        held,
        "outcome",
        {"sink": name, "version": version, "confirmed": bool(seen)},
        facts={
            "sinks": {**known, name: told},
            **({"pointed_at": hands.ledger.now().isoformat()} if name == AT_VENDOR else {}),
        },
    )
    return None


def withdraw(hands: Hands, held: Held) -> Stop | None:
    """Take the retired value away from where it stood beside the surviving one; from here on nobody accepts it by our doing."""
    record = held.record
    surviving = hands.store.read(record.surviving_version)
    if surviving is None:
        raise _value_gone(record.surviving_version)
    done = record.facts.get("withdrawn")
    for name, sink in hands.places.items():
        done = done if isinstance(done, list) else []
        if not sink.keeps_previous or name in done:
            continue
        kept = intend(held, "withdraw", {"sink": name, "version": record.retiring_version})
        if kept is not None:
            return kept_back(kept)
        still_held(held)
        sink.publish(surviving.value)
        if sink.serves(surviving.value) is False:
            raise _not_serving(hands, name)
        done = [*done, name]
        write(held, "outcome", {"sink": name, "withdrawn": record.retiring_version}, facts={"withdrawn": done})
    return None


def _who_is_not_ready(hands: Hands, held: Held) -> Stop | None:
    """Return which receivers have not loaded both values yet: what the vendor then signs with the new one, they would refuse."""
    facts = held.record.facts
    if not hands.policy.consumers and not any(sink.keeps_previous for sink in hands.sinks.values()):
        return Stop(
            Wait.BLOCKED_PREFLIGHT,
            "No sink has room for both values and no consumer is named, so receivers would refuse what is signed with the new one.",
            next_step=f"Name sinks with a previous variable, or consumers, under [credentials.{hands.credential}] in opsflows.toml; it is looked at again by itself.",
        )
    known = facts.get("acknowledged")
    missing = [one for one in hands.policy.consumers if not isinstance(known, dict) or one not in known]
    if not missing or held.record.emergency or facts.get("waived"):
        return None
    told = f"Every sink has both values; {', '.join(missing)} must load them before the vendor uses the new one."
    return Stop(Wait.AWAITING_CONSUMERS, told)


def _proof_is_old(hands: Hands, held: Held) -> bool:
    verified = held.record.verified_at
    return verified is None or hands.ledger.now() - verified > PROOF_HOLDS


def _prove_swapped(hands: Hands, held: Held, value: str) -> Stop | None:
    """Prove the value that replaced the vendor's; where it is not seen to work in time, the vendor is pointed back.

    Whoever receives knows both, so that nothing is refused meanwhile by who has loaded them.
    """
    pointed = datetime.fromisoformat(str(held.record.facts["pointed_at"]))
    known = pointed + hands.manifest.propagation
    try:
        stop = _prove_new(hands, held, value)
    except OpsError:
        if hands.ledger.now() >= known:
            _point_back(hands, held)
        raise
    if stop is None or stop.wait is not Wait.BLOCKED_NEW_FAILS:
        return stop
    if hands.ledger.now() < known:
        return Stop(Wait.SETTLING, f"The vendor may still use the old value. {stop.words}", known)
    return _point_back(hands, held) or stop


def _point_back(hands: Hands, held: Held) -> Stop | None:
    old = hands.store.read(held.record.old_version)
    return fill_sink(hands, held, AT_VENDOR, held.record.old_version, old.value) if old is not None else None


def _prove_new(hands: Hands, held: Held, value: str) -> Stop | None:
    proof = hands.vendor.prove(value)
    if proof.outcome is Proven.REFUSED:
        return Stop(Wait.BLOCKED_NEW_FAILS, f"The new credential does not work: {proof.words}")
    if proof.outcome is Proven.NOT_AGREED:
        return Stop(Wait.AWAITING_AGREEMENT, proof.words)
    # Of any other kind a person has seen an event before; of one that swaps this is the only proof.
    if (
        proof.outcome is Proven.UNSEEN
        and hands.manifest.swaps
        and asked(hands, held, "seen", proof.words) is not Seen.YES
    ):
        return Stop(Wait.AWAITING_HUMAN_SEEN, f"Somebody must say whether the event arrived: {proof.words}")
    write(
        held,
        "outcome",
        {"verb": "prove", "how": proof.how, "version": held.record.new_version},
        columns={"verified_at": hands.ledger.now()},
        facts=used_new(held, proof),
    )
    return None


def beside(hands: Hands, record: RotationRecord, version: str) -> str:
    """Return the other value that is still valid, for places with room for it; empty where an exposed one is to go at once."""
    if record.facts.get("withdrawn") or not any(place.keeps_previous for place in hands.places.values()):
        return ""
    # An exposed value is kept beside the new one only as long as the vendor itself still uses it.
    if record.emergency and not record.back and not (hands.manifest.swaps and record.flipped_at is None):
        return ""
    other = record.old_version if version == record.new_version else record.new_version
    stored = hands.store.read(other) if other else None
    return stored.value if stored else ""


def _confirmed(held: Held) -> dict[str, object]:
    known = held.record.facts.get("sinks")
    return known if isinstance(known, dict) else {}


def _not_serving(hands: Hands, name: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Sink {name} took the value of {hands.credential} and does not serve it.",
        "Applications that read there still have the other value.",
        f"Look at sink {name}; the next step publishes there again.",
        "rotation.sink_not_serving",
    )


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
