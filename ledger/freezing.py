"""A freeze stops every change at a vendor but those of an emergency, until someone lifts it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from domain.errors import BadInput
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.rotation_schema import FREEZES

# Who freezes a ledger that comes from a backup: it may be behind what happened at the vendors since.
RESTORED = "opsflows restore"


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why, by whom and since when nothing may be changed."""

    reason: str
    who: str
    frozen_at: datetime

    @property
    def is_after_restore(self) -> bool:
        """Whether it lasts until blocks, ledger and vendors agree; it holds back emergencies as well."""
        return self.who == RESTORED


def freeze(ledger: Ledger, reason: str, who: str) -> Freeze:
    """Freeze, and return the freeze.

    Raises:
        BadInput: it is frozen already; the first reason stays.
    """
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        if not insert_new(connection, FREEZES, {"reason": reason, "who": who, "frozen_at": now, "only": 1}):
            there = frozen_in(connection)
            raise BadInput(
                f"It is frozen already{f' by {there.who}: {there.reason}' if there else ''}.",
                "Nothing was changed.",
                "Lift it with opsflows freeze --lift when the reason is over.",
            )
    return Freeze(reason, who, now)


def thaw(ledger: Ledger, who: str) -> bool:
    """Lift the freeze; False where there was none."""
    with ledger.writing() as connection:
        lifted = connection.execute(
            update(FREEZES)
            .where(FREEZES.c.thawed_at.is_(None))
            .values(thawed_at=ledger.now_in(connection), thawed_by=who)
        )
        return lifted.rowcount > 0


def frozen(ledger: Ledger) -> Freeze | None:
    """Return the freeze in force, None where there is none."""
    with ledger.reading() as connection:
        return frozen_in(connection)


def frozen_in(connection: Connection) -> Freeze | None:
    """Return the same within a transaction."""
    kept = FREEZES.c
    row = connection.execute(select(kept.reason, kept.who, kept.frozen_at).where(kept.thawed_at.is_(None))).first()
    return Freeze(*row) if row else None
