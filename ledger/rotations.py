"""A rotation's row and journal change together, by whoever holds its lease; a worker that lost it can write nothing.

Every intent and every outcome is a commit of its own. No transaction here spans a call to anything outside.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, update

from domain.errors import Rejected
from domain.names import Credential
from domain.rotation import CLOSED, Kind, RotationRecord, State, Wait, may_follow, needs_someone
from ledger import chain, rotation_journal
from ledger.alerts import keep_raised
from ledger.chain import Checkpoint
from ledger.freezing import frozen_in
from ledger.held_credentials import move_pointer, set_vendor_id
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.rotation_rows import not_open, open_of, record_of
from ledger.rotation_schema import GROUP_HOLDS, ROTATIONS
from ledger.schema import QUESTIONS

LEASE = timedelta(minutes=5)
# With less left no call outside is begun, so that whatever is begun under a lease has arrived before another can have it.
CALL_TAKES = timedelta(minutes=2)
_HOUR = timedelta(hours=1)
# Reaching these ends a row of failures; creating anew does not, or attempts that always fail would never halt.
_PROGRESS = frozenset({State.VERIFIED, State.PUBLISHED, State.DISABLED, State.REVOKING, *CLOSED})
_RUNBOOK = "docs/runbooks/rotation-stuck.md"
OPENED, CLOSED_ENTRY = "rotation opened", "rotation closed"
ORPHAN, DRIFT = "rotation orphan", "rotation drift"


@dataclass(slots=True)
class Held:
    """A rotation in one worker's hands; `record` is as the last write left it."""

    ledger: Ledger
    record: RotationRecord
    lease: timedelta = LEASE


@dataclass(frozen=True, slots=True)
class Flip:
    """Where the pointer goes, and where it must stand before."""

    expected: str
    version: str
    vendor_id: str
    fingerprint: str
    minted_at: datetime | None


def open_rotation(
    ledger: Ledger,
    rotation: str,
    credential: Credential,
    kind: Kind,
    *,
    operator: str,
    reason: str,
    ticket: str,
    due_window: str,
    emergency: bool = False,
    contain_first: bool = False,
    compromised_at: datetime | None = None,
    facts: Mapping[str, object] | None = None,
) -> RotationRecord:
    """Open a rotation and return it; the one there is where this id was opened already, by another trigger.

    Raises:
        Rejected: the credential has another open rotation.
    """
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        values = {
            "id": rotation, "credential": str(credential), "environment": credential.environment,
            "integration": credential.target.integration, "kind": kind.value, "state": State.PLANNED.value, "back": False,
            "emergency": emergency, "contain_first": contain_first, "compromised_at": compromised_at,
            "facts": _json(facts or {}), "opened_at": now, "not_before": now,
            "head_hash": rotation_journal.first_hash(ledger.id, rotation), "operator": operator, "reason": reason,
            "ticket": ticket, "due_window": due_window,
        }  # fmt: skip
        if insert_new(connection, ROTATIONS, values):
            said = {
                "kind": "opened", "credential": str(credential), "as": kind.value, "operator": operator, "reason": reason,
                "ticket": ticket, "due_window": due_window, "emergency": emergency, "contain_first": contain_first,
            }  # fmt: skip
            _append(connection, rotation, Checkpoint(0, str(values["head_hash"])), said, now)
            chain.append(ledger, connection, {"kind": OPENED, "rotation": rotation, "credential": str(credential)})
        found = connection.execute(select(ROTATIONS).where(ROTATIONS.c.id == rotation)).first()
        if found is None:
            raise _another_is_open(connection, credential)
        return record_of(found)


def claim(ledger: Ledger, rotation: str, worker: str, lease: timedelta = LEASE) -> Held | None:
    """Take the rotation into one worker's hands; None where another has it, or it is over."""
    return _taken(ledger, rotation, worker, lease, by_force=False)


def seize(ledger: Ledger, rotation: str, worker: str, lease: timedelta = LEASE) -> Held | None:
    """Take it whoever has it: what an operator orders must not wait for a worker that may be dead. None where it is over."""
    return _taken(ledger, rotation, worker, lease, by_force=True)


