"""Looks at the ledger: it is there with this code's schema, can be written to, holds together, and has our fingerprint key."""

from datetime import timedelta
from pathlib import Path

from domain.doctor import Finding, advice, broken, fine
from domain.errors import BadInput
from ledger.fingerprints import read_key
from ledger.looking import fingerprint_key_ids, newest_faults, take_turn
from ledger.opening import Ledger
from ledger.schema import SCHEMA_VERSION

WRITABLE_WITHIN = timedelta(seconds=3)


def ledger_is_writable(ledger: Ledger, within: timedelta = WRITABLE_WITHIN) -> Finding:
    """Raises Unavailable where it is locked, which is told as what is broken by whoever asks."""
    take_turn(ledger, within)
    return fine(f"Schema {SCHEMA_VERSION}, id {ledger.id}, and it can be written to.")


def chain_holds(ledger: Ledger) -> Finding:
    looked_at, faults = newest_faults(ledger)
    if faults:
        return broken(
            f"The audit chain is broken at entry {faults[0].seq}: {faults[0].differs}.",
            "Somebody or something changed what was recorded; what the ledger says is not proof from there on.",
            "Keep the folder as it is, and see how far it goes: opsflows audit verify.",
        )
    return fine(f"The newest {looked_at} entries hold together; opsflows audit verify recomputes all of it.")


def fingerprint_key_fits(ledger: Ledger, file: Path) -> Finding:
    """Compare the key with those that the ledger's fingerprints name."""
    try:
        key = read_key(file)
    except BadInput as error:
        return broken(error.happened, error.means, error.next_step)
    known = fingerprint_key_ids(ledger)
    if known and key.id not in known:
        return broken(
            f"The fingerprint key is another one: {key.id}, and the ledger knows {', '.join(sorted(known))}.",
            "Every value looks new, and what somebody put into a block by hand cannot be told from what was there.",
            f"Restore {file} from the backup that belongs to this ledger.",
        )
    if len(known) > 1:
        return advice(
            f"The ledger has fingerprints of {len(known)} keys; this one is {key.id}.",
            "Values that were seen with another key only are not recognised.",
            "Nothing, where the key was changed on purpose.",
        )
    return fine(f"Fingerprint key {key.id}{', as in the ledger' if known else '; the ledger has no fingerprint yet'}.")
