"""A vendor, places that applications read from, and the applications: the truth, which no engine sees, in one clock's order.

Nothing here imports the engine's procedures. What the engine may see of it is in rotation_doubles.py; what must always hold
is in rotation_invariants.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

from domain.manifests import Fit, Manifest, Mint
from domain.names import Credential

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
# Every secret of this world begins like this, so that one that leaked is found.
SECRET = "s3cr3t-"


class Live(Enum):
    """What a credential is at the vendor."""

    ON = "on"
    OFF = "off"
    GONE = "gone"


class Trouble(Enum):
    """What may become of a change that the vendor is asked for."""

    AWAY = "nothing happened"
    REFUSED = "refused"
    LOST_BEFORE = "no answer, and nothing happened"
    LOST_AFTER = "no answer, and it happened"
    LATE = "no answer, and it happens a while later"


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of vendor: its manifest, how well its listing tells a value, whether it says what an event came with, and
    whether it has a pointer of its own, which applications follow as they read a sink.
    """

    name: str
    manifest: Manifest
    fit: Fit = Fit.EXACT
    attributes: bool = False
    unseen: bool = False
    has_pointer: bool = False


_HOUR = timedelta(hours=1)
_MINTED, _CHOSEN = Manifest(Mint.BY_VENDOR, "name", listable=True), Manifest(Mint.BY_CLIENT, "name", listable=True)
_STOPPABLE = replace(_MINTED, can_disable=True)
SHAPES = (
    Shape("plain", _MINTED),
    Shape("lists late", replace(_STOPPABLE, slots=3, listing_lag=timedelta(minutes=4))),
    Shape("tells use", replace(_STOPPABLE, slots=10, last_used_lag=timedelta(0))),
    Shape("tells use late", replace(_MINTED, slots=3, last_used_lag=3 * _HOUR), Fit.LAST_CHARACTERS),
    Shape("two places", replace(_STOPPABLE, slots=2, last_used_lag=3 * _HOUR)),
    Shape("client chooses", replace(_CHOSEN, slots=10, can_disable=True), attributes=True),
    Shape("not seen", _STOPPABLE, unseen=True),
    Shape("by hand", Manifest(Mint.BY_HAND)),
    Shape("cannot list", Manifest(Mint.BY_VENDOR, can_disable=True)),
)

# Vendors that are pointed to a value, and such as have no field for a marker: searched by themselves.
POINTED = (
    Shape("points", replace(_STOPPABLE, slots=10), has_pointer=True),
    Shape("points, by value", Manifest(Mint.BY_CLIENT, listable=True, can_disable=True, listing_lag=timedelta(minutes=4)), has_pointer=True),
    Shape("loses data", replace(_STOPPABLE, loses_data=True), has_pointer=True),
)  # fmt: skip

# Where nobody is asked for anything, so that a search for what happens at the gate gets there.
LISTED = tuple(shape for shape in SHAPES if shape.manifest.listable and not shape.unseen)


@dataclass(slots=True)
class Entry:
    """One credential at the vendor. `ours` is what the engine made; `bad` is one that the vendor minted and never honours."""

    vendor_id: str
    name: str
    value: str
    ours: bool
    works_from: datetime
    bad: bool = False
    changes: list[tuple[datetime, Live]] = field(default_factory=list)
    uses: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def live(self) -> Live:
        return self.changes[-1][1]

    @property
    def is_good(self) -> bool:
        """Say whether it is on and the vendor will honour it, now or as soon as it has converged."""
        return self.live is Live.ON and not self.bad

    def live_at(self, moment: datetime) -> Live | None:
        """Return what it was then, None where it was not there yet."""
        return next((live for at, live in reversed(self.changes) if at <= moment), None)

    def accepts(self, now: datetime, converges_in: timedelta) -> bool:
        """Say whether a request with its value passes: a new one works late, one that is off or gone works on for a while."""
        if self.bad or now < self.works_from:
            return False
        return self.live is Live.ON or self.live_at(now - converges_in) is Live.ON

    def last_use(self, until: datetime) -> tuple[datetime, str] | None:
        return max((use for use in self.uses if use[0] <= until), default=None)


@dataclass(slots=True)
class Served:
    """What a place served, from one event on until another; `by_engine` is False where a person put it there."""

    value: str
    since: datetime
    event: int
    by_engine: bool
    until: datetime | None = None


