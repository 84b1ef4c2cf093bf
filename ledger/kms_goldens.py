"""Golden ciphertexts: one per key version and per wrapped data key, kept until somebody says that nothing needs it any more.

The ciphertext is kept, its text only as a SHA-256: it was 32 random bytes. Of a wrapped key nothing is kept of what is inside.
"""

import base64
import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.errors import BadInput
from domain.kms_goldens import MINTED, SHOWN_SIGNS, WRAPPED, Golden, NewGolden, Slot
from ledger import chain
from ledger.facts import GOLDEN_KEPT, GOLDEN_RETIRED, record_fact
from ledger.inserting import insert_or_replace
from ledger.kms_schema import KMS_GOLDEN_RETIREMENTS, KMS_GOLDEN_TRIALS, KMS_GOLDENS
from ledger.opening import Ledger


def keep_golden(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger, run_id: str, environment: str, target: str, key_name: str, new: NewGolden
) -> bool:
    """Keep the golden; False, with nothing changed, where it is in force, or is a wrapped key that somebody retired.

    A version that was retired may encrypt again, and then has something to keep; what a file holds stays as it was retired.
    """
    named = {
        "environment": environment, "target": target, "key_name": key_name, "key": new.key, "version": new.version,
        "source": new.source, "slot": new.slot,
    }  # fmt: skip
    kept = KMS_GOLDENS.c
    with ledger.writing() as connection:
        chain.hold(connection)
        query = select(kept.seq).where(*(kept[name] == value for name, value in named.items()))
        if connection.execute(query.where(kept.ended_seq.is_(None))).first():
            return False
        if new.slot and Slot(environment, target, key_name, new.slot) in _retired_slots(connection):
            return False
        values = {
            **named, "ciphertext": base64.b64encode(new.ciphertext).decode(), "plaintext_sha256": new.plaintext_sha256,
            "context": json.dumps(dict(new.context), sort_keys=True), "run_id": run_id,
        }  # fmt: skip
        record_fact(ledger, connection, GOLDEN_KEPT, values)
    return True


def goldens(ledger: Ledger, environment: str = "", target: str = "") -> list[Golden]:
    """Return the goldens in force, oldest first; of every environment and target where none is named."""
    kept, trial = KMS_GOLDENS.c, KMS_GOLDEN_TRIALS.c
    joined = KMS_GOLDENS.outerjoin(KMS_GOLDEN_TRIALS, trial.golden == kept.seq)
    query = select(*kept, trial.tried_at, trial.opened_at, trial.fault).select_from(joined)
    wanted = {"environment": environment, "target": target}
    query = query.where(kept.ended_seq.is_(None), *(kept[name] == value for name, value in wanted.items() if value))
    with ledger.reading() as connection:
        return [_golden(row) for row in connection.execute(query.order_by(kept.seq))]


def first_kept(ledger: Ledger, environment: str, target: str) -> dict[tuple[str, str, str], datetime]:
    """Return when each version of a target's keys got its first golden, retired ones among them.

    By the key's name in opsflows.toml, its full name, and the version.
    """
    kept = KMS_GOLDENS.c
    query = select(kept.key_name, kept.key, kept.version, kept.at)
    query = query.where(kept.environment == environment, kept.target == target, kept.source == MINTED)
    with ledger.reading() as connection:
        # The oldest is read last, so that it stays.
        rows = connection.execute(query.order_by(kept.seq.desc()))
        return {(key_name, key, version): at for key_name, key, version, at in rows}


def retired_slots(ledger: Ledger) -> frozenset[Slot]:
    """Return every wrapped key of which somebody said that nothing needs it any more."""
    with ledger.reading() as connection:
        return _retired_slots(connection)


def record_trial(ledger: Ledger, golden: Golden, fault: str) -> None:
    """Keep what decrypting the golden came to; an empty `fault` says that it opened."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        trials = KMS_GOLDEN_TRIALS.c
        before = connection.execute(select(trials.opened_at).where(trials.golden == golden.id)).scalar()
        tried = {"golden": golden.id, "tried_at": now, "opened_at": before if fault else now, "fault": fault}
        insert_or_replace(connection, KMS_GOLDEN_TRIALS, tried)


def retire_goldens(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger, run_id: str, environment: str, target: str, key_name: str, version: str, *, who: str, reason: str, slot: str = ""
) -> int:  # fmt: skip
    """End what was minted of the version, or the one wrapped key of the slot, and return how many that were.

    A version's end leaves wrapped keys alone, and one wrapped key's end the others: one that needs the version may be in use beside
    one that is gone. What is ended holds no version any longer.

    Raises:
        BadInput: neither or both are named, or nothing of it is in force.
    """
    if bool(version) is bool(slot):
        raise BadInput(
            "A version or a wrapped key's file has to be named, and not both.",
            "A wrapped key has no version; nothing was changed.",
            f"Name VERSION, or the file: --file SHA, the first {SHOWN_SIGNS} digits that opsflows kms goldens shows.",
        )
    kept = KMS_GOLDENS.c
    named = {"environment": environment, "target": target, "key_name": key_name}
    which = {"slot": slot, "source": WRAPPED} if slot else {"version": version, "source": MINTED}
    with ledger.writing() as connection:
        chain.hold(connection)
        query = select(kept.seq).where(*(kept[name] == value for name, value in (named | which).items()))
        ends = list(connection.execute(query.where(kept.ended_seq.is_(None))).scalars())
        if not ends:
            what = f"The wrapped key {slot[:SHOWN_SIGNS]}" if slot else f"Version {version}"
            raise BadInput(
                f"{what} of {key_name} in {target} ({environment}) has no golden ciphertext.",
                "It was retired already, or there never was one; nothing was changed.",
                "opsflows kms goldens lists those in force.",
            )
        values = {**named, "version": version, "slot": slot, "who": who, "reason": reason, "run_id": run_id}
        record_fact(ledger, connection, GOLDEN_RETIRED, values, ends=ends)
    return len(ends)


def _golden(row: Row[Any]) -> Golden:
    return Golden(
        row.seq, row.environment, row.target, row.key_name, row.key, row.version, row.source, row.slot,
        base64.b64decode(row.ciphertext), row.plaintext_sha256, json.loads(row.context), row.at,
        row.tried_at, row.opened_at, row.fault or "",
    )  # fmt: skip


def _retired_slots(connection: Connection) -> frozenset[Slot]:
    told = KMS_GOLDEN_RETIREMENTS.c
    query = select(told.environment, told.target, told.key_name, told.slot).where(told.slot != "")
    return frozenset(Slot(*row) for row in connection.execute(query))
