"""One credential's life: adopted, rotated, rolled back or replaced in an emergency, by whichever worker is alive.

Everything is real but time: ledger, store, sink, vendor client and the stand-ins' server. A life may be begun again at any
point by another worker, which looks at what is there and carries on.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from domain.config import Config
from domain.manifests import Mint
from domain.names import DEFAULT_INSTANCE, Credential, Purpose, Target
from domain.policies import Policy
from domain.rotation import Kind, RotationRecord, State, Wait, rotation_id
from ledger.fingerprints import FingerprintKey
from ledger.opening import Ledger
from ledger.questions import Seen, answer, open_questions
from ledger.rotation_rows import find_rotation, rotations
from ledger.rotations import open_rotation
from steps.emergency import Order, order_emergency
from steps.live_vendor import LiveVendor
from steps.new_values import new_guid
from steps.rotating import advance
from steps.rotation_hands import Hands
from steps.rotation_orders import order_roll_back
from tests.conftest import StandIns
from tests.steps.file_store import FileStore
from tests.steps.rehearsal_context import QUICK, Scene, config_of
from tests.steps.rotation_consoles import Case
from tests.steps.rotation_killing import PointedLedger, PointedSink, PointedStore, Points, SharedOffset
from tests.steps.rotation_sinks import PLACES, ReadByReceiver, cloud_sinks
from vendors.env_file import EnvFile
from vendors.registry import EVERY, INTEGRATIONS
from vendors.sinks import LaidOut, Sink

ENVIRONMENT = "rehearsal"
_FINGERPRINTS = FingerprintKey("k000000", b"a key for tests, of no worth to anyone")
POLICY = Policy(per_vendor_per_hour=1000)
_ROUNDS = 60
_SECOND = timedelta(seconds=1)
MARKED_ELSEWHERE = "opsflows-r00000000000-1"


class Course(Enum):
    """How a life goes on once the credential is there."""

    ROTATION = "adopted and rotated"
    BACK_FROM_PUBLISHED = "rolled back while both work"
    BACK_FROM_DISABLED = "rolled back while the old one is switched off"
    CONTAINED = "an emergency that contains first"


_ROLLED_BACK = {Course.BACK_FROM_PUBLISHED: State.PUBLISHED, Course.BACK_FROM_DISABLED: State.DISABLED}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was served, kept or revoked: where, which value, and when in everybody's time."""

    where: str
    value: str = field(repr=False)
    at: float = 0.0


