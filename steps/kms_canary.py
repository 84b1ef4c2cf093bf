"""A text that nobody knows is encrypted and decrypted with the key; what came of it serves the negative checks and replicas."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from domain.kms_checks import Part, PartKind, faulty, not_run, passed
from domain.kms_drift import Encrypted
from domain.kms_keys import Inventory
from domain.kms_names import is_full_key, is_key_id, opens_alike, shown_key, shown_version
from steps.kms_operations import READ, FaultSeen, Tally, ask, failed, judged_by_time, measured
from steps.kms_question import PLAINTEXT_BYTES, KeyQuestion, OtherKey, Ring
from vendors.kms import KmsKey

# Whatever else passes: of three things that must be refused one was not looked at.
WITHOUT_ANOTHER_KEY = "that another key does not open it is not checked: there is none to try (other_key)"
_FAULTS_OF_PRIMARY = frozenset({"kms.version_disabled", "kms.version_scheduled", "kms.version_destroyed"})


@dataclass(frozen=True, slots=True)
class Canary:
    """One that lives: its texts, what it is bound to, and what encrypted it."""

    plaintext: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    context: Mapping[str, str]
    encrypted: Encrypted


def canary_part(
    question: KeyQuestion, key: KmsKey, told: Inventory | None
) -> tuple[Part, Encrypted | None, Canary | None]:
    """Return how encrypting and decrypting went, which key and version encrypted (None: nothing did), and the canary that lives."""
    name, tally = question.known.part(PartKind.CANARY), Tally()
    plaintext, context = question.random(PLAINTEXT_BYTES), question.known.context("canary")
    primary = told.primary if told else ""
    try:
        sealed = ask(question.asking, tally, "encrypt", lambda: key.encrypt(plaintext, context))
    except FaultSeen as seen:
        version = shown_version(primary) if seen.fault in _FAULTS_OF_PRIMARY else ""
        return replace(failed(name, seen, tally), version=version), None, None
    encrypted = Encrypted(sealed.key, sealed.version or primary)
    try:
        unsealed = ask(question.asking, tally, "decrypt", lambda: key.decrypt(sealed.ciphertext, context))
    except FaultSeen as seen:
        return replace(failed(name, seen, tally), version=shown_version(encrypted.version)), encrypted, None
    # Where only the answer to decrypting tells the version (AWS), that is the one that encrypted.
    encrypted = Encrypted(sealed.key, sealed.version or unsealed.version or primary)
    if not hmac.compare_digest(unsealed.plaintext, plaintext):
        return (
            measured(faulty(name, "kms.other_plaintext", version=shown_version(encrypted.version)), tally),
            encrypted,
            None,
        )
    part = judged_by_time(passed(name, "what was encrypted was decrypted", **_facts(encrypted)), tally, question.asking)
    return part, encrypted, Canary(plaintext, sealed.ciphertext, context, encrypted)


def negative_part(question: KeyQuestion, key: KmsKey, canary: Canary | None) -> Part:
    """Return whether a changed byte, another context and another key are refused, once a day; any other answer is a fault."""
    name, tally = question.known.part(PartKind.NEGATIVE), Tally()
    if not question.known.past.negative_is_due:
        return not_run(name, f"done within the last day{_left_out(question)}")
    if canary is None:
        return not_run(name, "no canary lives that could be refused")
    ciphertext, context = canary.ciphertext, canary.context
    other_context = {**context, "service": f"{question.known.target}-other"}
    try:
        _refused(question, tally, lambda: key.decrypt(_changed(ciphertext), context), "kms.tampered_accepted")
        _refused(question, tally, lambda: key.decrypt(ciphertext, other_context), "kms.wrong_context_accepted")
        other = _other_refused(question, tally, canary)
    except FaultSeen as seen:
        return failed(name, seen, tally)
    return measured(passed(name, f"refused: a changed byte, another context{other}"), tally)


def replica_part(question: KeyQuestion, ring: Ring, canary: Canary | None) -> Part:
    """Return whether every replica opens what the key encrypted."""
    name, tally = question.known.part(PartKind.REPLICA), Tally()
    if canary is None:
        return not_run(name, "no canary lives that could be opened")
    for replica in question.known.section.replicas:
        where = _region(replica)
        try:
            _require_opens(question, ring, canary, replica, tally)
        except FaultSeen as seen:
            words = ": ".join(word for word in (f"the replica in {where}", seen.detail) if word)
            return failed(name, FaultSeen(seen.fault, words), tally)
    regions = ", ".join(_region(replica) for replica in question.known.section.replicas)
    return judged_by_time(passed(name, f"opened in {regions}"), tally, question.asking)


def _require_opens(question: KeyQuestion, ring: Ring, canary: Canary, replica: str, tally: Tally) -> None:
    def opened() -> bytes:
        return ring.key(replica).decrypt(canary.ciphertext, canary.context).plaintext

    if not hmac.compare_digest(ask(question.asking, tally, f"replica/{_region(replica)}", opened), canary.plaintext):
        raise FaultSeen("kms.other_plaintext")


def _refused(question: KeyQuestion, tally: Tally, act: Callable[[], object], accepted: str) -> None:
    """Raise what it was if not refused in the one right way; what may have gone wrong on the way is no refusal."""
    try:
        ask(question.asking, tally, "negative", act)
    except FaultSeen as seen:
        if seen.fault == "kms.not_opened":
            return
        raise
    raise FaultSeen(accepted)


def _other_refused(question: KeyQuestion, tally: Tally, canary: Canary) -> str:
    """Return in words that another key refused as well, or that there is none."""
    if any(_tried_with(question, tally, canary, other) for other in question.others):
        return ", another key"
    if any(other.is_named for other in question.others):
        raise FaultSeen("kms.config", "other_key is this key itself under another name, or its copy")
    return f"; {WITHOUT_ANOTHER_KEY}"


def _tried_with(question: KeyQuestion, tally: Tally, canary: Canary, other: OtherKey) -> bool:
    """Have the other key refuse; False where it is this key under another name, which may open it."""
    ring = Ring(lambda _: other.connect())
    try:
        if _is_same(question, tally, ring, canary, other):
            return False
        _refused(
            question, tally, lambda: ring.key("").decrypt(canary.ciphertext, canary.context), "kms.wrong_key_accepted"
        )
    except FaultSeen as seen:
        words = ": ".join(word for word in ("the key that must not open it", seen.detail) if word)
        raise FaultSeen(seen.fault, words) from seen
    finally:
        ring.close()
    return True


def _is_same(question: KeyQuestion, tally: Tally, ring: Ring, canary: Canary, other: OtherKey) -> bool:
    """Say whether the other key is the one that encrypted: where an alias names it, its description has its name."""
    mine, theirs = canary.encrypted.key, other.name
    if is_key_id(theirs):
        return mine.endswith(f"/{theirs}")
    if not is_full_key(theirs):
        theirs = ask(question.asking, tally, READ, lambda: ring.key("").inventory()).key
    return opens_alike(mine, theirs)


def _left_out(question: KeyQuestion) -> str:
    return "" if question.others else f"; {WITHOUT_ANOTHER_KEY}"


def _changed(ciphertext: bytes) -> bytes:
    """Return it with one bit of its last byte turned: what every authenticated cipher must notice."""
    return ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])


def _facts(encrypted: Encrypted) -> dict[str, str]:
    facts = {"key": shown_key(encrypted.key), "version": shown_version(encrypted.version)}
    return {name: value for name, value in facts.items() if value}


def _region(arn: str) -> str:
    """Return an ARN's region; other names say none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 else shown_key(arn)  # noqa: PLR2004 (arn:partition:kms:REGION:account:key/id)
