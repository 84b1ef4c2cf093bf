"""What the comparison of a month came to: revision after revision, the newest counts, and none is ever changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from domain.reconciliation import Finding, PastMonth
from domain.verdicts import Verdict
from domain.windows import Month
from ledger import chain
from ledger.facts import RECONCILED, record_fact
from ledger.opening import Ledger
from ledger.reconciliation_schema import RECONCILIATIONS

_FINAL, _PROVISIONAL = "FINAL", "PROVISIONAL"


@dataclass(frozen=True, slots=True)
class Revision:
    """One result of a month. `number` begins at 1; `document` is what was recorded of it, `targets` what trends need."""

    environment: str
    month: Month
    number: int
    digest: str
    document: str
    targets: Mapping[str, PastMonth]
    verdict: Verdict
    is_final: bool
    run_id: str
    at: datetime


def record_revision(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger,
    run_id: str,
    environment: str,
    month: Month,
    digest: str,
    document: str,
    rows: Mapping[str, PastMonth],
    verdict: Verdict,
    *,
    is_final: bool,
) -> Revision:
    """Return the month's newest revision where it says the same, else the new one with the next number.

    The same is said by the same digest, verdict and standing: numbers that settled since are a revision of their own,
    although they did not move. `rows` has the month of each target. All of it is what the numbers say, whoever accepts it.
    """
    targets = chain.canonical({name: _told(row) for name, row in rows.items()})
    values: dict[str, object] = {
        "environment": environment,
        "month": str(month),
        "digest": digest,
        "document": document,
        "targets": targets,
        "verdict": verdict.value,
        "standing": _FINAL if is_final else _PROVISIONAL,
        "run_id": run_id,
    }
    with ledger.writing() as connection:
        # Two runs at once: the second sees what the first recorded.
        chain.hold(connection)
        there = newest_in(connection, environment, month)
        if there and (there.digest, there.verdict, there.is_final) == (digest, verdict, is_final):
            return there
        number = there.number + 1 if there else 1
        at = record_fact(ledger, connection, RECONCILED, values | {"number": number}).at
    past = _targets(str(month), targets)
    return Revision(environment, month, number, digest, document, past, verdict, is_final, run_id, at)


def newest_revision(ledger: Ledger, environment: str, month: Month) -> Revision | None:
    """Return the month's newest revision, None where it was never reconciled."""
    with ledger.reading() as connection:
        return newest_in(connection, environment, month)


def newest_in(connection: Connection, environment: str, month: Month) -> Revision | None:
    """Return the same within a transaction."""
    row = connection.execute(_of(environment, month).order_by(RECONCILIATIONS.c.number.desc()).limit(1)).first()
    return _revision(row) if row else None


def revision_of(ledger: Ledger, environment: str, month: Month, number: int) -> Revision | None:
    """Return the month's revision of that number, None where there is none."""
    with ledger.reading() as connection:
        row = connection.execute(_of(environment, month).where(RECONCILIATIONS.c.number == number)).first()
    return _revision(row) if row else None


def revisions(ledger: Ledger, environment: str, month: Month) -> tuple[Revision, ...]:
    """Return every revision of the month, the first one first."""
    with ledger.reading() as connection:
        rows = connection.execute(_of(environment, month).order_by(RECONCILIATIONS.c.number))
        return tuple(_revision(row) for row in rows)


def past_months(
    ledger: Ledger, environment: str, before: Month, limit: int = 12
) -> Mapping[str, tuple[PastMonth, ...]]:
    """Return by target what the newest revisions of at most `limit` earlier months say of it, the earliest month first."""
    earlier = [(month, told) for month, told in newest_findings(ledger, environment).items() if month < before]
    found: dict[str, list[PastMonth]] = {}
    for _, told in earlier[-limit:]:
        for target, past in told.items():
            found.setdefault(target, []).append(past)
    return {target: tuple(months) for target, months in sorted(found.items())}


def newest_findings(ledger: Ledger, environment: str) -> Mapping[Month, Mapping[str, PastMonth]]:
    """Return what the newest revision of every month says of each target, the earliest month first."""
    kept = RECONCILIATIONS.c
    newest = (
        select(kept.month, func.max(kept.number).label("number"))
        .where(kept.environment == environment)
        .group_by(kept.month)
        .subquery()
    )
    query = (
        select(kept.month, kept.targets)
        .join(newest, (kept.month == newest.c.month) & (kept.number == newest.c.number))
        .where(kept.environment == environment)
        .order_by(kept.month)
    )
    with ledger.reading() as connection:
        return {Month.parse(month): _targets(month, told) for month, told in connection.execute(query)}


def _of(environment: str, month: Month) -> Select[Any]:
    kept = RECONCILIATIONS.c
    return select(RECONCILIATIONS).where(kept.environment == environment, kept.month == str(month))


def _told(row: PastMonth) -> list[object]:
    return [row.finding.value, row.expected, row.residual]


def _targets(month: str, told: str) -> Mapping[str, PastMonth]:
    return {
        target: PastMonth(month, Finding(finding), expected, residual)
        for target, (finding, expected, residual) in json.loads(told).items()
    }


def _revision(row: Row[Any]) -> Revision:
    return Revision(
        row.environment,
        Month.parse(row.month),
        row.number,
        row.digest,
        row.document,
        _targets(row.month, row.targets),
        Verdict(row.verdict),
        row.standing == _FINAL,
        row.run_id,
        row.at,
    )