@dataclass(slots=True)
class Stage:
    """Where one life takes place. `first` are the target's values as they were, by variable name."""

    stand_ins: StandIns
    home: Path
    ledger: Ledger
    case: Case
    course: Course = Course.ROTATION
    policy: Policy = POLICY
    clock: SharedOffset = field(default_factory=SharedOffset)
    first: dict[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    instance: str = DEFAULT_INSTANCE
    # Services with a KMS, as opsflows.toml has them under [kms].
    services: dict[str, Any] = field(default_factory=dict)

    @property
    def credential(self) -> Credential:
        return Credential(Target(self.case.integration, self.instance), ENVIRONMENT, self.case.purpose)

    @property
    def variable(self) -> str:
        rows = EVERY[self.case.integration].variables
        return next(row.name for row in rows if row.field == self.case.row.field)

    @property
    def store(self) -> FileStore:
        return FileStore(self.home / "store")

    @property
    def sink(self) -> LaidOut:
        previous = {f"{self.variable}_PREVIOUS": ""} if self.case.purpose is Purpose.RECEIVE else {}
        return LaidOut(EnvFile(self.home / "app" / ".env.local"), {self.variable: ""}, previous)

    @property
    def rotation(self) -> str:
        window = f"emergency {self.noted['compromised_at']}" if self.course is Course.CONTAINED else "2026-Q1"
        return rotation_id(self.credential, window)

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self.clock.offset

    def move(self, by: timedelta) -> None:
        """Move everybody's clock: the ledger's, the workers' and the stand-ins'."""
        offset = self.clock.offset + by
        self.clock.move(offset)
        self.stand_ins.control("POST", "/clock", {"offset_s": offset.total_seconds()})

    def reach(self, moment: datetime) -> None:
        self.move(max(moment - self.now(), timedelta(0)) + _SECOND)

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/{self.case.integration}/actions/{action}", fields)

    def arrived(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{self.case.integration}/requests")
        return found

    def note(self, where: str, value: str) -> None:
        line = json.dumps([where, value, self.now().timestamp()])
        with (self.home / "notes").open("a") as notes:
            notes.write(line + "\n")

    def notes(self) -> list[Note]:
        return [Note(*json.loads(line)) for line in (self.home / "notes").read_text().splitlines()]

    def values(self) -> Mapping[str, str]:
        """Return the target's values as they are in use: the projection's in its place."""
        return {**self.first, self.variable: self.store.projected(self.credential)}

    @contextmanager
    def hands(self, worker: str, points: Points | None = None) -> Iterator[Hands]:
        """Give what a worker works with; with `points` its way is told there, and ends where they say."""
        passed = points or Points()
        ledger = PointedLedger(self.ledger, self.clock, passed)
        scene = Scene(
            self.stand_ins, self.home, ledger, _config(self.stand_ins.url, self.case.integration), ENVIRONMENT, {}
        )
        context = scene.context(pace=QUICK, may_wake=(self.case.integration,))
        addresses = {**self.stand_ins.control("GET", "/addresses"), **_over_http(self.stand_ins.url)}
        context = replace(
            context,
            config=context.config.model_copy(update={"kms": self.services}),
            integrations=EVERY,
            addresses=addresses,
            conduct=replace(context.conduct, record=passed.after_request),
        )
        vendor = LiveVendor(context, self.credential, self.case.row, self.values, passed.before_request)
        is_hook = self.case.row.manifest.swaps
        sink = ReadByReceiver(self.sink, self.act) if is_hook else self.sink
        conduct = replace(context.conduct, admit=passed.before_request)
        cloud: AbstractContextManager[dict[str, Sink]] = (
            cloud_sinks(self.stand_ins, self.credential, conduct) if self.case.has_cloud_sinks else nullcontext({})
        )
        with closing(vendor), cloud as found:
            opened: dict[str, Sink] = {"env": sink, **found} if self.case.has_sink else found
            sinks = {name: PointedSink(name, one, passed, self.note) for name, one in opened.items()}
            yield Hands(
                ledger=ledger, credential=self.credential, policy=replace(self.policy, sinks=tuple(sinks)),
                manifest=self.case.row.manifest, vendor=vendor, store=PointedStore(self.store, passed, self.note),
                worker=worker, fingerprint=_FINGERPRINTS.fingerprint, new_value=self.case.row.new_value or new_guid,
                schedule=lambda _: None, sinks=sinks, by_hand=self.case.row.by_hand, has_pointer=self.case.row.point is not None,
            )  # fmt: skip


def set_up(stage: Stage) -> None:
    """Make the vendor forget, seed it with what is not ours, put the old value in use, and go to where the course begins."""
    name = stage.case.integration
    for one in (name, *PLACES) if stage.case.has_cloud_sinks else (name,):
        stage.stand_ins.control("POST", f"/{one}/reset")
    stage.clock.move(timedelta(0))
    stage.move(timedelta(0))
    stage.act("set_indexing_delay", seconds=0)
    if name == "sentry":
        stage.act("set_propagation_delay", seconds=0)
    for folder in ("store", "app"):
        (stage.home / folder).mkdir()
    stage.first = dict(stage.stand_ins.control("GET", f"/{name}/credentials"))
    if stage.case.console:
        stage.noted |= stage.case.console.prepare(stage.act, stage.first)
    old = stage.first[stage.variable]
    stage.store.project(stage.credential, old)
    stage.note("projection", old)
    if stage.case.has_sink:
        stage.sink.publish(old)
        stage.note("env", old)
    _seed_foreign(stage)
    if stage.course is not Course.ROTATION:
        _begin(stage)


def live(
    stage: Stage, worker: str, points: Points | None = None, until: Callable[[RotationRecord], bool] = lambda _: False
) -> RotationRecord:
    """Take the life up from wherever it stands and lead it to its end, through overlap and soak, and return the rotation.

    A worker that was stopped on the way does not go beyond the step in which it was.
    """
    if stage.course is Course.ROTATION:
        return _rotated(stage, worker, points, until)
    with stage.hands(worker, points) as hands:
        if stage.course is Course.CONTAINED:
            if find(hands, stage.rotation) is None:
                _order_containment(stage, hands)
        elif not find_rotation(hands.ledger, stage.rotation).back:
            order_roll_back(hands.ledger, stage.rotation, "ada", "it went wrong")
    return driven(stage, worker, stage.rotation, points, until)


def driven(
    stage: Stage, worker: str, rotation: str, points: Points | None = None, until: Callable[[RotationRecord], bool] = lambda _: False
) -> RotationRecord:  # fmt: skip
    """Step the rotation at each of its moments, with a person who does what is theirs, until it is over or `until` says so."""
    for _ in range(_ROUNDS):
        if stage.case.row.manifest.swaps:
            stage.act("deliver", event="ping")  # without one of the last three days nothing can be sent again
        with stage.hands(worker, points) as hands:
            record = advance(hands, rotation)
        if not record.is_open or until(record) or (points is not None and points.was_met):
            return record
        assert record.wait is not Wait.HALTED, record.words
        _do_by_hand(stage, record)
        stage.reach(max(record.not_before, record.lease_until or record.not_before))
    raise AssertionError(f"after {_ROUNDS} steps it still stands at {record.state}, {record.wait}: {record.words}")


def find(hands: Hands, rotation: str) -> RotationRecord | None:
    return next((one for one in rotations(hands.ledger, credential=hands.credential) if one.id == rotation), None)


def opened(stage: Stage, kind: Kind, window: str, points: Points | None = None) -> str:
    """Open a rotation, or find the one of that window, and return its id."""
    with stage.hands("opener", points) as hands:
        return open_rotation(
            hands.ledger, rotation_id(hands.credential, window), hands.credential, kind, operator="ada", reason="a test",
            ticket="OPS-1", due_window=window,
        ).id  # fmt: skip


def _rotated(
    stage: Stage, worker: str, points: Points | None, until: Callable[[RotationRecord], bool]
) -> RotationRecord:
    if stage.case.is_adopted:
        adopted = driven(stage, worker, opened(stage, Kind.ADOPTION, "adoption", points), points, until)
        if adopted.is_open or (points is not None and points.was_met):
            return adopted
        assert adopted.state is State.DONE, adopted
    return driven(stage, worker, opened(stage, Kind.SCHEDULED, "2026-Q1", points), points, until)


def _begin(stage: Stage) -> None:
    """Lead the life, undisturbed, to where the course begins."""
    if stage.case.is_adopted:
        assert driven(stage, "before", opened(stage, Kind.ADOPTION, "adoption")).state is State.DONE
    if stage.course is Course.CONTAINED:
        stage.noted["compromised_at"] = stage.now().isoformat()
        stage.move(_SECOND)
        return
    wanted = _ROLLED_BACK[stage.course]
    rotation = opened(stage, Kind.SCHEDULED, "2026-Q1")
    assert driven(stage, "before", rotation, until=lambda record: record.state is wanted).state is wanted


def _order_containment(stage: Stage, hands: Hands) -> None:
    order = Order(
        datetime.fromisoformat(stage.noted["compromised_at"]),
        "ada",
        "it leaked",
        "OPS-2",
        contain_first=True,
        second="bob",
    )
    order_emergency(hands.ledger, [hands.credential], order)


def _seed_foreign(stage: Stage) -> None:
    """Make what is somebody else's at the vendor; one of them carries a marker like ours, which no intent of ours has."""
    if stage.case.console:
        make = stage.case.console.foreign or stage.case.console.mint
        stage.noted["foreign"] = make(stage.act, stage.noted)
        return
    if not stage.case.has_foreign or stage.case.row.manifest.swaps:
        return
    with stage.hands("somebody else") as hands:
        assert isinstance(hands.vendor, LiveVendor)
        made = []
        for name in ("somebody-elses", MARKED_ELSEWHERE):
            hands.vendor.listing()
            value = hands.new_value() if stage.case.row.manifest.mint is Mint.BY_CLIENT else ""
            made.append(hands.vendor.create(name, value).vendor_id)
        stage.foreign = tuple(made)


def _do_by_hand(stage: Stage, record: RotationRecord) -> None:
    """Do what the open questions of this rotation ask for, then answer them."""
    console = stage.case.console
    if console is None or not record.wait.value.startswith("AWAITING_HUMAN"):
        return
    with stage.hands("ada") as hands:
        for question in open_questions(hands.ledger, ENVIRONMENT):
            what = question.integration.split(":")[1]
            if what == "create":
                value = console.mint(stage.act, stage.noted)
                stage.note("document", value)
                stage.store.project(stage.credential, value)
                stage.note("projection", value)
            if what in {"revoke", "contain"}:
                stage.note("revoked", stage.first[stage.variable])
                console.revoke(stage.act, stage.first)
            answer(hands.ledger, question.id, "ada", Seen.YES)


def _over_http(url: str) -> dict[str, str]:
    """Return addresses over http where a client has that: a gRPC channel does not outlive a fork."""
    return {name: f"{url}/{name}" for name in EVERY if name != "gcpkey"}


@cache
def _config(url: str, integration: str) -> Config:
    return config_of(url, ENVIRONMENT, [integration] if integration in INTEGRATIONS else [])
