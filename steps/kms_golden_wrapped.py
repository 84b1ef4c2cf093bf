"""The application's data keys that are kept in files, wrapped by the key: each that opens becomes a golden ciphertext.

Whatever the canary or drift says, because what the application wrote has to be opened all the same. A file that the key never opened
may be none of its ciphertexts: it is told, and not kept. What vanishes from the folder stays kept until it is retired.
"""

from domain.kms_faults import FAULTS, FaultClass
from domain.kms_goldens import WRAPPED, NewGolden
from domain.kms_keys import Inventory
from domain.kms_names import is_full_key
from steps.kms_golden_work import Work
from steps.kms_operations import FaultSeen
from steps.kms_question import KeyQuestion
from steps.wrapped_files import Unread, files_of


def take_in(work: Work, told: Inventory | None) -> None:
    """Open and keep each file that the section names and that is neither kept nor retired."""
    question = work.question
    key = _full_name(question, told)
    settled = {one.golden.slot for one in work.every} | question.known.past.retired
    refused = False
    place = question.known.environment, question.known.target, question.known.name
    for file in files_of(place, question.known.name, question.known.section):
        if isinstance(file, Unread):
            work.fail(FaultSeen("kms.config", file.why))
            continue
        slot = file.slot.slot
        work.files[slot] = file.name
        # What is refused for one file for want of a right is so for each.
        if slot in settled or not key or refused or work.is_cut:
            continue
        settled.add(slot)
        # Bound to what the operators say, and to nothing of ours: the application wrapped it.
        golden = NewGolden(key, "", WRAPPED, file.content, "", file.context, slot)
        try:
            work.decrypt(golden)
        except FaultSeen as seen:
            work.fail(_unopened(seen, file.name))
            refused = FAULTS[seen.fault].fault_class is FaultClass.PERMISSION
        else:
            work.keep(golden)


def _full_name(question: KeyQuestion, told: Inventory | None) -> str:
    """Return the key's full name, empty where an alias or id is all that is known of it."""
    if told is not None:
        return told.key
    return question.known.key if is_full_key(question.known.key) else ""


def _unopened(seen: FaultSeen, name: str) -> FaultSeen:
    if FAULTS[seen.fault].fault_class is not FaultClass.KEY_STATE:
        return seen
    words = f"{name} of wrapped_keys was never opened by this key ({seen.detail}), so it is not kept as one of its wrapped keys"
    return FaultSeen("kms.config", words)
