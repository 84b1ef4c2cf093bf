"""What KMS checks saw, and where each part stands by it: kept in one transaction, so that a restart forgets and doubles nothing."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, insert, select, tuple_, update

from domain.kms_checks import Checked, Part, PartOutcome
from domain.kms_history import Change, KeptCheck, Spell
from domain.kms_standing import Answer, PartStanding, Standing, after, beginning
from ledger import chain
from ledger.inserting import insert_new
from ledger.kms_schema import KMS_CHECKS, KMS_FAULT_COUNTS, KMS_SPELLS, KMS_STANDINGS
from ledger.opening import Ledger

# Longer than the four quarters that a review looks back.
KEPT_FOR = timedelta(days=400)


def record_check(ledger: Ledger, run_id: str, checked: Checked) -> list[Change]:
    """Keep the check, take each part's answer into its standing, and return what each came to; NOT RUN is no answer.

    A part that the check does not name is declared no more: where it stood is forgotten, and its spell is over.
    """
    with ledger.writing() as connection:
        # Of two checks at once the second waits here, and sees the standing that the first one left.
        chain.hold(connection)
        at = ledger.now_in(connection)
        connection.execute(insert(KMS_CHECKS).values(run_id=run_id, at=at, **_row(checked)))
        stood = _standings(connection, checked.environment, checked.target)
        counted = [part for part in checked.parts if part.outcome is not PartOutcome.NOT_RUN]
        changes = [_taken_in(part, stood.get(part.name), at) for part in counted]
        named = {part.name for part in checked.parts}
        stands = {part: one for part, one in stood.items() if part in named} | {
            one.part.name: one.now for one in changes
        }
        _keep_standings(connection, checked, stands)
        for change in changes:
            _count(connection, checked, change.part)
            _keep_spell(connection, checked, change, run_id, at)
        _end_spells(connection, and_(_spells_of(checked), KMS_SPELLS.c.part.not_in(named)), at)
        old = KMS_CHECKS.c.at < at - KEPT_FOR
        connection.execute(delete(KMS_CHECKS).where(KMS_CHECKS.c.environment == checked.environment, old))
    return changes


def forget_all_but(ledger: Ledger, declared: Collection[tuple[str, str]]) -> None:
    """End the spells of targets that are not among these (environment and name), and forget where their parts stood.

    What their checks saw is kept as long as any other's.
    """
    with ledger.writing() as connection:
        chain.hold(connection)
        connection.execute(delete(KMS_STANDINGS).where(_of_none(KMS_STANDINGS, declared)))
        _end_spells(connection, _of_none(KMS_SPELLS, declared), ledger.now_in(connection))


def standings(ledger: Ledger, environment: str, target: str) -> dict[str, PartStanding]:
    """Return where each part of a target stands, by its name."""
    with ledger.reading() as connection:
        return _standings(connection, environment, target)


def answers_due(ledger: Ledger, since: datetime, until: datetime) -> dict[tuple[str, str], datetime]:
    """Return the targets that wait for another answer and had the last one within [since, until), each with its moment.

    By environment and name. An answer is one of a part that waits: a check that did not ask it is none.
    """
    kept = KMS_STANDINGS.c
    query = select(kept.environment, kept.target, kept.recent).where(kept.still_due > 0)
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(kept.environment, kept.target)).all()
    last: dict[tuple[str, str], datetime] = {}
    for environment, target, recent in rows:
        at = max(_moments(answer for answer, *_ in json.loads(recent)))
        last[environment, target] = max(at, last.get((environment, target), at))
    return {whose: at for whose, at in last.items() if since <= at < until}


def checks_since(ledger: Ledger, environment: str, target: str, since: datetime) -> Iterator[KeptCheck]:
    """Yield the target's checks from that moment on, oldest first."""
    kept = KMS_CHECKS.c
    query = select(KMS_CHECKS).where(kept.environment == environment, kept.target == target, kept.at >= since)
    with ledger.reading() as connection:
        for row in connection.execute(query.order_by(kept.at, kept.id)):
            yield KeptCheck(row.at, row.run_id, _checked(row))


def last_check(ledger: Ledger, environment: str, target: str) -> KeptCheck | None:
    kept = KMS_CHECKS.c
    query = select(KMS_CHECKS).where(kept.environment == environment, kept.target == target)
    with ledger.reading() as connection:
        row = connection.execute(query.order_by(kept.at.desc(), kept.id.desc()).limit(1)).first()
    return KeptCheck(row.at, row.run_id, _checked(row)) if row else None


def last_checked_at(ledger: Ledger, environment: str, target: str) -> datetime | None:
    """Return the moment of the newest check, whether or not what it saw can be read."""
    kept = KMS_CHECKS.c
    query = select(kept.at).where(kept.environment == environment, kept.target == target)
    with ledger.reading() as connection:
        return connection.execute(query.order_by(kept.at.desc()).limit(1)).scalar()


def fault_counts(ledger: Ledger, environment: str, target: str) -> dict[tuple[str, str], int]:
    """Return how often each part failed with each class, since the ledger began."""
    kept = KMS_FAULT_COUNTS.c
    query = select(kept.part, kept.fault_class, kept["count"]).where(
        kept.environment == environment, kept.target == target
    )
    with ledger.reading() as connection:
        return {(part, fault_class): times for part, fault_class, times in connection.execute(query)}


def spells_since(ledger: Ledger, environment: str, since: datetime) -> list[Spell]:
    """Return the environment's spells that had not ended by then, oldest first."""
    kept = KMS_SPELLS.c
    lasted = (kept.ended_at.is_(None)) | (kept.ended_at >= since)
    query = select(KMS_SPELLS).where(kept.environment == environment, lasted).order_by(kept.began_at, kept.id)
    with ledger.reading() as connection:
        return [_spell(row) for row in connection.execute(query)]