def write(
    held: Held,
    kind: str,
    said: Mapping[str, object],
    *,
    state: State | None = None,
    columns: Mapping[str, object] | None = None,
    facts: Mapping[str, object] | None = None,
    flip: Flip | None = None,
    bind: str | None = None,
    release: bool = False,
) -> None:
    """Append an entry and change the row, in one commit, and extend the lease; `facts` are merged into those there are.

    A state among DONE and ABORTED closes the rotation and releases its groups. `flip` moves the pointer in the same
    commit, `bind` sets the current value's vendor id. With `release` the lease is given back.

    Raises:
        Rejected: the lease is lost, or the pointer is not where it was expected; nothing is written.
    """
    _check_edge(held, state)
    with held.ledger.writing() as connection:
        now = held.ledger.now_in(connection)
        before = _still_held(connection, held.record, now)
        kept = None if facts is None else {**before.facts, **facts}
        changes = {**(columns or {}), **_changes(held, now, state, kept, release=release or state in CLOSED)}
        if flip is not None:
            move_pointer(
                connection, before.credential, expected=flip.expected, version=flip.version, vendor_id=flip.vendor_id,
                fingerprint=flip.fingerprint, minted_at=flip.minted_at,
            )  # fmt: skip
        if bind is not None:
            set_vendor_id(connection, before.credential, bind)
        told = {"kind": kind, "state": (state or before.state).value, **said}
        held.record = _append(connection, before.id, _head(before), told, now, changes)
        _tell(connection, before, held.record, now)
        if state in CLOSED:
            connection.execute(delete(GROUP_HOLDS).where(GROUP_HOLDS.c.rotation == before.id))
            _end_questions(connection, before.id, now, done=state is State.DONE)
            seal = {"kind": CLOSED_ENTRY, "rotation": before.id, "state": state, "journal": held.record.head_hash}
            chain.append(held.ledger, connection, seal)


