"""What a file of recorded events was found to hold: each of its rows is in a cell, or in a count that says why it is not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True, order=True)
class EventKind:
    """What an event was, apart from when. `outcome` is empty where it was sent, else the client's reason to drop it.

    `target` is an integration's name as `str(Target)` writes it. `sampled_out`: left out on purpose, by sampling.
    """

    target: str
    type: str
    outcome: str = ""
    sampled_out: bool = False
    is_probe: bool = False

    @property
    def is_sent(self) -> bool:
        """Whether the event was handed over, so that the vendor should have it."""
        return not self.outcome and not self.sampled_out


@dataclass(frozen=True, slots=True)
class KindHours:
    """How many rows of one kind there are, hour by hour: `rows[n]` in the hour that begins `hours[n]` hours after 1970."""

    kind: EventKind
    hours: tuple[int, ...]
    rows: tuple[int, ...]


class FileState(Enum):
    """How far a file could be read. Of what is not READ nothing is counted: its days have no data."""

    READ = "read"
    PARTIAL = "breaks off"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class FileCount:
    """What one file holds: `rows` = `bad` + other environments + unknown integrations + `outside` + the cells.

    `bad`: not an event (malformed, or without id, time, type or integration). `outside`: not in the days asked for.
    The rest says more of rows of ours, in cells or outside: `late` ones are of another day than `day`, the file's own, where its
    name has one. `without_offset` ones name no time zone, so that the configured one was taken; of these `ambiguous` ones
    are in an hour that the clock went through twice (the second is taken), `absent` ones in an hour that it left out
    (they are taken an hour later). `first` and `last` are the earliest and latest readable time of any row.
    """

    name: str
    day: date | None = None
    state: FileState = FileState.READ
    reason: str = ""
    rows: int = 0
    bad: int = 0
    other_environments: Mapping[str, int] = field(default_factory=dict)
    unknown_integrations: Mapping[str, int] = field(default_factory=dict)
    outside: int = 0
    late: int = 0
    without_offset: int = 0
    ambiguous: int = 0
    absent: int = 0
    first: datetime | None = None
    last: datetime | None = None
    cells: tuple[KindHours, ...] = ()

    @property
    def counted(self) -> int:
        return sum(sum(cell.rows) for cell in self.cells)

    def hourly(self) -> Iterator[tuple[datetime, EventKind, int]]:
        """Yield every hour's rows by kind."""
        for cell in self.cells:
            for hour, rows in zip(cell.hours, cell.rows, strict=True):
                yield _EPOCH + timedelta(hours=hour), cell.kind, rows

    def daily(self) -> Counter["DayCell"]:
        """Return the rows of every UTC day by kind."""
        found: Counter[DayCell] = Counter()
        for cell in self.cells:
            days: Counter[int] = Counter()
            for hour, rows in zip(cell.hours, cell.rows, strict=True):
                days[hour // _HOURS_A_DAY] += rows
            for day, rows in days.items():
                found[DayCell((_EPOCH + timedelta(days=day)).date(), cell.kind)] = rows
        return found


@dataclass(frozen=True, slots=True, order=True)
class DayCell:
    """The events of one kind on one UTC day."""

    day: date
    kind: EventKind


@dataclass(frozen=True, slots=True)
class EmittedIds:
    """The ids that were emitted in one cell: `rows` = `unique` + `duplicates` + `retried`.

    An id is counted once, in the first cell where it was sent, else in the first where it was dropped. `retried` rows are
    dropped ones whose event was sent at another time. `received` counts the unique ids that the other side has.
    """

    rows: int
    unique: int
    duplicates: int
    retried: int
    received: int

    def lost(self, kind: EventKind) -> int:
        """Return how many ids were sent and are not there; what was not sent cannot be lost."""
        return self.unique - self.received if kind.is_sent else 0


@dataclass(frozen=True, slots=True)
class ReceivedIds:
    """The ids that arrived in one cell: `rows` = `unique` + `duplicates`; of the unique ones nobody emitted `extra`."""

    rows: int
    unique: int
    duplicates: int
    extra: int


@dataclass(frozen=True, slots=True)
class LostId:
    """An id that was sent and did not arrive, by the first bits of its hash: a second look at the files finds the id."""

    cell: DayCell
    prefix: int


@dataclass(frozen=True, slots=True)
class ComparedIds:
    """What ids say, cell by cell of the days asked for; loss and duplication are never netted.

    `lost` is a sample, up to a limit for each target and type. A prefix has `prefix_bits` bits of the hash: two ids could
    share them by chance, in `expected_collisions` pairs of all (0.01: one comparison in a hundred has a pair).
    """

    emitted: Mapping[DayCell, EmittedIds]
    received: Mapping[DayCell, ReceivedIds]
    lost: tuple[LostId, ...]
    prefix_bits: int
    expected_collisions: float


@dataclass(frozen=True, slots=True, order=True)
class MissingEvent:
    """A sent event that did not arrive, as an investigator looks for it."""

    at: datetime
    target: str
    type: str
    event_id: str
    file: str


def expected_collisions(ids: int, bits: int) -> float:
    """Return how many pairs of `ids` different ids are expected to share `bits` bits of hash.

    Each pair does so with probability 2^-bits.
    """
    return ids * (ids - 1) / 2 / float(1 << bits)