def find_spell(ledger: Ledger, spell: int) -> Spell | None:
    with ledger.reading() as connection:
        row = connection.execute(select(KMS_SPELLS).where(KMS_SPELLS.c.id == spell)).first()
    return _spell(row) if row else None


def first_checked_at(ledger: Ledger, environment: str, target: str) -> datetime | None:
    """Return the moment of the oldest check that is kept."""
    kept = KMS_CHECKS.c
    query = select(kept.at).where(kept.environment == environment, kept.target == target).order_by(kept.at).limit(1)
    with ledger.reading() as connection:
        return connection.execute(query).scalar()


def _standings(connection: Connection, environment: str, target: str) -> dict[str, PartStanding]:
    kept = KMS_STANDINGS.c
    query = select(KMS_STANDINGS).where(kept.environment == environment, kept.target == target).order_by(kept.part)
    return {row.part: _standing(row) for row in connection.execute(query)}


def _taken_in(part: Part, before: PartStanding | None, at: datetime) -> Change:
    passes = part.outcome is not PartOutcome.FAIL
    at_once = part.row is not None and part.row.at_once
    return Change(part, before, after(before or beginning(at), Answer(at, passes, at_once)))


def _keep_standings(connection: Connection, checked: Checked, stands: Mapping[str, PartStanding]) -> None:
    """Let the target's standings be these and no others. All at once: one statement for each part took most of a check's time."""
    kept = KMS_STANDINGS.c
    of_target = and_(kept.environment == checked.environment, kept.target == checked.target)
    connection.execute(delete(KMS_STANDINGS).where(of_target))
    whose = {"environment": checked.environment, "target": checked.target}
    rows = [{**whose, "part": part, **_columns(one)} for part, one in stands.items()]
    if rows:
        connection.execute(insert(KMS_STANDINGS), rows)


def _count(connection: Connection, checked: Checked, part: Part) -> None:
    """Count one more failure of the part with its class; one that passes or only warns counts for nothing."""
    if part.outcome is not PartOutcome.FAIL or part.row is None:
        return
    whose = {
        "environment": checked.environment, "target": checked.target, "part": part.name,
        "fault_class": part.row.fault_class.value,
    }  # fmt: skip
    if not insert_new(connection, KMS_FAULT_COUNTS, {**whose, "count": 1}):
        kept = KMS_FAULT_COUNTS.c
        one_more = update(KMS_FAULT_COUNTS).where(*(kept[name] == value for name, value in whose.items()))
        connection.execute(one_more.values(count=kept["count"] + 1))


def _keep_spell(connection: Connection, checked: Checked, change: Change, run_id: str, at: datetime) -> None:
    if change.went_down:
        whose = {"environment": checked.environment, "target": checked.target, "part": change.part.name}
        insert_new(connection, KMS_SPELLS, {**whose, "fault": change.part.fault, "began_at": at, "run_id": run_id})
    if change.came_up:
        _end_spells(connection, and_(_spells_of(checked), KMS_SPELLS.c.part == change.part.name), at)


def _spells_of(checked: Checked) -> ColumnElement[bool]:
    return and_(KMS_SPELLS.c.environment == checked.environment, KMS_SPELLS.c.target == checked.target)


def _of_none(table: Table, declared: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    return tuple_(table.c.environment, table.c.target).not_in(declared)


def _end_spells(connection: Connection, which: ColumnElement[bool], at: datetime) -> None:
    connection.execute(update(KMS_SPELLS).where(which, KMS_SPELLS.c.ended_at.is_(None)).values(ended_at=at))


def _row(checked: Checked) -> dict[str, object]:
    parts = [
        {
            "name": part.name, "outcome": part.outcome.value, "fault": part.fault, "detail": part.detail,
            "version": part.version, "ms": dict(part.milliseconds), "operations": part.operations,
            "facts": dict(part.facts),
        }
        for part in checked.parts
    ]  # fmt: skip
    return {
        "environment": checked.environment, "target": checked.target, "operations": checked.operations,
        # In ASCII: half a character, as a proxy may send it, is no text to either database.
        "parts": json.dumps(parts, separators=(",", ":")),
    }  # fmt: skip


def _checked(row: Row[Any]) -> Checked:
    return Checked(row.environment, row.target, tuple(_part(one) for one in json.loads(row.parts)))


def _part(told: Mapping[str, Any]) -> Part:
    return Part(
        told["name"], PartOutcome(told["outcome"]), told["fault"], told["detail"], told["version"],
        told["ms"], told["operations"], told["facts"],
    )  # fmt: skip


def _columns(one: PartStanding) -> dict[str, object]:
    recent = [[answer.at.isoformat(), answer.passed, answer.at_once] for answer in one.recent]
    return {
        "standing": one.standing.value, "since": one.since, "recent": json.dumps(recent), "still_due": one.still_due,
        "changes": json.dumps([at.isoformat() for at in one.changes]), "last_passed_at": one.last_passed_at,
    }  # fmt: skip


def _standing(row: Row[Any]) -> PartStanding:
    return PartStanding(
        Standing(row.standing),
        row.since,
        tuple(Answer(datetime.fromisoformat(at), passed, at_once) for at, passed, at_once in json.loads(row.recent)),
        row.still_due,
        tuple(_moments(json.loads(row.changes))),
        row.last_passed_at,
    )


def _moments(texts: Iterable[str]) -> Iterator[datetime]:
    return (datetime.fromisoformat(text) for text in texts)


def _spell(row: Row[Any]) -> Spell:
    return Spell(row.id, row.environment, row.target, row.part, row.fault, row.began_at, row.ended_at)
