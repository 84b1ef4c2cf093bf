"""What must hold of every rotation, whatever happens to workers, vendor and ledger: the invariants of rotation.md, by name.

Changes are judged at the moment at which the engine makes them, against the world's truth and not the engine's own moments.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from domain.policies import Policy
from domain.rotation import State, Wait, may_follow, needs_someone
from domain.values import StoredValue
from tests.steps.rotation_workers import Crew
from tests.steps.rotation_world import SECRET, Entry, Live, Place, Side, World

# Between a probe and the change that relies on it lies less than one lease.
FRESH = timedelta(minutes=6)
_CHANGES = frozenset({"disable", "revoke"})
_SILENT = frozenset({"word", "opened"})


class Broken(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, how: str) -> None:
        super().__init__(f"{invariant}: {how}")
        self.invariant = invariant


@dataclass(frozen=True, slots=True)
class Entered:
    """One journal entry as the witness read it."""

    rotation: str
    seq: int
    told: Mapping[str, object]


@dataclass(slots=True)
class Probed:
    """One probe of a value."""

    value: str
    at: datetime
    passed: bool


@dataclass(slots=True)
class Guard:
    """The witness. It reads the ledger's file by itself, and knows the world's truth."""

    world: World
    crew: Crew
    ledger: sqlite3.Connection
    policy: Policy
    documents: dict[str, StoredValue]
    journal: list[Entered] = field(default_factory=list)
    probes: list[Probed] = field(default_factory=list)
    adopted: set[str] = field(default_factory=set)
    mutations: int = 0
    _read: int = 0
    _holders: dict[str, tuple[str, datetime | None]] = field(default_factory=dict)
    _states: dict[str, State] = field(default_factory=dict)
    _heads: dict[str, int] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=dict)
    _were_current: set[str] = field(default_factory=set)

    # What the doubles tell.

    def committed(self) -> bool:
        rows = self.ledger.execute(
            "SELECT rowid, rotation, seq, payload FROM rotation_journal WHERE rowid > ? ORDER BY rowid", (self._read,)
        ).fetchall()
        for number, rotation, seq, payload in rows:
            self._read = number
            self._entered(Entered(rotation, seq, json.loads(payload)))
        self._holders = {
            row[0]: (row[1], _moment(row[2]))
            for row in self.ledger.execute("SELECT id, worker, lease_until FROM rotations WHERE closed_at IS NULL")
        }
        for name, version in self.ledger.execute("SELECT credential, version FROM held_credentials").fetchall():
            before = self._versions.get(name, "")
            if version != before:
                self._versions[name] = version
                self._pointer_moved(self.side_named(name), before)
        return bool(rows) and self.journal[-1].told["kind"] == "intent"

    def changes(self, side: Side, verb: str, entry: Entry | None, marker: str) -> None:
        self.mutations += 1
        self._holds(f"{verb} at the vendor")
        if verb == "create":
            self._creates(side, marker)
            return
        if entry is not None and not entry.ours and not self._is_adopted(entry):
            raise Broken("I7", f"{verb} of {entry.vendor_id} ({entry.name}), which is somebody's")
        self._is_intended(verb, entry.vendor_id if entry else "")
        if (
            verb == "revoke"
            and side.manifest.loses_data
            and side.held_open
            and entry
            and entry.value in self._were_current
        ):
            raise Broken("I18", f"{entry.vendor_id} is deleted, and something can be read with it alone")
        if entry is not None and verb in _CHANGES:
            self._takes_away(side, verb, entry)

    def hands_out(self, place: Place, value: str) -> None:
        self._holds(f"writing to {place.name}")
        if not self._was_proven(value) and not any(one.value == value for one in place.history):
            raise Broken("I3", f"{place.name} is given a value that never passed a probe")

    def proved(self, value: str, *, passed: bool) -> None:
        self.probes.append(Probed(value, self.world.now, passed))

    # What is asked of it after every rule, and at the end.

    def holds_now(self) -> None:
        """I1 and I8, of everything there is now."""
        for side in self.world.sides:
            current = self.current_value(side)
            if current and not self._is_contained(side):
                self._works(side, current, "the current version")
                for place in side.places:
                    if place.now is not None and place.now.by_engine:
                        self._works(side, place.now.value, place.name)
        more = self.ledger.execute(
            "SELECT credential FROM rotations WHERE closed_at IS NULL GROUP BY credential HAVING count(*) > 1"
        ).fetchall()
        if more:
            raise Broken("I8", f"{more} have more than one open rotation")

    def holds_at_rest(self) -> None:
        """I6, of a world in which no rotation is open; and that every place serves the current value."""
        for side in self.world.sides:
            current = self.current_value(side)
            ours = [one for one in side.standing if self._is_ours(one) and one.value != current]
            if ours:
                raise Broken("I6", f"{[(one.vendor_id, one.name, one.live.value) for one in ours]} live on")
            for place in side.places:
                # A value that a person put there and nobody knows is theirs: it is told, and not overwritten.
                if place.now is not None and not place.now.by_engine and place.now.value not in self._were_current:
                    continue
                if current and (place.now is None or place.now.value != current):
                    raise Broken("I1", f"{place.name} does not serve the current value at rest")

    def holds_waiting(self) -> None:
        """I11: what waits for someone has an alert, and nothing else has one."""
        alerts = {row[0] for row in self.ledger.execute("SELECT key FROM alerts WHERE cleared_at IS NULL")}
        for rotation, wait, closed in self.ledger.execute("SELECT id, wait, closed_at FROM rotations").fetchall():
            mine = {key for key in alerts if key.startswith(f"rotation:{rotation}:")}
            due = {f"rotation:{rotation}:{wait}"} if closed is None and needs_someone(Wait(wait)) else set()
            if mine != due:
                raise Broken("I11", f"rotation {rotation} waits at {wait or '-'} and has the alerts {sorted(mine)}")

    def holds_no_secret(self) -> None:
        """I12: no column of any table has a value in it."""
        tables = [row[0] for row in self.ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in self.ledger.execute(f"SELECT * FROM {table}"):  # noqa: S608 (a name from the database itself)
                if any(isinstance(cell, str) and SECRET in cell for cell in row):
                    raise Broken("I12", f"a value stands in table {table}")

    def reached(self) -> set[str]:
        """Return the states that rotations came to, and the waits at which they stood."""
        return {str(one.told[what]) for one in self.journal for what in ("state", "wait") if what in one.told}

    def current_value(self, side: Side) -> str:
        version = self._versions.get(str(side.credential), "")
        if version and version not in self.documents:
            raise Broken("I1", f"the document of the current version {version} is gone")
        return self.documents[version].value if version else ""

    def open_one(self, side: Side) -> str:
        """Return the id of the side's open rotation, empty where there is none."""
        row = self.ledger.execute(
            "SELECT id FROM rotations WHERE credential = ? AND closed_at IS NULL", (str(side.credential),)
        ).fetchone()
        return str(row[0]) if row else ""

    def side_named(self, name: str) -> Side:
        return next(side for side in self.world.sides if str(side.credential) == name)

    def last_served(self, side: Side, value: str) -> datetime | None:
        """Return when the value was last to be read anywhere, as far as the worker that runs could know."""
        worker = self.crew.current
        now = self.world.now
        seen = [
            place.last_served(value, worker.looked.get(place.name, worker.began) if worker else self.world.event, now)
            for place in side.places
        ]
        return max((one for one in seen if one is not None), default=None)

    # Parts.

    def _entered(self, entry: Entered) -> None:
        self.journal.append(entry)
        rotation, kind = entry.rotation, entry.told["kind"]
        before, after = self._states.get(rotation, State.PLANNED), State(str(entry.told.get("state", "PLANNED")))
        if entry.seq != self._heads.get(rotation, 0) + 1 or not may_follow(before, after):
            raise Broken("I9", f"entry {entry.seq} of {rotation} leads from {before} to {after}")
        self._states[rotation], self._heads[rotation] = after, entry.seq
        worker = self.crew.current
        if worker is not None and kind not in _SILENT:
            name, until = self._holders.get(rotation, ("", None))
            if name != worker.name or until is None or until <= self.world.now:
                raise Broken("I8", f"{worker.name} writes, and {name or 'nobody'} has rotation {rotation}")
        if kind == "outcome" and "refused" in entry.told:
            self._was_refused(entry)

    def _was_refused(self, entry: Entered) -> None:
        side = self._side_of(entry.rotation)
        retired = self.documents.get(str(entry.told["refused"]))
        found = side.of_value(retired.value) if retired else None
        if found is not None and found.accepts(self.world.now, side.refusing_lag):
            raise Broken("I14", f"{entry.rotation} is closed, and the retired value still works")

    def _pointer_moved(self, side: Side, before: str) -> None:
        value = self.current_value(side)
        self._were_current.add(value)
        if not self._is_contained(side):
            entry = side.of_value(value)
            name = "I15" if entry is not None and entry.live is Live.OFF else "I1"
            self._works(side, value, "the version that became current", name)
        if before and not self._was_proven(value):
            raise Broken("I3", "a version became current that never passed a probe")

    def _works(self, side: Side, value: str, what: str, invariant: str = "I1") -> None:
        entry = side.of_value(value)
        if entry is None or not entry.is_good:
            state = f"{entry.vendor_id} is {entry.live.value}" if entry else "no credential at all"
            raise Broken(invariant, f"{what} of {side.credential} does not work: {state}")

    def _holds(self, what: str) -> None:
        """Whoever changes something outside has the rotation, at that very moment."""
        worker = self.crew.current
        if worker is None or not worker.rotation:
            return
        row = self.ledger.execute(
            "SELECT worker, lease_until FROM rotations WHERE id = ?", (worker.rotation,)
        ).fetchone()
        until = _moment(row[1])
        if row[0] != worker.name or until is None or until <= self.world.now:
            raise Broken("I8", f"{what} by {worker.name}, and {row[0] or 'nobody'} has rotation {worker.rotation}")

    def _creates(self, side: Side, marker: str) -> None:
        if not any(one.told.get("verb") == "create" and one.told.get("marker") == marker for one in self.journal):
            raise Broken("I5", f"{marker} is created without an intent")
        if side.creates.get(marker, 0):
            raise Broken("I10", f"{marker} is created twice")

    def _is_intended(self, verb: str, vendor_id: str) -> None:
        worker = self.crew.current
        if worker is not None and not worker.rotation:
            kept = self.ledger.execute("SELECT payload FROM chain").fetchall()
            found = any(f'"{vendor_id}"' in row[0] for row in kept)
        else:
            found = any(
                one.told["kind"] == "intent" and one.told.get("verb") == verb and one.told.get("vendor_id") == vendor_id
                for one in self.journal
            )
        if not found:
            raise Broken("I5", f"{verb} of {vendor_id} without an intent")

    def _is_adopted(self, entry: Entry) -> bool:
        bound = entry.vendor_id in self.adopted or any(
            one.told.get("verb") == "adopt" and one.told.get("vendor_id") == entry.vendor_id for one in self.journal
        )
        # Whatever the engine thinks: adopted can only be what our value really opens, or opened before.
        return bound and any(stored.value == entry.value for stored in self.documents.values())

    def _takes_away(self, side: Side, verb: str, entry: Entry) -> None:
        told = self._rotation_now(side)
        contains = told.get("contain_first") and told.get("emergency")
        if entry.value == self.current_value(side) and not contains:
            raise Broken("I1", f"{verb} of {entry.vendor_id}, which is the current credential")
        served = self.last_served(side, entry.value)
        if served is None or contains or entry.live is Live.GONE:
            return
        if entry.live is Live.ON and not told.get("emergency"):
            self._overlap_is_over(side, verb, entry, served)
        self._survivor_was_proven(side, verb, entry)

    def _overlap_is_over(self, side: Side, verb: str, entry: Entry, served: datetime) -> None:
        told = self._rotation_now(side)
        if self.world.now - served < self.policy.overlap:
            raise Broken("I2", f"{verb} of {entry.vendor_id}, which could be read {self.world.now - served} ago")
        if side.manifest.last_used_lag is not None and "waived" not in str(told.get("facts")):
            self._was_unused(side, verb, entry, served)

    def _survivor_was_proven(self, side: Side, verb: str, entry: Entry) -> None:
        current = self.current_value(side)
        since = self.world.now - FRESH
        if not any(one.passed and one.value == current and one.at >= since for one in self.probes):
            raise Broken("I3", f"{verb} of {entry.vendor_id}, and the current one was not proven just now")

    def _was_unused(self, side: Side, verb: str, entry: Entry, served: datetime) -> None:
        worker, lag = self.crew.current, side.manifest.last_used_lag or timedelta(0)
        listed = worker.listed_at if worker else None
        if listed is None or listed - lag < served + self.policy.overlap:
            raise Broken("I4", f"{verb} of {entry.vendor_id}, and no reading covers its overlap (read at {listed})")
        used = entry.last_use(listed - side.use_lag)
        if used is not None and used[1] != "probe" and used[0] > listed - lag - self.policy.quiet:
            raise Broken("I4", f"{verb} of {entry.vendor_id}, which was seen to be used {listed - used[0]} ago")

    def _is_ours(self, entry: Entry) -> bool:
        """Say whether we made it, or had it in use once: then a rotation has retired it."""
        return entry.ours or entry.value in self._were_current

    def _was_proven(self, value: str) -> bool:
        return any(one.passed and one.value == value for one in self.probes)

    def _is_contained(self, side: Side) -> bool:
        told = self._rotation_now(side)
        return bool(told.get("contain_first") and told.get("emergency"))

    def _rotation_now(self, side: Side) -> dict[str, object]:
        row = self.ledger.execute(
            "SELECT emergency, contain_first, facts FROM rotations WHERE credential = ? AND closed_at IS NULL",
            (str(side.credential),),
        ).fetchone()
        return {"emergency": row[0], "contain_first": row[1], "facts": row[2]} if row else {}

    def _side_of(self, rotation: str) -> Side:
        row = self.ledger.execute("SELECT credential FROM rotations WHERE id = ?", (rotation,)).fetchone()
        return self.side_named(row[0])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
