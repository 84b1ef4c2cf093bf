"""When each deployment last ended well, as it was seen in Prefect's run history, and when that was last looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from ledger.inserting import insert_or_replace
from ledger.opening import Ledger
from ledger.schema import DEPLOYMENT_ENDS


@dataclass(frozen=True, slots=True)
class DeploymentEnd:
    """One deployment, "flow/deployment". `ended_well_at` is None where no good end of it was ever seen."""

    deployment: str
    ended_well_at: datetime | None
    looked_at: datetime


def record_ends(ledger: Ledger, seen: Mapping[str, datetime | None]) -> None:
    """Record what was seen now. A look that sees no good end, or an older one, takes nothing back: Prefect forgets old runs."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        known = {row.deployment: row.ended_well_at for row in connection.execute(select(DEPLOYMENT_ENDS))}
        for deployment, at in seen.items():
            moments = [one for one in (at, known.get(deployment)) if one is not None]
            values = {"deployment": deployment, "ended_well_at": max(moments, default=None), "looked_at": now}
            insert_or_replace(connection, DEPLOYMENT_ENDS, values)


def deployment_ends(ledger: Ledger) -> list[DeploymentEnd]:
    """Return what is known of each deployment, by name."""
    rows = DEPLOYMENT_ENDS.c
    with ledger.reading() as connection:
        query = select(rows.deployment, rows.ended_well_at, rows.looked_at).order_by(rows.deployment)
        return [DeploymentEnd(*row) for row in connection.execute(query)]
