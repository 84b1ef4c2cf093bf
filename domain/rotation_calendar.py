"""Which credential is due when: what comes next for each, what falls due later on, and that it is spread over the weeks."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from domain.manifests import Manifest
from domain.names import Credential
from domain.policies import Policy, due_at

# What a schedule leaves lying for longer than from one of its daily ticks to the next is late.
TICK = timedelta(days=1)
LOOKS_AHEAD = timedelta(days=365)


class Next(StrEnum):
    """What comes next for a credential; a moment is known for the first four alone."""

    ROTATING = "rotating now"
    OVERDUE = "overdue"
    DUE = "due"
    SCHEDULED = "scheduled"
    NOT_SEEN = "not seen yet"
    LEFT_OUT = "left out"
    BY_DRILL = "by drill"


class SinkVersion(StrEnum):
    """Which version of a credential a sink has, as far as the ledger knows."""

    CURRENT = "current"
    COMING = "coming"
    PREVIOUS = "previous"
    UNCONFIRMED = "sent, not confirmed"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Life:
    """One credential's value with what decides how long it lives: since when it is in use, its policy, its kind.

    `due` follows from them; lists and pages ask for it several times, so it is worked out once.
    """

    credential: Credential
    since: datetime
    policy: Policy
    manifest: Manifest
    due: datetime = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "due", due_at(self.credential, self.since, self.policy, self.manifest))


@dataclass(frozen=True, slots=True, order=True)
class DueMoment:
    """A moment at which a credential falls due."""

    at: datetime
    credential: Credential


@dataclass(frozen=True, slots=True)
class Week:
    """A week in which something falls due, by its Monday in UTC; its moments in their order."""

    monday: date
    moments: tuple[DueMoment, ...]


def next_of(life: Life, now: datetime) -> Next:
    """Return what comes next for a credential that schedules rotate."""
    if life.due > now:
        return Next.SCHEDULED
    return Next.DUE if now - life.due <= TICK else Next.OVERDUE


def due_moments(life: Life, now: datetime, until: datetime) -> Iterator[DueMoment]:
    """Yield when the credential falls due in `[now, until)`, each rotation being begun when it is due; what is late counts as now."""
    # Times that leave no room come at each tick and no oftener.
    period = max(life.due - life.since, TICK)
    at = max(life.due, now)
    while at < until:
        yield DueMoment(at, life.credential)
        at += period


def by_week(moments: Iterable[DueMoment]) -> list[Week]:
    """Return the weeks in which something falls due, in their order."""
    weeks: dict[date, list[DueMoment]] = {}
    for moment in sorted(moments):
        day = moment.at.date()
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(moment)
    return [Week(monday, tuple(found)) for monday, found in weeks.items()]


def fullest_day(moments: Iterable[DueMoment]) -> tuple[date, int] | None:
    """Return the first of the days on which most fall due and how many do, None where nothing does."""
    by_day = Counter(moment.at.date() for moment in moments)
    return min(by_day.items(), key=lambda row: (-row[1], row[0]), default=None)


def sink_version(told: str, current: str, coming: str) -> SinkVersion:
    """Return which version a sink has of which was recorded: its name, and in words where nobody could read it back.

    `coming` is the version that an open rotation has made and not flipped to yet, empty where there is none.
    """
    version, _, words = told.partition(" ")
    if not version:
        return SinkVersion.NOT_SEEN
    if version not in {current, coming}:
        return SinkVersion.PREVIOUS
    if words:
        return SinkVersion.UNCONFIRMED
    return SinkVersion.CURRENT if version == current else SinkVersion.COMING
