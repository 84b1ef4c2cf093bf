"""What a month's comparison says: per day, integration and type what was sent, what arrived, and why they differ.

Loss and excess are two numbers and never one: what is missing and what is there twice do not make up for each other.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

from domain.event_counts import Clock, Fate, Trust, Unit
from domain.windows import Month, Window


class Finding(Enum):
    """How a cell or a month of one integration came out; the value is what people read."""

    OK = "OK"
    EXPLAINED = "EXPLAINED"
    WAIVED = "WAIVED"
    PROVISIONAL = "PROVISIONAL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NO_DATA = "NO DATA"
    BREACH = "BREACH"


class Why(Enum):
    """What explains a difference, in the order in which explanations are tried; each takes of what is left only."""

    VENDOR = "the vendor says so"
    RATE_LIMIT = "rate limit"
    REPEATS = "sent more than once"
    BOUNDARY = "counted on the next or last day"
    INCIDENT = "known incident"


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number of events: exact where both are the same, else it lies between them."""

    low: int
    high: int

    @property
    def is_exact(self) -> bool:
        return self.low == self.high

    def __add__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.low + other.low, self.high + other.high)

    def less(self, events: int) -> "Bounds":
        """Return what is left when so many of them are explained."""
        return Bounds(max(0, self.low - events), max(0, self.high - events))

    def __str__(self) -> str:
        return f"{self.low:,}" if self.is_exact else f"{self.low:,} to {self.high:,}"


NONE_AT_ALL = Bounds(0, 0)


@dataclass(frozen=True, slots=True)
class Emitted:
    """What applications recorded for one cell. `records` are lines, `unique` are ids, `sent` are ids that were handed over.

    records = unique + repeats, and unique = sent + sampled_out + the client's own drops. Counters know no ids: there
    every record is its own. Of the repeats, `repeats_kept_back` are lines of a drop or of sampling, of an event that has
    another line too: no vendor can have a copy from these. `by_hour` holds sent events per UTC hour of the day, empty where hours are not known.
    `may_be_earlier` of them may have happened on an earlier day, and `may_be_later` events of the day may be counted on the
    next one: a counter is looked at from time to time.
    """

    records: int
    unique: int
    sent: int
    drops: tuple[tuple[str, int], ...] = ()
    sampled_out: int = 0
    by_hour: tuple[int, ...] = ()
    may_be_earlier: int = 0
    may_be_later: int = 0
    repeats_kept_back: int = 0

    @property
    def repeats(self) -> int:
        return self.records - self.unique

    @property
    def resent(self) -> int:
        """Return how many times more than once events were handed over: so many copies may have arrived."""
        return self.repeats - self.repeats_kept_back

    @property
    def dropped(self) -> int:
        return sum(events for _, events in self.drops)

    @property
    def kept_back(self) -> int:
        """Return how many lines say that an event was not handed over, a drop that was sent later among them."""
        return self.dropped + self.sampled_out + self.repeats_kept_back


@dataclass(frozen=True, slots=True)
class Received:
    """What the vendor says of one cell. `events` are those it accepted, repeats among them.

    `unique`, `lost` and `extra` are counted id by id, and None where the vendor only counts: `lost` are ids that were sent
    and are not there, `extra` are ids that are there and nobody recorded. `losses` are events that reached the vendor and
    were not accepted, by its own words.
    """

    events: int
    unique: int | None = None
    lost: int | None = None
    extra: int | None = None
    losses: tuple[tuple[Fate, str, int], ...] = ()
    by_hour: tuple[int, ...] = ()

    @property
    def duplicates(self) -> int | None:
        return None if self.unique is None else self.events - self.unique


@dataclass(frozen=True, slots=True)
class Explained:
    """So many events of a loss or an excess have this reason; `words` say it for people."""

    why: Why
    words: str
    events: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides held against each other, for a cell or summed for a month.

    `expected` is what should have been accepted: sent, times the configured sample rate. `loss` and `excess` are the raw
    differences; `loss_residual` and `excess_residual` what no explanation covers. Shares are of `expected`. An excess is all
    that arrived beyond one of each event that was sent: `duplicates` are among it, None where ids are not known.

    `loss_left` and `excess_left` are the residuals where they are not simply the differences less what is explained: an
    explanation may be certain to a part only, and in a sum one day's reasons explain nothing of another's.
    """

    expected: int
    received: int
    loss: Bounds
    excess: Bounds
    duplicates: int | None
    loss_explained: tuple[Explained, ...] = ()
    excess_explained: tuple[Explained, ...] = ()
    loss_left: Bounds | None = None
    excess_left: Bounds | None = None

    @property
    def loss_residual(self) -> Bounds:
        if self.loss_left is not None:
            return self.loss_left
        return self.loss.less(sum(one.events for one in self.loss_explained))

    @property
    def excess_residual(self) -> Bounds:
        if self.excess_left is not None:
            return self.excess_left
        return self.excess.less(sum(one.events for one in self.excess_explained))

    @property
    def difference_share(self) -> float | None:
        """Return the greater of loss and excess as a share of what was expected; None where nothing was expected."""
        return max(self.loss.high, self.excess.high) / self.expected if self.expected else None

    @property
    def residual_share(self) -> float | None:
        """Return the greater of both residuals as a share of what was expected; None where nothing was expected."""
        return max(self.loss_residual.high, self.excess_residual.high) / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One UTC day of one integration and type. A side that could not be counted is None, and `missing` says why."""

    day: date
    target: str
    type: str
    emitted: Emitted | None
    received: Received | None
    compared: Compared | None
    finding: Finding
    missing: str = ""