def intend(
    held: Held,
    verb: str,
    said: Mapping[str, object],
    *,
    state: State | None = None,
    columns: Mapping[str, object] | None = None,
    facts: Mapping[str, object] | None = None,
    cap: int | None = None,
) -> "Kept | None":
    """Commit an intent to change something outside; return why it must not be, and then nothing is written.

    Asked in the same commit: whether it is frozen, and whether the vendor's hourly `cap` is used up.

    Raises:
        Rejected: the lease is lost.
    """
    _check_edge(held, state)
    with held.ledger.writing() as connection:
        now = held.ledger.now_in(connection)
        before = _still_held(connection, held.record, now)
        kept = _kept_back(connection, before, now, cap)
        if kept is None:
            merged = None if facts is None else {**before.facts, **facts}
            changes = {**(columns or {}), **_changes(held, now, state, merged, release=False)}
            told = {"kind": "intent", "state": (state or before.state).value, "verb": verb, **said}
            held.record = _append(connection, before.id, _head(before), told, now, changes)
            _tell(connection, before, held.record, now)
    return kept


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a change must not be made now, and until when; None where no moment ends it."""

    wait: Wait
    words: str
    until: datetime | None


def stand(
    held: Held, wait: Wait, words: str, next_step: str, not_before: datetime, *, failures: int | None = None,
    facts: Mapping[str, object] | None = None,
) -> None:  # fmt: skip
    """Give the rotation back until `not_before`, saying why it stands; the journal tells it where that is new."""
    before = held.record
    count = before.failures if failures is None else failures
    columns = {
        "wait": wait.value, "words": words, "next_step": next_step, "not_before": not_before, "failures": count,
    }  # fmt: skip
    if (before.wait, before.words) != (wait, words) or facts or count != before.failures:
        told = {"wait": wait.value, "words": words, "until": not_before.isoformat()}
        write(held, "wait", told, columns=columns, facts=facts, release=True)
        return
    with held.ledger.writing() as connection:
        _still_held(connection, before, held.ledger.now_in(connection))
        connection.execute(
            update(ROTATIONS).where(ROTATIONS.c.id == before.id).values(lease_until=None, worker="", **columns)
        )
        held.record = _one(connection, before.id)


def still_held(held: Held) -> None:
    """See that the rotation is in this worker's hands for as long as a call takes; asked right before each change outside.

    The intent before it said so as well; but a worker may have been stopped between the two for longer than its lease.

    Raises:
        Rejected: it is not, or not for long enough; whoever claims it next looks at what is there.
    """
    with held.ledger.reading() as connection:
        row = connection.execute(select(ROTATIONS).where(ROTATIONS.c.id == held.record.id)).first()
        latest = held.ledger.now_in(connection) + min(CALL_TAKES, held.lease / 2)
    _check_held(record_of(row) if row else None, held.record, latest)


def note(
    ledger: Ledger,
    rotation: str,
    said: Mapping[str, object],
    facts: Mapping[str, object] | None = None,
    *,
    bind: str | None = None,
    columns: Mapping[str, object] | None = None,
) -> RotationRecord:
    """Append an operator's word to an open rotation, whoever works on it, and make it due now.

    Raises:
        BadInput: there is no such rotation, or it is over.
    """
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        before = _locked(connection, rotation)
        if before is None or not before.is_open:
            raise not_open(rotation, before)
        changes: dict[str, object] = {"not_before": now, **(columns or {})}
        if facts is not None:
            changes["facts"] = _json({**before.facts, **facts})
        if bind is not None:
            set_vendor_id(connection, before.credential, bind)
        after = _append(
            connection, rotation, _head(before), {"kind": "word", "state": before.state.value, **said}, now, changes
        )
        _tell(connection, before, after, now)
        return after


def hold_groups(held: Held, groups: tuple[str, ...]) -> str:
    """Take all of the groups for this rotation; return the rotation that has one of them, empty where all were taken.

    Raises:
        Rejected: the lease is lost.
    """
    if not groups:
        return ""
    with held.ledger.writing() as connection:
        _still_held(connection, held.record, held.ledger.now_in(connection))
        # What a rotation holds that is over is nobody's: a worker may have taken it just before the end.
        over = select(ROTATIONS.c.id).where(ROTATIONS.c.closed_at.is_not(None))
        free = (GROUP_HOLDS.c.name.in_(groups), GROUP_HOLDS.c.rotation.in_(over))
        connection.execute(delete(GROUP_HOLDS).where(*free))
        for name in sorted(groups):
            insert_new(connection, GROUP_HOLDS, {"name": name, "rotation": held.record.id})
        others = connection.execute(
            select(GROUP_HOLDS.c.rotation).where(
                GROUP_HOLDS.c.name.in_(groups), GROUP_HOLDS.c.rotation != held.record.id
            )
        ).scalars()
        other = next(iter(others), "")
        if other:
            connection.execute(delete(GROUP_HOLDS).where(GROUP_HOLDS.c.rotation == held.record.id))
    return str(other)


def record_drift(ledger: Ledger, credential: Credential, said: Mapping[str, object]) -> None:
    """Write down, before it is done, that a block or sink is filled again between rotations."""
    with ledger.writing() as connection:
        chain.append(ledger, connection, {"kind": DRIFT, "credential": str(credential), **said})


def record_orphan(ledger: Ledger, record: RotationRecord, said: Mapping[str, object]) -> None:
    """Write down, before it is done, that something an attempt left behind is deleted; the rotation may be over."""
    with ledger.writing() as connection:
        chain.append(ledger, connection, {"kind": ORPHAN, "rotation": record.id, **said})


def _taken(ledger: Ledger, rotation: str, worker: str, lease: timedelta, *, by_force: bool) -> Held | None:
    rows = ROTATIONS.c
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        query = update(ROTATIONS).where(rows.id == rotation, rows.closed_at.is_(None))
        if not by_force:
            query = query.where(or_(rows.lease_until.is_(None), rows.lease_until <= now))
        taken = connection.execute(query.values(fence=rows.fence + 1, worker=worker, lease_until=now + lease))
        return Held(ledger, _one(connection, rotation), lease) if taken.rowcount == 1 else None


def _still_held(connection: Connection, before: RotationRecord, now: datetime) -> RotationRecord:
    """Return the row as it is now, locked: operators' words may stand in it that the worker has not seen yet."""
    return _check_held(_locked(connection, before.id), before, now)


def _check_held(there: RotationRecord | None, before: RotationRecord, now: datetime) -> RotationRecord:
    if (
        there is None
        or there.fence != before.fence
        or there.state is not before.state
        or there.lease_until is None
        or there.lease_until <= now
    ):
        raise Rejected(
            f"Rotation {before.id} is not in the hands of {before.worker} any more.",
            "The lease ran out and someone else may have it; what was to be written now was not written.",
            "Nothing: whoever holds it looks at vendor and store and carries on.",
            "ledger.claim_lost",
        )
    return there


def _check_edge(held: Held, state: State | None) -> None:
    if state is not None and not may_follow(held.record.state, state):
        raise AssertionError(f"there is no edge from {held.record.state} to {state}")


