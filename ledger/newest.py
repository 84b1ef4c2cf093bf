"""The newest of each, for every environment at once: one statement each, however many integrations there are."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from domain.kms_standing import Standing
from domain.reconciliation import Finding
from domain.verdicts import Verdict
from domain.windows import Month
from ledger.kms_schema import KMS_SPELLS, KMS_STANDINGS
from ledger.opening import Ledger
from ledger.reconciliation_schema import RECONCILIATIONS
from ledger.schema import GO_LIVES, RUNS


@dataclass(frozen=True, slots=True)
class RunSeen:
    """Who made a run, with which flow, and its run in Prefect; that is empty where it was made without."""

    run_id: str
    flow: str
    actor: str
    prefect_run_id: str


@dataclass(frozen=True, slots=True)
class NewestMonth:
    """What the newest revision of an environment's newest month came to, and by target."""

    month: Month
    number: int
    verdict: Verdict
    is_final: bool
    findings: Mapping[str, Finding]
    run_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PartSeen:
    """Where one part of a KMS target stands. `at` is its newest answer's; `fault` and `run_id` are those of the spell that lasts."""

    environment: str
    target: str
    part: str
    standing: Standing
    since: datetime
    at: datetime | None
    passed: bool
    fault: str = ""
    run_id: str = ""


def runs_seen(ledger: Ledger, run_ids: Collection[str]) -> dict[str, RunSeen]:
    """Return the runs of these ids; one that the ledger does not know is left out."""
    kept = RUNS.c
    query = select(kept.run_id, kept.flow, kept.actor, kept.prefect_run_id).where(kept.run_id.in_(sorted(run_ids)))
    with ledger.reading() as connection:
        return {row.run_id: RunSeen(*row) for row in connection.execute(query)}


def go_live_days(ledger: Ledger) -> dict[str, date]:
    """Return the day on which each environment went live or will; the newest word counts."""
    query = select(GO_LIVES.c.environment, GO_LIVES.c.date).order_by(GO_LIVES.c.id)
    with ledger.reading() as connection:
        return {row.environment: row.date for row in connection.execute(query)}


def newest_months(ledger: Ledger) -> dict[str, NewestMonth]:
    """Return the newest month that was reconciled of each environment."""
    kept = RECONCILIATIONS.c
    turn = func.row_number().over(partition_by=kept.environment, order_by=(kept.month.desc(), kept.number.desc()))
    columns = (
        kept.environment,
        kept.month,
        kept.number,
        kept.verdict,
        kept.standing,
        kept.targets,
        kept.run_id,
        kept.at,
    )
    ranked = select(*columns, turn.label("turn")).subquery()
    with ledger.reading() as connection:
        return {
            row.environment: NewestMonth(
                Month.parse(row.month), row.number, Verdict(row.verdict), row.standing == "FINAL",
                _findings(row.targets), row.run_id, row.at,
            )
            for row in connection.execute(select(ranked).where(ranked.c.turn == 1))
        }  # fmt: skip


def parts_seen(ledger: Ledger) -> list[PartSeen]:
    """Return where every part of every KMS target stands, with what put down those that are DOWN."""
    kept, spell = KMS_STANDINGS.c, KMS_SPELLS.c
    lasts = (
        (spell.environment == kept.environment)
        & (spell.target == kept.target)
        & (spell.part == kept.part)
        & spell.ended_at.is_(None)
    )
    query = select(
        kept.environment, kept.target, kept.part, kept.standing, kept.since, kept.recent, spell.fault, spell.run_id
    ).join_from(KMS_STANDINGS, KMS_SPELLS, lasts, isouter=True)
    found = []
    with ledger.reading() as connection:
        for row in connection.execute(query.order_by(kept.environment, kept.target, kept.part)):
            at, passed = _newest_answer(row.recent)
            found.append(
                PartSeen(
                    row.environment, row.target, row.part, Standing(row.standing), row.since, at, passed,
                    row.fault or "", row.run_id or "",
                )
            )  # fmt: skip
    return found


def _findings(told: str) -> dict[str, Finding]:
    """Return the finding of each target, the first of what a revision keeps of it (ledger/reconciliations.py)."""
    return {target: Finding(row[0]) for target, row in json.loads(told).items()}


def _newest_answer(told: str) -> tuple[datetime | None, bool]:
    """Return when a part answered last and whether it passed; answers are kept oldest first (ledger/kms_checks.py)."""
    answers = json.loads(told)
    return (datetime.fromisoformat(answers[-1][0]), bool(answers[-1][1])) if answers else (None, False)
