"""Golden ciphertexts still open to what they were: one per key version, and one per wrapped data key that the operators name."""

from collections.abc import Callable, Iterable

from domain.kms_budget import GOLDENS_A_RUN
from domain.kms_checks import Part, PartKind, not_run, passed
from domain.kms_drift import Encrypted
from domain.kms_faults import FAULTS, FaultClass, Severity
from domain.kms_golden_turns import Held, held, too_many, turns
from domain.kms_keys import Inventory
from steps.kms_golden_minting import mint
from steps.kms_golden_work import Work
from steps.kms_golden_wrapped import take_in
from steps.kms_operations import FaultSeen, failed, judged_by_time
from steps.kms_question import KeyChecked, KeyQuestion, Trial
from vendors.kms import KmsKey

_URGENCY = (Severity.PAGE, Severity.TICKET, Severity.WARN)


def check_goldens(
    question: KeyQuestion, open_key: Callable[[str], KmsKey], chosen: Encrypted | None, told: Inventory | None
) -> KeyChecked:
    """Return how the goldens whose turn it is opened, with those that are new.

    `chosen` is the key and version that encrypts now, None where nothing did or drift has something against it: then none is minted.
    A golden that is found lost has all the others tried at once. What fails for another reason (a right, the network) says nothing
    of a ciphertext: another one has its turn, unless nothing answers at all, which leaves the rest to the next run.
    """
    work = Work(question, open_key, [held(one) for one in question.known.goldens])
    if chosen is not None:
        mint(work, chosen, told)
    take_in(work, told)
    always, waiting = turns(work.every, _in_use(chosen, told))
    found = [_finds_a_loss(work, always, len(always)), _finds_a_loss(work, waiting, GOLDENS_A_RUN - 1)]
    if any(found):
        _finds_a_loss(work, work.every, len(work.every))
    said = tuple(trial for trial in work.trials if _says_something(trial))
    return KeyChecked((_judged(work),), tuple(work.kept), said)


def _in_use(chosen: Encrypted | None, told: Inventory | None) -> tuple[str, str] | None:
    if chosen is not None:
        return chosen.key, chosen.version
    return (told.key, told.primary) if told is not None else None


def _says_something(trial: Trial) -> bool:
    """Say whether the trial is one of the ciphertext. What the network, a quota or a permission failed leaves it untried."""
    return not trial.fault or FAULTS[trial.fault].fault_class is FaultClass.GOLDEN


def _finds_a_loss(work: Work, wanted: Iterable[Held], most: int) -> bool:
    """Try them in order until so many said something, and say whether one is lost that was not known to be."""
    found, said = False, 0
    for one in work.untried(wanted):
        if work.is_cut or said == most:
            break
        trial = work.try_out(one)
        said += _says_something(trial)
        found = found or (bool(trial.fault) and _says_something(trial) and not one.is_known_lost)
    return found


def _judged(work: Work) -> Part:
    name = work.question.known.part(PartKind.GOLDEN)
    troubles = work.troubles + [FaultSeen("kms.config", words) for words in [too_many(len(work.every))] if words]
    if troubles:
        return failed(name, min(troubles, key=_place), work.tally)
    if not work.every:
        return not_run(name, "no golden ciphertext is kept yet")
    opened = ", ".join(work.name(trial.golden) for trial in work.trials)
    part = passed(name, f"{len(work.trials)} of {len(work.every)} tried, all opened: {opened}")
    return judged_by_time(part, work.tally, work.question.asking)


def _place(seen: FaultSeen) -> tuple[bool, int]:
    row = FAULTS[seen.fault]
    return row.fault_class is not FaultClass.GOLDEN, _URGENCY.index(row.severity)
