"""What the engine is given instead of a vendor, a store, sinks and the ledger's clock; every one of them a point to be killed at.

The ledger is a real one, on SQLite: its clock alone is the world's.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from domain.errors import BadInput, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential, Minted
from domain.names import Credential
from domain.values import TAKEN, StoredValue
from ledger.opening import Ledger
from steps.rotation_hands import Listing, Proof, Proven
from tests.steps.rotation_workers import Crew, Point, Worker
from tests.steps.rotation_world import Entry, Live, Place, Side, Trouble, World

# A request whose answer was lost can arrive this late; vendors/http.py gives up a call sooner than that.
_ON_ITS_WAY = timedelta(seconds=50)


class Witness(Protocol):
    """Who sees everything that the engine does, and says so where it must not."""

    def committed(self) -> bool:
        """See what was committed, and say whether it was an intent."""
        ...

    def changes(self, side: Side, verb: str, entry: Entry | None, marker: str) -> None: ...

    def hands_out(self, place: Place, value: str) -> None: ...

    def proved(self, value: str, *, passed: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class WatchedLedger(Ledger):
    """The real ledger on the world's time, with a point before and after each commit."""

    world: World | None = None
    crew: Crew | None = None
    witness: Witness | None = None

    def now(self) -> datetime:
        assert self.world is not None
        return self.world.now

    def now_in(self, connection: Connection) -> datetime:  # noqa: ARG002 (the world's clock needs none)
        return self.now()

    def writing(self) -> AbstractContextManager[Connection]:
        return self._watched()

    @contextmanager
    def _watched(self) -> Iterator[Connection]:
        assert self.crew is not None
        self.crew.point(Point.BEFORE_COMMIT)
        with Ledger.writing(self) as connection:
            yield connection
        assert self.witness is not None
        self.crew.point(Point.INTENDED if self.witness.committed() else Point.COMMITTED)


@dataclass(slots=True)
class WorldStore:
    """Documents and projections in memory; what is written is there at once, or never was."""

    world: World
    crew: Crew
    witness: Witness
    documents: dict[str, StoredValue]

    def keep(self, name: str, stored: StoredValue) -> None:
        if name in self.documents:
            raise Rejected(f"{name} is there.", "Nothing was overwritten.", "Look.", TAKEN)
        self.documents[name] = stored
        self.crew.point(Point.DONE)

    def read(self, name: str) -> StoredValue | None:
        return self.documents.get(name)

    def drop(self, name: str) -> None:
        self.documents.pop(name, None)
        self.crew.point(Point.DONE)

    def names(self, credential: Credential) -> list[str]:
        return sorted(name for name in self.documents if name.startswith(f"{credential}--"))

    def project(self, credential: Credential, value: str) -> None:
        side = self._side(credential)
        self.witness.hands_out(side.projection, value)
        self.world.serve(side.projection, value, by_engine=True)
        self.crew.point(Point.DONE)

    def projected(self, credential: Credential) -> str:
        place = self._side(credential).projection
        _look(self.crew.current, self.world, place)
        self.crew.point(Point.LOOKED)
        return place.now.value if place.now else ""

    def _side(self, credential: Credential) -> Side:
        return next(side for side in self.world.sides if side.credential == credential)


@dataclass(slots=True)
class WorldSink:
    """One place that applications read from."""

    world: World
    crew: Crew
    witness: Witness
    side: Side
    place: Place
    keeps_previous: bool = False

    def publish(self, value: str, previous: str = "") -> None:
        del previous
        self._reachable()
        self.witness.hands_out(self.place, value)
        self.world.serve(self.place, value, by_engine=True)
        self.crew.point(Point.DONE)

    def serves(self, value: str, previous: str = "") -> bool | None:
        del previous
        self._reachable()
        _look(self.crew.current, self.world, self.place)
        self.crew.point(Point.LOOKED)
        return self.place.now is not None and self.place.now.value == value

    def _reachable(self) -> None:
        if self.place.is_away:
            raise _away()


