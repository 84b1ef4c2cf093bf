"""Golden ciphertexts still open to what they were: one per key version, and one per wrapped data key that the operators name."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from domain.errors import BadInput
from domain.kms_checks import Part, PartKind, not_run, passed
from domain.kms_faults import FAULTS, FaultClass, Severity
from domain.kms_names import shown_version
from ledger.kms_goldens import MINTED, WRAPPED, NewGolden
from steps.kms_drift import Encrypted
from steps.kms_golden_turns import Held, held, too_many, turns
from steps.kms_operations import FaultSeen, Tally, ask, failed, judged_by_time
from steps.kms_question import PLAINTEXT_BYTES, KeyChecked, KeyQuestion, Trial
from vendors.gcpkms_ciphertexts import Ciphertext, known_ciphertexts, read_ciphertext
from vendors.kms import KmsKey

_SHOWN_SIGNS = 12
# Every golden that this run adds is newer than any in the ledger.
_ADDED = 1 << 62
_URGENCY = (Severity.PAGE, Severity.TICKET, Severity.WARN)


@dataclass(slots=True)
class _Work:
    """What came of one key's goldens so far. `files` are the names of wrapped keys' files by slot."""

    every: list[Held]
    tally: Tally = field(default_factory=Tally)
    kept: list[NewGolden] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    troubles: list[FaultSeen] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def keep(self, golden: NewGolden) -> None:
        self.every.append(Held(golden, _ADDED + len(self.kept)))
        self.kept.append(golden)

    def untried(self, wanted: Iterable[Held]) -> list[Held]:
        tried = {trial.names for trial in self.trials}
        return [one for one in wanted if one.names not in tried]


def check_goldens(question: KeyQuestion, open_key: Callable[[str], KmsKey], chosen: Encrypted | None) -> KeyChecked:
    """Return how the goldens whose turn it is opened, with those that are new.

    `chosen` is the key and version that encrypts now, None where nothing did or drift has something against it: then nothing new
    is kept. A golden that is found lost has all the others tried at once. What fails for another reason (network, permission) says
    nothing of a ciphertext; the rest then waits for the next run.
    """
    work = _Work([held(one) for one in question.goldens])
    _read_wrapped(question, chosen, work)
    if chosen is not None and chosen.version:
        _mint(question, open_key, chosen, work)
    if _finds_a_loss(question, open_key, work.untried(turns(work.every)), work):
        _finds_a_loss(question, open_key, work.untried(work.every), work)
    told = tuple(trial for trial in work.trials if _says_something(trial))
    return KeyChecked((_judged(question, work),), tuple(work.kept), told)


def _says_something(trial: Trial) -> bool:
    """Say whether the trial is one of the ciphertext. What the network, a quota or a permission failed leaves it untried."""
    return not trial.fault or FAULTS[trial.fault].fault_class is FaultClass.GOLDEN


def _read_wrapped(question: KeyQuestion, chosen: Encrypted | None, work: _Work) -> None:
    """Take in each wrapped key that the operators name and that is not kept yet. What vanishes from there stays kept."""
    if not question.section.wrapped_keys:
        return
    known = {one.golden.slot for one in work.every}
    try:
        for file in _wrapped(question.section.wrapped_keys):
            slot = sha256(file.content).hexdigest()
            work.files[slot] = file.name
            if chosen is not None and slot not in known:
                known.add(slot)
                # Bound to what the operators say, and to nothing of ours: the application wrapped it.
                context = dict(question.section.context)
                work.keep(NewGolden(chosen.key, "", WRAPPED, file.content, "", context, slot))
    except FaultSeen as seen:
        work.troubles.append(seen)


def _wrapped(where: str) -> Iterable[Ciphertext]:
    try:
        files = known_ciphertexts(where)
    except BadInput as error:
        raise FaultSeen("kms.config", "wrapped_keys names no file that can be read here") from error
    for file in files:
        try:
            yield read_ciphertext(file)
        except BadInput as error:
            words = f"{file.name} of wrapped_keys cannot be read, or is larger than any wrapped key"
            raise FaultSeen("kms.config", words) from error


def _mint(question: KeyQuestion, open_key: Callable[[str], KmsKey], chosen: Encrypted, work: _Work) -> None:
    """Make a golden for the version that has none, and open it before it is kept: it must say what it is of."""
    minted = {one.golden.version for one in work.every if one.golden.source == MINTED and one.golden.key == chosen.key}
    if chosen.version in minted:
        return
    plaintext, context = question.random(PLAINTEXT_BYTES), question.context("golden")
    try:
        key = open_key(chosen.key)
        sealed = ask(question.asking, work.tally, "encrypt", lambda: key.encrypt(plaintext, context))
        unsealed = ask(question.asking, work.tally, "golden", lambda: key.decrypt(sealed.ciphertext, context))
    except FaultSeen as seen:
        work.troubles.append(seen)
        return
    version = sealed.version or unsealed.version or chosen.version
    if (sealed.key, version) != (chosen.key, chosen.version):
        # The version changed since the canary; the next run sees which one it is now.
        return
    if not hmac.compare_digest(unsealed.plaintext, plaintext):
        work.troubles.append(FaultSeen("kms.other_plaintext", version=shown_version(version)))
        return
    golden = NewGolden(chosen.key, version, MINTED, sealed.ciphertext, sha256(plaintext).hexdigest(), context)
    work.keep(golden)
    work.trials.append(Trial(golden))


def _finds_a_loss(
    question: KeyQuestion, open_key: Callable[[str], KmsKey], wanted: Iterable[Held], work: _Work
) -> bool:  # fmt: skip
    """Try them in order, and say whether one is lost that was not known to be; what fails for another reason ends the trials."""
    found = False
    for one in wanted:
        try:
            _try(question, open_key(one.golden.key), one.golden, work)
        except FaultSeen as seen:
            work.troubles.append(seen)
            work.trials.append(Trial(one.golden, seen.fault, seen.detail))
            if FAULTS[seen.fault].fault_class is not FaultClass.GOLDEN:
                return found
            found = found or not one.is_known_lost
        else:
            work.trials.append(Trial(one.golden))
    return found


def _try(question: KeyQuestion, key: KmsKey, golden: NewGolden, work: _Work) -> None:
    """Raise what is wrong with the golden. A state of the key or version that lets nothing be decrypted is the golden's loss."""
    shown = shown_version(golden.version)
    try:
        opened = ask(question.asking, work.tally, "golden", lambda: key.decrypt(golden.ciphertext, golden.context))
    except FaultSeen as seen:
        if FAULTS[seen.fault].fault_class is not FaultClass.KEY_STATE:
            raise FaultSeen(seen.fault, seen.detail, seen.version or shown) from seen
        if golden.source == WRAPPED:
            raise FaultSeen("kms.wrapped_key_lost", f"{_name(golden, work)} ({seen.detail})") from seen
        raise FaultSeen("kms.golden_lost", seen.detail, shown) from seen
    is_same = hmac.compare_digest(sha256(opened.plaintext).hexdigest(), golden.plaintext_sha256)
    # Of a wrapped key nothing is kept to compare with: what is inside is the application's secret.
    if golden.source == MINTED and not is_same:
        raise FaultSeen("kms.golden_changed", version=shown)


def _judged(question: KeyQuestion, work: _Work) -> Part:
    name = question.part(PartKind.GOLDEN)
    troubles = work.troubles + [FaultSeen("kms.config", words) for words in [too_many(len(work.every))] if words]
    if troubles:
        return failed(name, min(troubles, key=_place), work.tally)
    if not work.every:
        return not_run(name, "no golden ciphertext is kept yet")
    opened = ", ".join(_name(trial.golden, work) for trial in work.trials)
    part = passed(name, f"{len(work.trials)} of {len(work.every)} tried, all opened: {opened}")
    return judged_by_time(part, work.tally, question.asking)


def _place(seen: FaultSeen) -> tuple[bool, int]:
    row = FAULTS[seen.fault]
    return row.fault_class is not FaultClass.GOLDEN, _URGENCY.index(row.severity)


def _name(golden: NewGolden, work: _Work) -> str:
    if golden.source == MINTED:
        return f"version {shown_version(golden.version)}"
    digest = golden.slot[:_SHOWN_SIGNS]
    return work.files.get(golden.slot, f"with SHA-256 {digest}...")
