"""Two credentials of one dependency group on a real ledger, and everybody who acts on them: workers, operators, people, time."""

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import event

from domain.errors import BadInput, OpsError
from domain.names import Credential, version_name
from domain.policies import Policy
from domain.rotation import Kind, RotationRecord, State, Wait, rotation_id
from domain.values import StoredValue
from ledger.freezing import thaw
from ledger.held_credentials import move_pointer, see_credential
from ledger.opening import Ledger, open_ledger
from ledger.questions import Seen, answer, open_questions
from ledger.rotation_rows import open_rotation_of
from ledger.rotations import open_rotation
from steps.adopting import adopt_retiring
from steps.drift import put_back_drift
from steps.emergency import Order, order_emergency
from steps.orphans import sweep_orphans
from steps.rotating import advance
from steps.rotation_hands import Hands
from steps.rotation_orders import acknowledge, order_roll_back, possession, resume
from tests.steps.rotation_doubles import WatchedLedger, WorldSink, WorldStore, WorldVendor, fingerprint
from tests.steps.rotation_invariants import Broken, Guard
from tests.steps.rotation_workers import FINISH, Crew, Fate, Worker
from tests.steps.rotation_world import Consumer, Entry, Live, Place, Shape, Side, World

_CREDENTIALS = (Credential.parse("datadog-default-prod-send"), Credential.parse("splunk-default-prod-send"))
_QUIET_AFTER = 80
QUARTER_HOUR = timedelta(minutes=15)
_QUARTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Made:
    """One ledger file for a whole process, made empty again for each scene: opening a new one costs more than a rotation."""

    ledger: Ledger
    file: Path
    empty: sqlite3.Connection

    def emptied(self) -> Ledger:
        with sqlite3.connect(self.file) as connection:
            self.empty.backup(connection)
        connection.close()
        return self.ledger