@dataclass(slots=True)
class WorldVendor:
    """The vendor as the engine may see it: late, sometimes away, sometimes without an answer to what it did."""

    world: World
    crew: Crew
    witness: Witness
    side: Side

    def listing(self) -> Listing:
        self._reachable()
        manifest = self.side.manifest
        if manifest.by_hand:
            raise BadInput("It is made by hand.", "The vendor has no API for it.", "Make one.")
        if self.crew.current is not None:
            self.crew.current.listed_at = self.world.now
        seen = Listing(tuple(self._listed()) if manifest.listable else (), manifest.slots)
        self.crew.point(Point.LOOKED)
        return seen

    def create(self, marker: str, value: str) -> Minted:
        self.witness.changes(self.side, "create", None, marker)
        slots = self.side.manifest.slots
        if slots is not None and len(self.side.standing) >= slots:
            raise Rejected("Too many.", "The vendor made none.", "Delete one.", "vendor.full")
        made: list[Entry] = []
        self._change(lambda: made.append(self._mint(marker, value)))
        minted = Minted(made[-1].vendor_id, made[-1].value)
        self.crew.point(Point.DONE)
        return minted

    def disable(self, vendor_id: str) -> None:
        self._set(vendor_id, "disable", Live.OFF)

    def enable(self, vendor_id: str) -> None:
        self._set(vendor_id, "enable", Live.ON)

    def revoke(self, vendor_id: str) -> None:
        self._set(vendor_id, "revoke", Live.GONE)

    def held_open(self, vendor_id: str) -> tuple[str, ...]:  # noqa: ARG002 (the same of all)
        self._reachable()
        return ("alert 17",) if self.side.held_open else ()

    def is_refused(self, value: str) -> bool:
        self._reachable()
        entry = self.side.of_value(value)
        refused = entry is None or not entry.accepts(self.world.now, self.side.refusing_lag)
        self.crew.point(Point.LOOKED)
        return refused

    def prove(self, value: str) -> Proof:
        self._reachable()
        passed = self.world.use(self.side, value, "probe")
        self.witness.proved(value, passed=passed)
        at = self.world.now
        self.crew.point(Point.LOOKED)
        if not passed:
            return Proof(Proven.REFUSED, at, "the vendor refuses it")
        entry = self.side.of_value(value)
        attributed = entry.vendor_id if entry and self.side.shape.attributes else ""
        return Proof(Proven.UNSEEN if self.side.shape.unseen else Proven.PASSED, at, "look", attributed_to=attributed)

    def point_to(self, value: str) -> None:
        self._reachable()
        WorldSink(self.world, self.crew, self.witness, self.side, self.side.pointer).publish(value)

    def points_to(self, value: str) -> bool | None:
        self._reachable()
        return WorldSink(self.world, self.crew, self.witness, self.side, self.side.pointer).serves(value)

    def told_at(self) -> tuple[datetime, datetime] | None:
        now = self.world.now
        return (now.replace(year=now.year - 1), now) if self.side.clock_is_wrong else (now, now)

    def _listed(self) -> Iterator[ListedCredential]:
        for entry in self.side.entries:
            live = entry.live_at(self.world.now - self.side.listing_lag)
            if live in {Live.ON, Live.OFF}:
                used = entry.last_use(self.world.now - self.side.use_lag)
                tells = self.side.manifest.last_used_lag is not None
                yield ListedCredential(
                    entry.vendor_id,
                    entry.name if self.side.manifest.marker_field else "",
                    live is Live.ON,
                    created_at=entry.changes[0][0],
                    last_used_at=used[0] if used and tells else None,
                    fits=partial(_fit, entry.value, self.side.shape.fit),
                )

    def _mint(self, marker: str, value: str) -> Entry:
        self.side.creates[marker] = self.side.creates.get(marker, 0) + 1
        return self.world.mint(self.side, marker, value, ours=True)

    def _set(self, vendor_id: str, verb: str, live: Live) -> None:
        entry = self.side.of_id(vendor_id)
        self.witness.changes(self.side, verb, entry, "")
        if entry is not None:
            self._change(lambda: self.world.set_live(entry, live))
        self.crew.point(Point.DONE)

    def _change(self, effect: Callable[[], object]) -> None:
        self._reachable()
        trouble = self.side.troubles.pop(0) if self.side.troubles else None
        if trouble is Trouble.AWAY:
            raise _away()
        if trouble is Trouble.REFUSED:
            raise Rejected("The vendor refuses it.", "Nothing was changed.", "See why.", "vendor.refused")
        if trouble is Trouble.LATE:
            self.world.later(_ON_ITS_WAY, effect)
        if trouble in {None, Trouble.LOST_AFTER}:
            effect()
        if trouble is not None:
            self.crew.point(Point.DONE)
            raise OutcomeUnknown("No answer.", "It may have happened.", "Look.", "vendor.no_answer")

    def _reachable(self) -> None:
        if self.side.is_away:
            raise _away()


def fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def _look(worker: Worker | None, world: World, place: Place) -> None:
    if worker is not None:
        worker.looked[place.name] = world.event


def _fit(mine: str, fit: Fit, value: str) -> Fit:
    """Compare as the vendor's listing allows: the last character alone is shared by one in ten."""
    if fit is Fit.EXACT:
        return Fit.EXACT if value == mine else Fit.NO
    return Fit.LAST_CHARACTERS if value[-1:] == mine[-1:] else Fit.NO


def _away() -> Unavailable:
    return Unavailable("The vendor does not answer.", "Nothing happened.", "It is tried again.", "vendor.away")