@dataclass(slots=True)
class Place:
    """The projection, or a sink: what applications read now, and what they could read before."""

    name: str
    history: list[Served] = field(default_factory=list)
    is_away: bool = False

    @property
    def now(self) -> Served | None:
        return self.history[-1] if self.history else None

    def last_served(self, value: str, looked: int, now: datetime) -> datetime | None:
        """Return when the value was last to be read here, as far as one could know who looked at that event; None: never."""
        seen = [one for one in self.history if one.value == value and one.event <= looked]
        return (seen[-1].until or now) if seen else None


@dataclass(slots=True)
class Consumer:
    """An application: it reads at one place now and then, and uses what it has read last until it reads again."""

    place: Place
    value: str


@dataclass(slots=True)
class Side:
    """One credential of ours: its vendor, its places, its applications, and what goes wrong there."""

    credential: Credential
    shape: Shape
    entries: list[Entry] = field(default_factory=list)
    projection: Place = field(default_factory=lambda: Place("projection"))
    pointer: Place = field(default_factory=lambda: Place("pointer"))
    sinks: dict[str, Place] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    is_away: bool = False
    lags: bool = False
    next_is_bad: bool = False
    next_is_slow: bool = False
    refuses_late: bool = False
    held_open: bool = False
    clock_is_wrong: bool = False
    creates: dict[str, int] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        return self.shape.manifest

    @property
    def places(self) -> list[Place]:
        return [self.projection, *self.sinks.values(), *([self.pointer] if self.shape.has_pointer else [])]

    @property
    def listing_lag(self) -> timedelta:
        return self.manifest.listing_lag if self.lags else timedelta(0)

    @property
    def use_lag(self) -> timedelta:
        return (self.manifest.last_used_lag or timedelta(0)) if self.lags else timedelta(0)

    @property
    def refusing_lag(self) -> timedelta:
        return self.manifest.propagation if self.refuses_late else timedelta(0)

    def of_id(self, vendor_id: str) -> Entry | None:
        return next((one for one in self.entries if one.vendor_id == vendor_id), None)

    def of_value(self, value: str) -> Entry | None:
        return next((one for one in self.entries if one.value == value), None)

    @property
    def standing(self) -> list[Entry]:
        return [one for one in self.entries if one.live is not Live.GONE]


@dataclass(slots=True)
class World:
    """Everything outside the engine, in the order in which it happens."""

    now: datetime = MIDNIGHT
    event: int = 0
    made: int = 0
    sides: list[Side] = field(default_factory=list)
    late: list[tuple[datetime, int, Callable[[], object]]] = field(default_factory=list)

    def happen(self) -> int:
        self.event += 1
        return self.event

    def new_value(self) -> str:
        self.made += 1
        return f"{SECRET}{self.made}"

    def pass_time(self, span: timedelta) -> None:
        """Let time pass; what was on its way arrives in between, at its moment."""
        until = self.now + span
        while self.late and min(self.late, key=lambda one: one[:2])[0] <= until:
            due = min(self.late, key=lambda one: one[:2])
            self.late.remove(due)
            self.now = max(self.now, due[0])
            due[2]()
        self.now = until

    def go_to(self, moment: datetime) -> None:
        if moment > self.now:
            self.pass_time(moment - self.now)

    def later(self, span: timedelta, effect: Callable[[], object]) -> None:
        self.late.append((self.now + span, self.happen(), effect))

    def mint(self, side: Side, name: str, value: str = "", *, ours: bool) -> Entry:
        value = value or self.new_value()
        self.made += 1
        slow = ours and side.next_is_slow
        bad = ours and side.next_is_bad
        if ours:
            side.next_is_bad = side.next_is_slow = False
        works_from = self.now + side.manifest.propagation if slow else self.now
        entry = Entry(f"id{self.made}", name, value, ours, works_from, bad, [(self.now, Live.ON)])
        side.entries.append(entry)
        return entry

    def set_live(self, entry: Entry, live: Live) -> None:
        """Change it; what is gone stays gone."""
        if entry.live not in {Live.GONE, live}:
            entry.changes.append((self.now, live))

    def serve(self, place: Place, value: str, *, by_engine: bool) -> None:
        there = place.now
        if there is not None and there.value == value and there.by_engine == by_engine:
            return
        if there is not None:
            there.until = self.now
        place.history.append(Served(value, self.now, self.happen(), by_engine))

    def use(self, side: Side, value: str, who: str) -> bool:
        """Use the value, as an application or a probe does; say whether the vendor accepted it."""
        entry = side.of_value(value)
        if entry is None or not entry.accepts(self.now, side.refusing_lag):
            return False
        entry.uses.append((self.now, who))
        return True
