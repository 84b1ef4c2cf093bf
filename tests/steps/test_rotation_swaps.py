"""A vendor that holds one value: receivers know old and new before it is pointed to the new one, wherever a worker dies."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.manifests import Manifest, Mint
from domain.names import AT_VENDOR, Credential
from domain.policies import Policy
from domain.rotation import Kind, RotationRecord, State, Wait
from ledger.opening import Ledger, open_ledger
from ledger.rotation_journal import entries
from ledger.rotation_rows import find_rotation
from ledger.rotations import open_rotation
from steps.emergency import Order, order_emergency
from steps.rotating import advance
from steps.rotation_hands import Hands, Listing, Proof, Proven
from steps.rotation_orders import order_roll_back, take_word
from tests.steps.file_store import FileStore
from tests.steps.rotation_doubles import fingerprint

SECRET = Credential.parse("github-default-prod-receive")
SWAPS = Manifest(Mint.BY_CLIENT, swaps=True)
OLD, NEW = "old-secret", "new-secret"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Died(BaseException):
    """The worker is killed here."""


@dataclass(slots=True)
class Hook:
    """A vendor that signs with one secret, and a receiver that reads it at one place; each change is a point to die at.

    `refused` counts the moments at which the receiver would have refused what the vendor signs.
    """

    signs_with: str = OLD
    value: str = OLD
    previous: str = ""
    points: int = 0
    dies_at: int = 0
    refused: list[str] = field(default_factory=list)
    keeps_previous: bool = True
    ignores_changes: bool = False
    proves: bool = True

    def changed(self, where: str) -> None:
        if self.signs_with not in {self.value, self.previous}:
            self.refused.append(where)
        self.points += 1
        if self.points == self.dies_at:
            raise Died

    # As a sink.

    def publish(self, value: str, previous: str = "") -> None:
        self.value, self.previous = value, previous
        self.changed(f"published {value}, {previous or '-'}")

    def serves(self, value: str, previous: str = "") -> bool | None:
        return (self.value, self.previous) == (value, previous)

    # As the vendor: the newest delivery shows what is signed with.

    def point_to(self, value: str) -> None:
        self.signs_with = self.signs_with if self.ignores_changes else value
        self.changed(f"pointed to {value}")

    def points_to(self, value: str) -> None:
        del value

    def is_refused(self, value: str) -> bool:
        return value != self.signs_with

    def prove(self, value: str) -> Proof:
        accepted = value == self.signs_with and value in {self.value, self.previous} and self.proves
        return Proof(Proven.PASSED if accepted else Proven.REFUSED, NOW, "the delivery is signed with another secret")

    def told_at(self) -> None:
        return None

    def held_open(self, vendor_id: str) -> tuple[str, ...]:
        del vendor_id
        return ()

    def listing(self) -> Listing:
        raise AssertionError("there is nothing to list")

    def create(self, marker: str, value: str) -> object:
        raise AssertionError(f"{marker} is not made at the vendor, nor {value}")

    def revoke(self, vendor_id: str) -> None:
        raise AssertionError(f"{vendor_id} is not deleted at the vendor")

    disable = enable = revoke


@dataclass(slots=True)
class Stage:
    """One life, on a ledger of its own whose clock is moved."""

    home: Path
    hook: Hook = field(default_factory=Hook)
    consumers: tuple[str, ...] = ()
    offset: timedelta = timedelta(0)
    rotation: str = "r00000000001"

    made: Ledger | None = None

    def ledger(self) -> Ledger:
        """Return the ledger as it is at this moment; one connection for the whole life, since opening one takes a while."""
        self.made = self.made or open_ledger(f"sqlite:///{self.home}/ledger.db")
        return replace(self.made, offset=self.offset)

    def hands(self, ledger: Ledger) -> Hands:
        return Hands(
            ledger, SECRET, Policy(sinks=("receiver",), consumers=self.consumers), SWAPS, self.hook,  # type: ignore[arg-type]  # as much of a vendor as is asked
            FileStore(self.home / "store"), "worker", fingerprint, lambda: NEW, lambda _: None,
            {"receiver": self.hook}, has_pointer=True,
        )  # fmt: skip

    def open(self) -> None:
        (self.home / "store").mkdir(parents=True, exist_ok=True)
        FileStore(self.home / "store").project(SECRET, OLD)
        ledger = self.ledger()
        open_rotation(
                ledger, self.rotation, SECRET, Kind.SCHEDULED, operator="ada", reason="due", ticket="T-1", due_window="w"
            )  # fmt: skip

    def step(self) -> RotationRecord:
        ledger = self.ledger()
        return advance(self.hands(ledger), self.rotation)

    def through(self, until: Callable[[RotationRecord], bool] = lambda record: not record.is_open) -> RotationRecord:
        """Step it at each of its moments until that holds; a worker that dies is followed by another."""
        for _ in range(40):
            try:
                record = self.step()
            except Died:
                self.offset += timedelta(minutes=6)  # the lease of who died
                continue
            if until(record):
                return record
            ledger = self.ledger()
            self.offset += max(record.not_before - ledger.now(), timedelta(0)) + timedelta(seconds=1)
        raise AssertionError(f"it stands at {record.state}, {record.wait}: {record.words}")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.open()
    return made


def test_receivers_know_both_before_the_vendor_uses_the_new_one_and_the_old_one_is_taken_away_at_the_end(
    stage: Stage,
) -> None:
    published = stage.through(lambda record: record.state is State.PUBLISHED)
    during = (stage.hook.signs_with, stage.hook.value, stage.hook.previous)
    done = stage.through()

    assert during == (NEW, NEW, OLD)
    assert published.wait is Wait.OVERLAP
    assert (done.state, stage.hook.value, stage.hook.previous) == (State.DONE, NEW, "")
    assert stage.hook.refused == []
    assert NEW not in " ".join(_journal(stage))


def test_a_receiver_that_has_not_loaded_both_is_waited_for(stage: Stage) -> None:
    stage.consumers = ("gateway",)

    waiting = stage.through(lambda record: record.wait is Wait.AWAITING_CONSUMERS)
    before = stage.hook.signs_with
    ledger = stage.ledger()
    take_word(ledger, stage.rotation, "gateway", "ada")
    stage.through(lambda record: record.state is State.PUBLISHED)

    assert waiting.state is State.VERIFIED
    assert before == OLD
    assert stage.hook.signs_with == NEW


def test_a_delivery_that_does_not_verify_holds_it_before_the_new_value_is_current(stage: Stage) -> None:
    stage.hook.ignores_changes = True

    held = stage.through(lambda record: record.wait is Wait.BLOCKED_NEW_FAILS)

    assert held.state is State.VERIFIED
    assert stage.hook.refused == []


def test_a_value_that_receivers_refuse_is_taken_back_at_the_vendor(stage: Stage) -> None:
    stage.hook.proves = False

    held = stage.through(lambda record: record.wait is Wait.BLOCKED_NEW_FAILS)
    signs_with = stage.hook.signs_with
    stage.hook.proves = True
    done = stage.through()

    assert (held.state, signs_with) == (State.VERIFIED, OLD)
    assert (done.state, stage.hook.signs_with, stage.hook.refused) == (State.DONE, NEW, [])


@pytest.mark.parametrize("emergency", [False, True])
def test_where_no_receiver_could_know_both_the_vendor_is_left_alone(stage: Stage, *, emergency: bool) -> None:
    stage.hook.keeps_previous = False
    if emergency:
        ledger = stage.ledger()
        order_emergency(ledger, [SECRET], Order(ledger.now(), "ada", "it leaked", "T-2"))

    blocked = stage.through(lambda record: record.wait is Wait.BLOCKED_PREFLIGHT)

    assert blocked.state is State.VERIFIED
    assert "consumers" in blocked.next_step
    assert stage.hook.signs_with == OLD


def test_an_emergency_that_goes_back_has_receivers_know_both(stage: Stage) -> None:
    ledger = stage.ledger()
    order_emergency(ledger, [SECRET], Order(ledger.now(), "ada", "it leaked", "T-2"))
    stage.hook.dies_at = 3  # right after the vendor was pointed, and the flip
    with pytest.raises(Died):
        stage.step()
    stage.offset += timedelta(minutes=6)
    order_roll_back(stage.ledger(), stage.rotation, "ada", "it went wrong")
    stage.offset += timedelta(minutes=6)

    ended = stage.through()

    assert ended.state is State.ABORTED
    assert (stage.hook.signs_with, stage.hook.value, stage.hook.refused) == (OLD, OLD, [])


@pytest.mark.parametrize("came_to", [State.VERIFIED, State.PUBLISHED])
def test_going_back_points_the_vendor_back_while_receivers_know_both(stage: Stage, came_to: State) -> None:
    if came_to is State.VERIFIED:
        stage.consumers = ("gateway",)
    stage.through(lambda record: record.state is came_to)
    ledger = stage.ledger()
    order_roll_back(ledger, stage.rotation, "ada", "it went wrong")
    stage.offset, stage.consumers = stage.offset + timedelta(minutes=6), ()

    ended = stage.through()

    assert ended.state is State.ABORTED
    assert (stage.hook.signs_with, stage.hook.value, stage.hook.previous) == (OLD, OLD, "")
    assert stage.hook.refused == []


def test_an_emergency_has_no_overlap_and_no_gap(stage: Stage) -> None:
    ledger = stage.ledger()
    order_emergency(ledger, [SECRET], Order(ledger.now(), "ada", "it leaked", "T-2"))
    before = stage.offset

    done = stage.through()

    assert done.state is State.DONE
    assert stage.offset - before < timedelta(hours=1)
    assert (stage.hook.signs_with, stage.hook.value, stage.hook.previous) == (NEW, NEW, "")
    assert stage.hook.refused == []


@pytest.mark.parametrize("course", ["forward", "emergency", "back"])
def test_killed_at_any_change_receivers_accept_what_the_vendor_signs(tmp_path: Path, course: str) -> None:
    for at in range(1, 9):
        home = tmp_path / str(at)
        home.mkdir()
        stage = Stage(home, Hook(dies_at=at))
        stage.open()
        if course == "emergency":
            ledger = stage.ledger()
            order_emergency(ledger, [SECRET], Order(ledger.now(), "ada", "it leaked", "T-2"))
        if course == "back":
            stage.through(lambda record: record.state is State.PUBLISHED)
            ledger = stage.ledger()
            order_roll_back(ledger, stage.rotation, "ada", "it went wrong")
            stage.offset += timedelta(minutes=6)

        ended = stage.through()

        assert ended.state in {State.DONE, State.ABORTED}
        assert stage.hook.refused == []
        assert stage.hook.signs_with == stage.hook.value == (OLD if course == "back" else NEW)
        assert stage.hook.previous == ""
        if stage.hook.points < at:
            return
    raise AssertionError("it never came through without dying")


def test_the_places_of_a_credential_end_with_the_vendor(stage: Stage) -> None:
    ledger = stage.ledger()
    assert list(stage.hands(ledger).places) == ["receiver", AT_VENDOR]


def _journal(stage: Stage) -> list[str]:
    ledger = stage.ledger()
    return [str(entry) for entry in entries(ledger, find_rotation(ledger, stage.rotation).id)]