def _changes(
    held: Held, now: datetime, state: State | None, facts: Mapping[str, object] | None, *, release: bool
) -> dict[str, object]:
    """Return the columns that every write changes: lease, state, what is remembered in small."""
    changes: dict[str, object] = {"lease_until": None, "worker": ""} if release else {"lease_until": now + held.lease}
    if state is not None:
        # Whoever moves on stands still no more.
        changes |= {"state": state.value, "wait": Wait.NOTHING.value, "words": "", "next_step": ""}
    if state in _PROGRESS:
        changes["failures"] = 0
    if state in CLOSED:
        changes["closed_at"] = now
    if facts is not None:
        changes["facts"] = _json(facts)
    return changes


def _append(  # noqa: PLR0917 (one commit's parts)
    connection: Connection,
    rotation: str,
    head: Checkpoint,
    said: Mapping[str, object],
    now: datetime,
    changes: Mapping[str, object] | None = None,
) -> RotationRecord:
    """Append to the journal and move the row's head with it, by compare-and-set; operators' words may have moved it."""
    rows = ROTATIONS.c
    link = rotation_journal.append(connection, rotation, head, said, now.isoformat())
    moved = connection.execute(
        update(ROTATIONS)
        .where(rows.id == rotation, rows.head_seq == head.seq)
        .values(head_seq=link.seq, head_hash=link.hash, **(changes or {}))
    )
    if moved.rowcount != 1:
        raise AssertionError("the row is locked, so its head cannot have moved")
    return _one(connection, rotation)


def _head(record: RotationRecord) -> Checkpoint:
    return Checkpoint(record.head_seq, record.head_hash)


def _end_questions(connection: Connection, rotation: str, now: datetime, *, done: bool) -> None:
    """Answer what nobody answered: a rotation that is over waits for nobody, and its deadline must not raise anyone."""
    unanswered = (QUESTIONS.c.run_id == rotation, QUESTIONS.c.answered_at.is_(None))
    ended = {"answered_at": now, "who": "opsflows", "seen": done, "note": "the rotation is over"}
    connection.execute(update(QUESTIONS).where(*unanswered).values(**ended))


def _kept_back(connection: Connection, record: RotationRecord, now: datetime, cap: int | None) -> Kept | None:
    freeze = frozen_in(connection)
    # An emergency waits for no freeze but that of a restore: what it would revoke may be all that works by now.
    if freeze is not None and (not record.emergency or freeze.is_after_restore):
        return Kept(
            Wait.FROZEN, f"Frozen by {freeze.who} since {freeze.frozen_at:%Y-%m-%d %H:%M} UTC: {freeze.reason}", None
        )
    if cap is None or record.emergency:
        return None
    rows = ROTATIONS.c
    since = now - _HOUR
    used = connection.execute(
        select(func.count(), func.min(rows.creating_at)).where(
            rows.integration == record.credential.target.integration, rows.creating_at > since, rows.id != record.id
        )
    ).one()
    if used[0] < cap:
        return None
    words = f"{cap} credentials of {record.credential.target.integration} were begun within the last hour, as many as policy allows."
    return Kept(Wait.CAP, words, (used[1] or now) + _HOUR)


def _tell(connection: Connection, before: RotationRecord, record: RotationRecord, now: datetime) -> None:
    """Let the alert of what it waits for now stand and no other, in the commit that made it wait: a crash loses none."""
    prefix = f"rotation:{record.id}:"
    if not needs_someone(record.wait):
        if needs_someone(before.wait):
            keep_raised(connection, prefix, now)
        return
    text = f"Rotation {record.id} of {record.credential}: {record.wait}. {record.words} {record.next_step}"
    keep_raised(
        connection, prefix, now, f"{prefix}{record.wait}", environment=record.credential.environment,
        target=str(record.credential.target), text=text, runbook=_RUNBOOK,
    )  # fmt: skip


def _locked(connection: Connection, rotation: str) -> RotationRecord | None:
    found = connection.execute(select(ROTATIONS).where(ROTATIONS.c.id == rotation).with_for_update()).first()
    return record_of(found) if found else None


def _one(connection: Connection, rotation: str) -> RotationRecord:
    return record_of(connection.execute(select(ROTATIONS).where(ROTATIONS.c.id == rotation)).one())


def _json(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, sort_keys=True, ensure_ascii=False)


def _another_is_open(connection: Connection, credential: Credential) -> Rejected:
    there = connection.execute(open_of(credential)).first()
    which = f", {there.id}: {there.operator} opened it at {there.opened_at:%Y-%m-%d %H:%M} UTC" if there else ""
    return Rejected(
        f"{credential} has an open rotation{which}.",
        "Two rotations of one credential would fight over it; nothing was opened.",
        "opsflows rotations shows where it stands and what it waits for.",
        "rotation.another_open",
    )
