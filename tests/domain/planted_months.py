"""Small months in which it is known what became of every event, and what applications and vendors would say of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

from hypothesis import strategies as st

from domain.comparing import Manner
from domain.event_counts import Clock, Fate, Trust, Unit
from domain.month_results import Sides
from domain.reconciliation import Emitted, Overlay, Received
from domain.windows import DAY, HOUR, Window

START = datetime(2026, 10, 1, tzinfo=UTC)
SETTLED = datetime(2026, 12, 1, tzinfo=UTC)
_HOURS = 24

Key = tuple[date, str]


class Outcome(Enum):
    """What the application recorded of an event."""

    SENT = "sent"
    DROPPED = "queue full"
    SAMPLED = "sampled out"


class Copy(Enum):
    """What became of one sending."""

    ACCEPTED = "accepted"
    SILENT = "lost without a word"
    DEDUPLICATED = "known already"
    REFUSED = "refused"
    LIMITED = "over the limit"
    DISCARDED = "discarded by the client after it was handed over"


_SAID = {
    Copy.DEDUPLICATED: (Fate.DEDUPLICATED, "duplicate"),
    Copy.REFUSED: (Fate.REFUSED, "too large"),
    Copy.LIMITED: (Fate.RATE_LIMITED, "quota"),
    Copy.DISCARDED: (Fate.CLIENT_DROPPED, "queue_overflow"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """So many events alike: the application recorded each once per copy, and the vendor made `twins` more of it.

    `late` ones of the last hour come after midnight. Those that nobody recorded are foreign.
    """

    day: int
    hour: int
    type: str
    events: int
    outcome: Outcome = Outcome.SENT
    copies: tuple[Copy, ...] = (Copy.ACCEPTED,)
    twins: int = 0
    late: bool = False
    recorded: bool = True

    @property
    def is_sent(self) -> bool:
        return self.recorded and self.outcome is Outcome.SENT

    @property
    def fates(self) -> tuple[Copy, ...]:
        """What became of the copies; the first of what a vendor would drop as known is accepted."""
        if self.outcome is not Outcome.SENT:
            return ()
        known = Copy.ACCEPTED in self.copies
        first = self.copies.index(Copy.DEDUPLICATED) if Copy.DEDUPLICATED in self.copies and not known else None
        return tuple(Copy.ACCEPTED if at == first else copy for at, copy in enumerate(self.copies))

    @property
    def accepted(self) -> int:
        """How many copies of each event the vendor has."""
        arrived = self.fates.count(Copy.ACCEPTED)
        return arrived + self.twins if arrived else 0

    @property
    def is_late(self) -> bool:
        return self.late and self.hour == _HOURS - 1 and bool(self.accepted)


@dataclass(frozen=True, slots=True)
class Planted:
    """A month of some days. `incident` are the hours of each day that are known to be bad, noted twice over."""

    days: int
    groups: tuple[Group, ...]
    by_ids: bool = False
    tells_drops: bool = False
    incident: tuple[int, int] | None = None
    shift: timedelta = timedelta(0)

    @property
    def window(self) -> Window:
        return Window(START, START + self.days * DAY)

    def day(self, number: int) -> date:
        return START.date() + timedelta(days=number)

    @property
    def untold(self) -> set[Copy]:
        """What the vendor says nothing of. One that tells what clients dropped tells all of it."""
        return {Copy.SILENT} if self.tells_drops else {Copy.SILENT, Copy.DISCARDED}

    def silent(self, key: Key | None = None, *, outside_incident: bool = False) -> int:
        """Return how many events were lost without any word, of a cell or of all."""
        return sum(
            group.events
            for group in self.groups
            if group.is_sent
            and not set(group.fates) - self.untold
            and key in {None, (self.day(group.day), group.type)}
            and not (outside_incident and self._is_bad(group.hour))
        )

    def beyond(self, key: Key | None = None) -> int:
        """Return how many copies beyond one of each event arrived, of a cell or of all; without lateness."""
        return sum(
            group.events * (group.accepted - group.recorded)
            for group in self.groups
            if group.accepted and key in {None, (self.day(group.day), group.type)}
        )

    @property
    def unrecorded(self) -> int:
        """How many copies arrived that no record of the application stands for."""
        return sum(group.events * (group.twins if group.recorded else group.accepted) for group in self.groups)

    @property
    def moved(self) -> int:
        """How many copies were counted a day late."""
        return sum(group.events * group.accepted for group in self.groups if group.is_late)

    def emitted(self) -> dict[Key, Emitted]:
        cells: dict[Key, list[Group]] = {}
        for group in self.groups:
            if group.recorded:
                cells.setdefault((self.day(group.day), group.type), []).append(group)
        return {key: _emitted(rows) for key, rows in cells.items()}

    def received(self) -> dict[Key, Received]:
        told = [*self._told()]
        return {key: self._received(key, told) for key in {(day, kind) for day, kind, *_ in told}}

    def sides(self, *, received_missing: Mapping[date, str] | None = None) -> Sides:
        return Sides(
            target="slack",
            manner=Manner(Unit.EVENTS, self.shift, {}, 1.0, tuple(self._overlays())),
            trust=(Trust.EXACT,),
            clock=Clock.EVENT,
            splits_types=True,
            by_ids=self.by_ids,
            settles_at=SETTLED,
            emitted=self.emitted(),
            received=self.received(),
            emitted_missing={},
            received_missing=received_missing or {},
        )

    def _is_bad(self, hour: int) -> bool:
        return self.incident is not None and self.incident[0] <= hour < self.incident[1]

    def _overlays(self) -> Iterator[Overlay]:
        if self.incident is None:
            return
        for number in range(self.days):
            begin, end = (START + number * DAY + hour * HOUR for hour in self.incident)
            yield Overlay(Window(begin, end), "slack", "the vendor was down")
            yield Overlay(Window(begin, end), "", "verifications failed")

    def _told(self) -> Iterator[tuple[date, str, Group, Fate | None, str, int]]:
        """Yield day, type, group, fate, reason and number; a loss by id, of which no vendor tells, has no fate."""
        for group in self.groups:
            day = self.day(group.day)
            arrival = day + DAY if group.is_late else day
            if group.accepted and arrival < self.window.end.date():
                yield arrival, group.type, group, Fate.ACCEPTED, "", group.events * group.accepted
            # Refusals are taken to be of what was recorded: a number of them does not say of what else.
            for copy in group.fates if group.recorded else ():
                if copy in _SAID.keys() - self.untold:
                    yield day, group.type, group, *_SAID[copy], group.events
            if self.tells_drops and group.outcome is not Outcome.SENT and group.recorded:
                yield day, group.type, group, Fate.CLIENT_DROPPED, group.outcome.value, group.events
            if self.by_ids and group.is_sent and not group.accepted:
                yield day, group.type, group, None, "", group.events

    def _received(self, key: Key, told: list[tuple[date, str, Group, Fate | None, str, int]]) -> Received:
        mine = [row for row in told if row[:2] == key]
        accepted = [row for row in mine if row[3] is Fate.ACCEPTED]
        hours = [0] * _HOURS
        losses: Counter[tuple[Fate, str]] = Counter()
        for _, _, group, fate, reason, events in mine:
            if fate is Fate.ACCEPTED:
                hours[0 if group.is_late else group.hour] += events
            elif fate is not None:
                losses[fate, reason] += events
        events = sum(hours)
        if not self.by_ids:
            return Received(events, losses=_rows(losses), by_hour=tuple(hours) if events else ())
        return Received(
            events,
            unique=sum(group.events for _, _, group, *_ in accepted),
            lost=sum(row[5] for row in mine if row[3] is None),
            extra=sum(group.events for _, _, group, *_ in accepted if not group.recorded),
            losses=_rows(losses),
            by_hour=tuple(hours) if events else (),
        )


def _rows(losses: Mapping[tuple[Fate, str], int]) -> tuple[tuple[Fate, str, int], ...]:
    return tuple((fate, reason, events) for (fate, reason), events in losses.items())


def _emitted(groups: list[Group]) -> Emitted:
    hours = [0] * _HOURS
    drops = 0
    for group in groups:
        hours[group.hour] += group.events if group.is_sent else 0
        drops += group.events if group.outcome is Outcome.DROPPED else 0
    return Emitted(
        records=sum(group.events * len(group.copies) for group in groups),
        unique=sum(group.events for group in groups),
        sent=sum(hours),
        drops=((Outcome.DROPPED.value, drops),) if drops else (),
        sampled_out=sum(group.events for group in groups if group.outcome is Outcome.SAMPLED),
        by_hour=tuple(hours),
    )


def months(
    *, late: bool = False, unrecorded: bool = False, by_ids: bool | None = None, incidents: bool = True
) -> st.SearchStrategy[Planted]:
    """Return months in which events may come `late`, and the vendor may have some that are `unrecorded`."""
    return st.integers(1, 6).flatmap(
        lambda days: st.builds(
            Planted,
            days=st.just(days),
            groups=st.lists(_groups(days, late=late, unrecorded=unrecorded), max_size=6).map(tuple),
            by_ids=st.booleans() if by_ids is None else st.just(by_ids),
            tells_drops=st.booleans(),
            incident=st.sampled_from((None, (9, 11), (22, 24))) if incidents else st.none(),
            shift=st.just(HOUR if late else timedelta(0)),
        )
    )


def _groups(days: int, *, late: bool, unrecorded: bool) -> st.SearchStrategy[Group]:
    return st.builds(
        Group,
        day=st.integers(0, days - 1),
        hour=st.sampled_from((0, 9, 10, 15, 23)),
        type=st.sampled_from("abc"),
        events=st.integers(1, 30),
        outcome=st.sampled_from((Outcome.SENT, Outcome.SENT, Outcome.SENT, Outcome.DROPPED, Outcome.SAMPLED)),
        copies=st.lists(st.sampled_from(Copy), min_size=1, max_size=3).map(tuple),
        twins=st.integers(0, 2) if unrecorded else st.just(0),
        late=st.booleans() if late else st.just(False),  # noqa: FBT003 (a value, not a switch)
        recorded=st.booleans() if unrecorded else st.just(True),  # noqa: FBT003 (a value, not a switch)
    )