@cache
def made_ledger() -> Made:
    folder = Path(tempfile.mkdtemp(prefix="rotation-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "ledger.db"
    ledger = open_ledger(f"sqlite:///{file}")
    # No power is cut here; waiting for the disk would be most of the time.
    event.listen(ledger.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    ledger.engine.dispose()
    empty = sqlite3.connect(":memory:")
    with sqlite3.connect(file) as connection:
        connection.backup(empty)
    connection.close()
    return Made(ledger, file, empty)


@dataclass(slots=True)
class Scene:
    """The stage of one example."""

    shapes: tuple[Shape, ...]
    sinks: int = 1
    has_consumers: bool = False
    is_bound: bool = True
    world: World = field(default_factory=World)
    crew: Crew = field(default_factory=Crew)
    documents: dict[str, StoredValue] = field(default_factory=dict)
    policy: Policy = field(init=False)
    guard: Guard = field(init=False)
    ledger: WatchedLedger = field(init=False)
    windows: int = 0

    def __post_init__(self) -> None:
        names = tuple(f"sink{number}" for number in range(self.sinks))
        self.policy = Policy(
            halt_after=3, per_vendor_per_hour=3, groups=("pair",), sinks=names, consumers=("app",) if self.has_consumers else ()
        )  # fmt: skip
        made = made_ledger()
        opened = made.emptied()
        look = sqlite3.connect(made.file, isolation_level=None)
        self.guard = Guard(self.world, self.crew, look, self.policy, self.documents)
        self.ledger = WatchedLedger(
            opened.engine, opened.id, world=self.world, crew=self.crew, witness=self.guard
        )  # fmt: skip
        for credential, shape in zip(_CREDENTIALS, self.shapes, strict=False):
            self._set_up(Side(credential, shape), names)
        # What is rotated has been in use for a quarter: no listing is still to show it.
        self.world.pass_time(_QUARTER)

    def close(self) -> None:
        self.guard.ledger.close()

    @property
    def sides(self) -> list[Side]:
        return self.world.sides

    def hands(self, side: Side, worker: str) -> Hands:
        parts = (self.world, self.crew, self.guard)
        return Hands(
            self.ledger, side.credential, self.policy, side.manifest, WorldVendor(*parts, side),
            WorldStore(*parts, self.documents), worker, fingerprint, self.world.new_value, lambda _: None,
            {name: WorldSink(*parts, side, place) for name, place in side.sinks.items()}, has_pointer=side.shape.has_pointer,
        )  # fmt: skip

    def work(self, side: Side, job: Callable[[Hands, str], object], fate: Fate = FINISH) -> Worker | None:
        """Let a worker do the job on the open rotation, if there is one."""
        rotation = self.guard.open_one(side)
        if not rotation:
            return None
        return self.crew.start(
            lambda worker: job(self.hands(side, worker.name), rotation), rotation, self.world.event, fate
        )

    def wake(self, which: int, fate: Fate = FINISH) -> None:
        """Let a stopped worker go on, if there is one."""
        if self.crew.stopped:
            self.crew.go_on(self.crew.stopped[which % len(self.crew.stopped)], fate)

    # Rotations and what operators do with them.

    def open(self, side: Side, kind: Kind = Kind.SCHEDULED, *, again: bool = False) -> None:
        """Open a rotation, as a trigger does; `again` repeats the last window's trigger."""
        self.windows += not again
        window = f"window {self.windows}"
        with suppress(OpsError):
            open_rotation(
                self.ledger, rotation_id(side.credential, window), side.credential, kind,
                operator="ada", reason="due", ticket="OPS-1", due_window=window,
            )  # fmt: skip

    def emergency(self, side: Side, *, contain: bool) -> None:
        order = Order(self.world.now, "ada", "leaked", "OPS-2", contain, "bob" if contain else "")
        order_emergency(self.ledger, [side.credential], order)

    def step(self, side: Side, fate: Fate = FINISH) -> RotationRecord | None:
        self.work(side, advance, fate)
        return self.record(side)

    def record(self, side: Side) -> RotationRecord | None:
        return open_rotation_of(self.ledger, side.credential) if self.guard.open_one(side) else None

    def roll_back(self, side: Side, fate: Fate = FINISH) -> None:
        self.work(side, lambda hands, rotation: order_roll_back(hands.ledger, rotation, "ada", "it hurts"), fate)

    def resume(self, side: Side) -> None:
        """Say that the cause is gone, having done what it waits for."""
        record = self.record(side)
        if record is not None and record.wait is Wait.AWAITING_HUMAN_RECONCILE:
            self._delete_lost(side)
        self.work(side, lambda hands, rotation: resume(hands.ledger, rotation, "ada", "the cause is gone"))

    def adopt(self, side: Side, *, named: bool, fate: Fate = FINISH) -> None:
        """Bind the retiring value; where it is named, it is named right."""

        def job(hands: Hands, rotation: str) -> object:
            record = open_rotation_of(hands.ledger, side.credential)
            stored = self.documents.get(record.old_version) if record else None
            entry = side.of_value(stored.value) if stored else None
            return adopt_retiring(hands, rotation, entry.vendor_id if named and entry else "", "ada")

        self.work(side, job, fate)

    def acknowledge(self, side: Side) -> None:
        """The application shows that it holds the new value, where it does."""

        def job(hands: Hands, rotation: str) -> object:
            value = side.consumers[0].value
            proof = possession(value, rotation)
            return acknowledge(hands.ledger, rotation, "app", operator="ada", proof=proof, store=hands.store)

        self.work(side, job)

    def sweep(self, side: Side, fate: Fate = FINISH) -> None:
        """Sweep orphans; without an open rotation a drifted projection is put back as well."""

        def job(worker: Worker) -> None:
            hands = self.hands(side, worker.name)
            sweep_orphans(hands)
            if self.record(side) is None:
                put_back_drift(hands)

        self.crew.start(job, "", self.world.event, fate)

    def sweep_all(self) -> None:
        for side in self.sides:
            self.sweep(side)

    # People and applications.

    def refresh(self, side: Side) -> None:
        for consumer in side.consumers:
            if consumer.place.now is not None:
                consumer.value = consumer.place.now.value

    def use(self, side: Side, value: str) -> None:
        """An application uses a value, at a moment at which nobody else does."""
        self.world.pass_time(timedelta(seconds=20))
        self.world.use(side, value, "application")
        self.world.pass_time(timedelta(seconds=20))

    def old_value(self, side: Side) -> str:
        """Return the value that is to go, empty where there is none yet."""
        record = self.record(side)
        stored = self.documents.get(record.retiring_version) if record else None
        return stored.value if stored else ""

    def go_back_at(self, place: Place, side: Side) -> None:
        """A form that was opened before the flip is saved now, or a place is restored from a copy: it has the old value."""
        value = self.old_value(side)
        if any(one.value == value for one in place.history):
            self.world.serve(place, value, by_engine=False)

    def answer_questions(self, side: Side) -> None:
        """A person does what each question about the side asks, and answers truly."""
        record = self.record(side)
        for question in open_questions(self.ledger):
            if record is None or not question.integration.startswith(record.id):
                continue
            what = question.integration.split(":")[1]
            seen = Seen.YES
            if what == "create":
                self.person_makes(side)
            elif what == "contain":
                self.person_contains(side)
            elif what == "seen":
                stored = self.documents.get(record.new_version)
                entry = side.of_value(stored.value) if stored else None
                seen = Seen.YES if entry and entry.is_good else Seen.NO
            else:
                self.person_revokes(side)
            with suppress(BadInput):
                answer(self.ledger, question.id, "ada", seen)

    def person_makes(self, side: Side) -> None:
        entry = self.world.mint(side, "made by ada", ours=False)
        self.world.serve(side.projection, entry.value, by_engine=False)

    def person_contains(self, side: Side) -> None:
        record = self.record(side)
        stored = self.documents.get(record.old_version) if record else None
        entry = side.of_value(stored.value) if stored else None
        if entry is not None:
            self.world.set_live(entry, Live.GONE)

    def person_revokes(self, side: Side) -> None:
        """A person deletes the retiring credential, when the rotation asks for it and not before."""
        record, entry = self.record(side), side.of_value(self.old_value(side))
        if record is not None and record.state is State.REVOKING and entry is not None:
            self.world.set_live(entry, Live.GONE)

    def foreign(self, side: Side) -> list[Entry]:
        return [one for one in side.standing if not one.ours and one.name == "somebody's"]

    def _delete_lost(self, side: Side) -> None:
        """A person finds by its date what nobody has the value of, and deletes it."""
        kept = {stored.value for stored in self.documents.values()}
        for entry in side.standing:
            if entry.ours and entry.value not in kept:
                self.world.set_live(entry, Live.GONE)

    # The end of an example.

    def come_to_rest(self) -> None:
        """Let everything go well from now on and everybody do their part, until nothing is open."""
        self._calm()
        for _ in range(_QUIET_AFTER):
            open_ones = [side for side in self.sides if self.guard.open_one(side)]
            if not open_ones:
                return
            for side in open_ones:
                self._help_on(side)
        told = [(r.id, r.state, r.wait, r.words) for s in self.sides if (r := self.record(s))]
        errors = [str(worker.error) for s in self.sides if (worker := self.work(s, advance)) and worker.error]
        raise Broken("I11", f"it does not come to rest: {told} {errors}")

    def _help_on(self, side: Side) -> None:
        record = self.step(side)
        self.guard.holds_now()
        self.guard.holds_waiting()
        if record is None:
            return
        _HELP.get(record.wait, _wait)(self, side)
        self.answer_questions(side)
        self.person_revokes(side)

    def _calm(self) -> None:
        for side in self.sides:
            side.is_away = side.held_open = side.clock_is_wrong = side.next_is_bad = False
            side.troubles.clear()
        thaw(self.ledger, "ada")
        while self.crew.stopped:
            self.crew.go_on(self.crew.stopped[0], FINISH)
            self.guard.holds_now()

    def _set_up(self, side: Side, sinks: tuple[str, ...]) -> None:
        first = self.world.mint(side, "made by hand", ours=False)
        self.world.mint(side, "somebody's", ours=False) if side.manifest.slots != 2 else None
        side.sinks = {name: Place(f"{name} of {side.credential}") for name in sinks}
        side.projection.name, side.pointer.name = f"projection of {side.credential}", f"pointer of {side.credential}"
        self.world.sides.append(side)
        for place in side.places:
            self.world.serve(place, first.value, by_engine=False)
            side.consumers.append(Consumer(place, first.value))
        if self.is_bound and not side.manifest.by_hand:
            see_credential(self.ledger, side.credential, fingerprint(first.value))
            version = version_name(side.credential, "r00000000000", 1)
            self.documents[version] = StoredValue(first.value, first.vendor_id)
            self.guard.adopted.add(first.vendor_id)
            with self.ledger.writing() as connection:
                move_pointer(
                    connection, side.credential, expected="", version=version, vendor_id=first.vendor_id,
                    fingerprint=fingerprint(first.value), minted_at=None,
                )  # fmt: skip


def _wait(scene: Scene, side: Side) -> None:
    record = scene.record(side)
    scene.world.pass_time(QUARTER_HOUR)
    if record is not None and record.wait is not Wait.HALTED:
        scene.world.go_to(record.not_before)


def _make_room(scene: Scene, side: Side) -> None:
    """A person deletes what nobody uses: neither ours, nor a value that we keep."""
    kept = {stored.value for stored in scene.documents.values()}
    for entry in side.standing:
        if not entry.ours and entry.value not in kept:
            scene.world.set_live(entry, Live.GONE)
    _wait(scene, side)


def _adopt(scene: Scene, side: Side) -> None:
    """Name the credential; where the vendor lists nothing it cannot be bound, and the way is back."""
    if side.manifest.listable:
        _wait(scene, side)
        scene.adopt(side, named=True)
    else:
        scene.roll_back(side)


def _load(scene: Scene, side: Side) -> None:
    scene.refresh(side)
    scene.acknowledge(side)
    _wait(scene, side)


def _go_back(scene: Scene, side: Side) -> None:
    scene.roll_back(side)
    _wait(scene, side)


def _put_again(scene: Scene, side: Side) -> None:
    """A form that was saved late took the new value out of the block: who was asked reads so, and puts another one there."""
    there = side.projection.now
    if not any(q.integration.startswith(scene.guard.open_one(side)) for q in open_questions(scene.ledger)):
        known = {stored.value for stored in scene.documents.values()}
        if there is None or there.value in known:
            scene.person_makes(side)
    _wait(scene, side)


_HELP: dict[Wait, Callable[[Scene, Side], None]] = {
    Wait.HALTED: Scene.resume,
    Wait.AWAITING_HUMAN_CREATE: _put_again,
    Wait.BLOCKED_CONFLICT: Scene.resume,
    Wait.BLOCKED_OLD_FAILS: Scene.resume,
    Wait.BLOCKED_NO_SLOT: _make_room,
    Wait.AWAITING_HUMAN_RECONCILE: Scene.resume,
    Wait.AWAITING_ADOPTION: _adopt,
    Wait.AWAITING_CONSUMERS: _load,
    Wait.BLOCKED_NEW_FAILS: _go_back,
}
