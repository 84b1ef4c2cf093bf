"""A revision of a month is posted once: one run at a time tries, and a run that ended without it leaves it to the next."""

from sqlalchemy import ColumnElement, and_, or_, select, update

from domain.windows import Month
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.reconciliation_schema import MONTH_POSTS
from ledger.schema import RUNS


def may_post(ledger: Ledger, run_id: str, environment: str, month: Month, number: int) -> bool:
    """Say whether the run has to post the revision; then no other one is told so until this one has ended.

    A run that was killed while it posted leaves open whether the post arrived: it is posted again, since none is worse.
    """
    values = {"environment": environment, "month": str(month), "number": number}
    with ledger.writing() as connection:
        if insert_new(connection, MONTH_POSTS, {**values, "run_id": run_id}):
            return True
        posts = MONTH_POSTS.c
        ended = select(RUNS.c.run_id).where(RUNS.c.verdict.is_not(None))
        free = or_(posts.run_id == run_id, posts.run_id.in_(ended))
        taken = update(MONTH_POSTS).where(_of(environment, month, number), posts.posted_at.is_(None), free)
        return connection.execute(taken.values(run_id=run_id)).rowcount > 0


def mark_posted(ledger: Ledger, environment: str, month: Month, number: int) -> None:
    """Record that the revision was posted; nobody posts it any more."""
    with ledger.writing() as connection:
        posted = {"posted_at": ledger.now_in(connection)}
        connection.execute(update(MONTH_POSTS).where(_of(environment, month, number)).values(**posted))


def _of(environment: str, month: Month, number: int) -> ColumnElement[bool]:
    posts = MONTH_POSTS.c
    return and_(posts.environment == environment, posts.month == str(month), posts.number == number)