@dataclass(frozen=True, slots=True)
class ShiftFound:
    """The vendor's hours look like ours moved by `hours`: it counts by another clock."""

    hours: int
    words: str


@dataclass(frozen=True, slots=True)
class LikelyCause:
    """What is probably behind a difference, and what to do next."""

    cause: str
    next_step: str


@dataclass(frozen=True, slots=True)
class ProbeRatio:
    """Verification probes of the month, which are in neither side's counts: how many were sent, and how many were seen."""

    sent: int
    seen: int


@dataclass(frozen=True, slots=True)
class Waiver:
    """Someone accepts a finding until a day; it stays printed."""

    target: str
    who: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class Investigation:
    """Who looks into a breach, by when, and what they found so far."""

    month: str
    target: str
    owner: str
    due: date
    note: str
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class PastMonth:
    """One target in an earlier month, as its last revision had it."""

    month: str
    finding: Finding
    expected: int
    residual: int

    @property
    def residual_share(self) -> float | None:
        return self.residual / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A finding of an earlier month that nobody looks into, nobody closed and nobody accepts: it does not go by itself."""

    month: str
    target: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class TargetMonth:
    """One integration's month: what decides. `emitted` and `received` are sums of its cells.

    `low` and `high` bound the true residual share with the rule's confidence, None where nothing was compared.
    `raw_above` tells that the raw difference is above the rule and must be listed whatever the finding.
    `loss_in_windows` is how many of the raw loss lie in known windows (incidents, failing verifications, rotations, KMS), whether
    they explain it or not; None where there is none of these, or nothing was compared.
    `days_missing` names days without data on either side. `trust` is where the emitted numbers come from.
    `before_waiver` is its finding without what someone accepts, None where that is the same.
    """

    target: str
    finding: Finding
    why: str
    trust: tuple[Trust, ...]
    clock: Clock
    unit: Unit
    splits_types: bool
    by_ids: bool
    emitted: Emitted | None
    received: Received | None
    compared: Compared | None
    low: float | None
    high: float | None
    raw_above: bool
    days_missing: tuple[date, ...]
    settles_at: datetime
    shift: ShiftFound | None = None
    cause: LikelyCause | None = None
    probes: ProbeRatio | None = None
    waiver: Waiver | None = None
    investigation: Investigation | None = None
    past: tuple[PastMonth, ...] = ()
    missing_ids: tuple[str, ...] = ()
    loss_in_windows: Bounds | None = None
    before_waiver: Finding | None = None

    @property
    def found(self) -> Finding:
        """Return what the numbers say, whoever accepts it."""
        return self.before_waiver or self.finding


@dataclass(frozen=True, slots=True)
class SourceFact:
    """Something about the input that a reader has to know: how many of what, where; `is_fault` when it may cost events."""

    source: str
    file: str
    what: str
    events: int
    is_fault: bool


@dataclass(frozen=True, slots=True)
class Overlay:
    """A span in which losses may lie, of one target or of all (""). Only what somebody put down as an incident `explains` them.

    That our own verifications failed, a credential was rotated, or a service's KMS check was DOWN says where to look, and not what was lost.
    """

    window: Window
    target: str
    words: str
    explains: bool = True


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A month of one environment. Two with the same `digest` say the same of the same input."""

    environment: str
    month: Month
    window: Window
    tolerance: float
    confidence: float
    targets: tuple[TargetMonth, ...]
    cells: tuple[Cell, ...]
    facts: tuple[SourceFact, ...]
    overlays: tuple[Overlay, ...]
    files_read: int
    expected_false_alarms: float
    carried_over: tuple[Investigation, ...] = field(default_factory=tuple)
    unresolved: tuple[Unresolved, ...] = ()


@dataclass(frozen=True, slots=True)
class SignOff:
    """Someone has read a revision and stands for it."""

    who: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Edition:
    """One making of a month's report: what it is about is in the Reconciliation, when and by which run is here.

    `digest` is that of the Reconciliation. `verdict` is the run's, as people read it. `bundle` and `prefect` are links,
    empty where there is none. `changes` are sentences on what differs from the revision before.
    """

    revision: int
    digest: str
    made_at: datetime
    run: str
    verdict: str
    bundle: str = ""
    prefect: str = ""
    changes: tuple[str, ...] = ()
    signed: SignOff | None = None
