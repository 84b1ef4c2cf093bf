"""All that is looked at of one key: its description first, then a canary, and by what the canary came to the rest."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from domain.errors import OpsError
from domain.kms_checks import Part, PartKind, faulty, not_run, part_name
from domain.kms_drift import DRIFTED, Encrypted, drift_part
from domain.kms_keys import Inventory
from domain.kms_named_parts import kinds_of
from domain.kms_version_parts import rotation_part, versions_part
from steps.kms_canary import Canary, canary_part, negative_part, replica_part
from steps.kms_golden_parts import check_goldens
from steps.kms_operations import READ, FaultSeen, Tally, ask, failed, measured, seen_in
from steps.kms_question import KeyChecked, KeyQuestion, Ring
from vendors.kms import KmsKey


def check_key(question: KeyQuestion) -> KeyChecked:
    """Return what was seen of the key, every part of it among the parts whatever went wrong."""
    ring = Ring(question.connect)
    try:
        return _checked(question, ring)
    finally:
        ring.close()


def not_reached(name: str, seen: FaultSeen, kinds: Iterable[PartKind]) -> KeyChecked:
    """Return the parts of a key that could not even be connected to: the canary failed, and nothing else was looked at."""
    why = "the key could not be connected to"
    others = [not_run(part_name(kind, name), why) for kind in kinds if kind is not PartKind.CANARY]
    return KeyChecked((faulty(part_name(PartKind.CANARY, name), seen.fault, seen.detail), *others))


def _checked(question: KeyQuestion, ring: Ring) -> KeyChecked:
    try:
        key = ring.key(question.known.key)
    except OpsError as error:
        seen = seen_in(error, question.asking.faults)
        return not_reached(question.known.name, seen, kinds_of(question.known.section))
    told, versions, rotation = _description(question, key)
    canary_seen, encrypted, canary = canary_part(question, key, told)
    for name in {told.key if told else "", encrypted.key if encrypted else ""} - {""}:
        ring.called(name, key)
    drift = _drift(question, encrypted, told)
    chosen = encrypted if drift.fault not in DRIFTED else None
    golden = check_goldens(question, _opening(question, ring), chosen, told)
    parts = [versions, rotation, canary_seen, drift, *golden.parts, *_daily(question, ring, key, canary)]
    return replace(golden, parts=tuple(parts))


def _description(question: KeyQuestion, key: KmsKey) -> tuple[Inventory | None, Part, Part]:
    """Return the inventory with what it says of versions and age; None where it could not be read."""
    tally = Tally()
    try:
        told = ask(question.asking, tally, READ, key.inventory)
    except FaultSeen as seen:
        rotation = not_run(question.known.part(PartKind.ROTATION), "the key's description could not be read")
        return None, failed(question.known.part(PartKind.VERSIONS), seen, tally), rotation
    return told, measured(versions_part(question.known, told), tally), rotation_part(question.known, told)


def _drift(question: KeyQuestion, encrypted: Encrypted | None, told: Inventory | None) -> Part:
    if encrypted is None:
        return not_run(question.known.part(PartKind.DRIFT), "nothing was encrypted, so nothing says with what")
    return drift_part(question.known, encrypted, told)


def _daily(question: KeyQuestion, ring: Ring, key: KmsKey, canary: Canary | None) -> list[Part]:
    negative = negative_part(question, key, canary)
    return [negative, replica_part(question, ring, canary)] if question.known.section.replicas else [negative]


def _opening(question: KeyQuestion, ring: Ring) -> Callable[[str], KmsKey]:
    """Return how a golden's own key is opened: an alias that was moved away from it takes nothing from its ciphertexts."""

    def opened(name: str) -> KmsKey:
        try:
            return ring.key(name)
        except OpsError as error:
            raise seen_in(error, question.asking.faults) from error

    return opened
