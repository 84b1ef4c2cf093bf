"""What stands open in every environment at once, for whoever lists what needs someone: one statement each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, select

from domain.checklist import StepState
from domain.names import Target
from domain.reconciliation import Finding
from ledger.credentials import Blocker
from ledger.opening import Ledger
from ledger.reconciliation_schema import INVESTIGATION_NOTES, INVESTIGATIONS, RECONCILIATIONS, SIGN_OFFS
from ledger.schema import BLOCKERS, RUNS, STEP_STATES


@dataclass(frozen=True, slots=True)
class SilentRun:
    """A run that was opened, not sealed, and gives no sign of life since `lease_until`."""

    run_id: str
    flow: str
    environment: str
    opened_at: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class DayOneStep:
    """Where one step of day 1 stands."""

    number: int
    state: StepState
    detail: str
    next_step: str


@dataclass(frozen=True, slots=True)
class JudgedMonth:
    """What the newest revision of a month came to by target; `signed_by` is empty where nobody signed that revision."""

    environment: str
    month: str
    number: int
    is_final: bool
    findings: Mapping[str, Finding]
    at: datetime
    signed_by: str


@dataclass(frozen=True, slots=True)
class Looking:
    """The newest investigation of one month and target: who looks into it, and by which UTC day."""

    environment: str
    month: str
    target: str
    owner: str
    due: date
    is_closed: bool


def silent_runs(ledger: Ledger, now: datetime) -> list[SilentRun]:
    """Return the runs whose lease has run out and that nobody has sealed yet, oldest first."""
    kept = RUNS.c
    query = select(kept.run_id, kept.flow, kept.environment, kept.opened_at, kept.lease_until)
    with ledger.reading() as connection:
        rows = connection.execute(
            query.where(kept.sealed_seq.is_(None), kept.lease_until <= now).order_by(kept.opened_seq)
        )
        return [SilentRun(*row) for row in rows]


def day_one_steps(ledger: Ledger) -> dict[str, list[DayOneStep]]:
    """Return the recorded steps of each environment in their order; an environment without any is not among them."""
    steps = STEP_STATES.c
    query = select(steps.environment, steps.number, steps.state, steps.detail, steps.next_step)
    found: dict[str, list[DayOneStep]] = {}
    with ledger.reading() as connection:
        for row in connection.execute(query.order_by(steps.environment, steps.number)):
            found.setdefault(row.environment, []).append(
                DayOneStep(row.number, StepState(row.state), row.detail, row.next_step)
            )
    return found


def open_blockers(ledger: Ledger) -> list[tuple[str, Blocker]]:
    """Return what each environment waits for, with the environment, the longest first."""
    kept = BLOCKERS.c
    query = select(kept.environment, kept.target, kept.ticket, kept.who, kept.note, kept.blocked_at, kept.unblocked_at)
    with ledger.reading() as connection:
        rows = connection.execute(query.where(kept.unblocked_at.is_(None)).order_by(kept.id))
        return [(row[0], Blocker(Target.parse(row[1]), *row[2:])) for row in rows]


def judged_months(ledger: Ledger) -> list[JudgedMonth]:
    """Return the newest revision of every month of every environment, the earliest month first."""
    kept, signed = RECONCILIATIONS.c, SIGN_OFFS.c
    turn = func.row_number().over(partition_by=(kept.environment, kept.month), order_by=kept.number.desc())
    ranked = select(
        kept.environment, kept.month, kept.number, kept.standing, kept.targets, kept.at, turn.label("turn")
    ).subquery()
    of_it = and_(
        signed.environment == ranked.c.environment, signed.month == ranked.c.month, signed.number == ranked.c.number
    )
    query = (
        select(ranked, signed.who)
        .join_from(ranked, SIGN_OFFS, of_it, isouter=True)
        .where(ranked.c.turn == 1)
        .order_by(ranked.c.month, ranked.c.environment)
    )
    with ledger.reading() as connection:
        return [
            JudgedMonth(
                row.environment, row.month, row.number, row.standing == "FINAL", _findings(row.targets), row.at,
                row.who or "",
            )
            for row in connection.execute(query)
        ]  # fmt: skip


def looked_into(ledger: Ledger) -> dict[tuple[str, str, str], Looking]:
    """Return by environment, month and target the newest investigation, open or closed, as its last note left it."""
    kept, notes = INVESTIGATIONS.c, INVESTIGATION_NOTES.c
    query = (
        select(kept.environment, kept.month, kept.target, kept.ended_seq, notes.owner, notes.due)
        .join_from(INVESTIGATIONS, INVESTIGATION_NOTES, notes.investigation == kept.seq)
        .order_by(kept.seq, notes.seq)
    )
    with ledger.reading() as connection:
        return {
            (row.environment, row.month, row.target): Looking(
                row.environment, row.month, row.target, row.owner, date.fromisoformat(row.due), row.ended_seq is not None
            )
            for row in connection.execute(query)
        }  # fmt: skip


def _findings(told: str) -> dict[str, Finding]:
    """Return the finding of each target, the first of what a revision keeps of it (ledger/reconciliations.py)."""
    return {target: Finding(row[0]) for target, row in json.loads(told).items()}
