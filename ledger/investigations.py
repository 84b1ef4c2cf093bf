"""Who looks into a month's finding, by when, and what they found; open until someone says the outcome.

Of one month and target one investigation is open at a time. What is open when the next month comes goes with it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.errors import BadInput
from domain.reconciliation import Investigation
from domain.windows import Month
from ledger import chain
from ledger.facts import CLOSED, INVESTIGATED, NOTED, FactKind, record_fact
from ledger.opening import Ledger
from ledger.reconciliation_schema import INVESTIGATION_NOTES, INVESTIGATIONS


@dataclass(frozen=True, slots=True)
class _Open:
    seq: int
    owner: str
    due: date


def open_investigation(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger,
    environment: str,
    month: Month,
    target: str,
    owner: str,
    due: date,
    note: str = "",
    *,
    who: str = "",
    run_id: str = "",
) -> Investigation:
    """Open the investigation and return it. `who` opened it, the owner where nobody else is named.

    Raises:
        BadInput: one is open for that month and target, nobody owns it, or its day has passed.
    """
    values = {"environment": environment, "month": str(month), "target": target, "run_id": run_id}
    with ledger.writing() as connection:
        chain.hold(connection)
        _check(owner, due, ledger.now_in(connection).date())
        there = _find_open(connection, environment, month, target)
        if there:
            raise BadInput(
                f"{there.owner} looks into {target} in {environment}, {month}, already, until {there.due}.",
                "One investigation is open at a time. Nothing was changed.",
                "Add a note to it, or close it with its outcome.",
            )
        seq = record_fact(ledger, connection, INVESTIGATED, values).seq
        _say(ledger, connection, NOTED, _Open(seq, owner, due), note, who or owner, run_id)
        return _one(connection, seq)


def note_investigation(
    ledger: Ledger,
    environment: str,
    month: Month,
    target: str,
    *,
    who: str,
    note: str = "",
    owner: str = "",
    due: date | None = None,
    run_id: str = "",
) -> Investigation:
    """Add what was found, hand it over or move its day, and return how it stands.

    Raises:
        BadInput: none is open, or the day has passed.
    """
    with ledger.writing() as connection:
        chain.hold(connection)
        there = _required(connection, environment, month, target)
        if due:
            _check(owner or there.owner, due, ledger.now_in(connection).date())
        moved = _Open(there.seq, owner or there.owner, due or there.due)
        _say(ledger, connection, NOTED, moved, note, who, run_id)
        return _one(connection, there.seq)


def close_investigation(
    ledger: Ledger, environment: str, month: Month, target: str, *, who: str, outcome: str, run_id: str = ""
) -> Investigation:
    """Close it with what came out of it, and return it.

    Raises:
        BadInput: none is open, or no outcome is given.
    """
    if not outcome.strip():
        raise BadInput(
            "An investigation is closed with its outcome, and none was given.",
            "It stays open.",
            "Say what was found and what was done about it.",
        )
    with ledger.writing() as connection:
        chain.hold(connection)
        there = _required(connection, environment, month, target)
        _say(ledger, connection, CLOSED, there, outcome, who, run_id)
        return _one(connection, there.seq)


def open_investigations(ledger: Ledger, environment: str) -> tuple[Investigation, ...]:
    """Return what is open in the environment, the earliest month first."""
    return _investigations(ledger, INVESTIGATIONS.c.environment == environment, INVESTIGATIONS.c.ended_seq.is_(None))


def investigations_of(ledger: Ledger, environment: str, month: Month) -> Mapping[str, Investigation]:
    """Return by target the month's newest investigation, open or closed."""
    kept = INVESTIGATIONS.c
    found = _investigations(ledger, kept.environment == environment, kept.month == str(month))
    return {one.target: one for one in found}


def _check(owner: str, due: date, today: date) -> None:
    if not owner.strip():
        raise BadInput(
            "An investigation without an owner was asked for.",
            "What belongs to nobody is done by nobody. Nothing was changed.",
            "Name who looks into it.",
        )
    if due < today:
        raise BadInput(
            f"An investigation until {due} would be overdue already: today is {today} (UTC).",
            "Nothing was changed.",
            f"Name a day from {today} on.",
        )


def _find_open(connection: Connection, environment: str, month: Month, target: str) -> _Open | None:
    kept, notes = INVESTIGATIONS.c, INVESTIGATION_NOTES.c
    query = (
        select(kept.seq, notes.owner, notes.due)
        .join(INVESTIGATION_NOTES, notes.investigation == kept.seq)
        .where(
            kept.environment == environment,
            kept.month == str(month),
            kept.target == target,
            kept.ended_seq.is_(None),
        )
        .order_by(notes.seq.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return _Open(row.seq, row.owner, date.fromisoformat(row.due)) if row else None


def _required(connection: Connection, environment: str, month: Month, target: str) -> _Open:
    there = _find_open(connection, environment, month, target)
    if there is None:
        raise BadInput(
            f"No investigation of {target} in {environment}, {month}, is open.",
            "Nothing was changed.",
            "Open one with opsflows investigate, an owner and a due day.",
        )
    return there


def _say(  # noqa: PLR0917 (the parts of one row)
    ledger: Ledger, connection: Connection, kind: FactKind, there: _Open, note: str, who: str, run_id: str
) -> None:
    values = {
        "investigation": there.seq,
        "owner": there.owner,
        "due": there.due.isoformat(),
        "note": note.strip(),
        "who": who,
        "run_id": run_id,
    }
    record_fact(ledger, connection, kind, values, ends=[there.seq] if kind is CLOSED else [])


def _one(connection: Connection, seq: int) -> Investigation:
    [found] = _read(connection, [INVESTIGATIONS.c.seq == seq])
    return found


def _investigations(ledger: Ledger, *conditions: Any) -> tuple[Investigation, ...]:
    with ledger.reading() as connection:
        return tuple(_read(connection, conditions))


def _read(connection: Connection, conditions: Collection[Any]) -> list[Investigation]:
    """Return the investigations with what was said in each, in order of month and opening."""
    kept, notes = INVESTIGATIONS.c, INVESTIGATION_NOTES.c
    query = (
        select(kept.seq, kept.month, kept.target, kept.ended_seq, notes.owner, notes.due, notes.note)
        .join(INVESTIGATION_NOTES, notes.investigation == kept.seq)
        .where(*conditions)
        .order_by(kept.month, kept.seq, notes.seq)
    )
    said: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query):
        said.setdefault(row.seq, []).append(row)
    return [_investigation(rows) for rows in said.values()]


def _investigation(rows: list[Row[Any]]) -> Investigation:
    last = rows[-1]
    return Investigation(
        last.month,
        last.target,
        last.owner,
        date.fromisoformat(last.due),
        "\n".join(row.note for row in rows if row.note),
        last.ended_seq is not None,
    )
