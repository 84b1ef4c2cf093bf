"""How often an environment is verified after go-live: daily for 14 days, weekly from then on. The ledger's dates decide."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

WATCHED = timedelta(days=14)
# A daily tick finds what is due; a little early is due too, so that jitter of the tick does not skip a day.
TICK_SLACK = timedelta(hours=2)


class Cadence(Enum):
    """How often, and with it what a failure is worth: the first two weeks page, afterwards a ticket is enough."""

    NOT_LIVE = "not live"
    DAILY = "daily"
    WEEKLY = "weekly"


_EVERY = {Cadence.DAILY: timedelta(days=1), Cadence.WEEKLY: timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Due:
    """Whether an environment is due now, and since or from when; `at` is None while it is not live."""

    cadence: Cadence
    is_due: bool
    at: datetime | None


def cadence_at(go_live: date | None, now: datetime) -> Cadence:
    """Return the cadence of an environment that went live at 00:00 UTC of `go_live`."""
    if go_live is None or now < _start(go_live):
        return Cadence.NOT_LIVE
    return Cadence.DAILY if now < _start(go_live) + WATCHED else Cadence.WEEKLY


def verification_due(go_live: date | None, last: datetime | None, now: datetime) -> Due:
    """Return whether a verification is due, `last` being when the environment was last verified whole."""
    cadence = cadence_at(go_live, now)
    if cadence is Cadence.NOT_LIVE or go_live is None:
        return Due(Cadence.NOT_LIVE, is_due=False, at=_start(go_live) if go_live else None)
    at = last + _EVERY[cadence] if last else _start(go_live)
    return Due(cadence, is_due=now >= at - TICK_SLACK, at=at)


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
