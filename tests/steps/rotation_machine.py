"""Rotations in a world in which everything that can go wrong does, at any point, in any order; see rotation_invariants.py.

Three rules are here for a reason: without them a search of any length misses what they reach (rotation.md, "Evidence the
design holds"): `jump_to_overlap_end`, `crash_then_long_outage`, `straggler_uses_old`.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.errors import OpsError
from domain.rotation import Kind, State
from ledger.freezing import freeze, thaw
from steps.rotation_orders import waive
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_workers import FINISH, End, Fate, Point
from tests.steps.rotation_world import LISTED, POINTED, SHAPES, Live, Shape, Side, Trouble

PAST_LEASE = timedelta(minutes=6)
_POINTS = 24  # more than any step from one wait to the next has
_SIDES = st.sampled_from((0, 0, 0, 1))
_ENDS = st.sampled_from((End.KILLED, End.KILLED, End.STOPPED, End.STOPPED, End.LEDGER_AWAY, End.COMMIT_LOST))
_AT_WORK = st.sampled_from((Point.INTENDED, Point.DONE))
# Right where something is about to change outside, or just did: one end in two comes there.
_SHARP = st.builds(Fate, st.sampled_from((End.KILLED, End.STOPPED)), st.sampled_from((0, 0, 1, 2)), _AT_WORK)
_FATES = st.one_of(_SHARP, st.just(FINISH), st.just(FINISH), st.builds(Fate, _ENDS, st.integers(0, _POINTS)))
_SPANS = st.sampled_from(
    [timedelta(minutes=1), timedelta(minutes=6), timedelta(minutes=20), timedelta(hours=3), timedelta(hours=13), timedelta(days=3)]
)  # fmt: skip


# Which states, waits and ends the examples of this process came to: a search that never got there has shown nothing.
reached: Counter[str] = Counter()


class Gates(RuleBasedStateMachine):
    """One example: two credentials whose workers are killed and stopped on their way through overlap and gate."""

    scene: Scene

    @initialize(
        shape=st.sampled_from(LISTED),
        sinks=st.integers(0, 2),
        has_consumers=st.booleans(),
        lags=st.booleans(),
        refuses_late=st.booleans(),
    )
    def set_the_stage(self, shape: Shape, sinks: int, *, has_consumers: bool, lags: bool, refuses_late: bool) -> None:
        self.raise_curtain(Scene((shape, SHAPES[0]), sinks, has_consumers), lags=lags, refuses_late=refuses_late)

    # Workers.

    @rule(side=_SIDES, fate=_FATES)
    def step(self, side: int, fate: Fate) -> None:
        self.scene.step(self.side(side), fate)

    @rule(side=_SIDES, fate=_FATES)
    def go_on_when_due(self, side: int, fate: Fate) -> None:
        record = self.scene.record(self.side(side))
        if record is not None and record.not_before < self.scene.world.now + timedelta(days=400):
            self.scene.world.go_to(record.not_before)
        if record is not None and record.lease_until is not None:
            self.scene.world.go_to(record.lease_until)
        self.scene.step(self.side(side), fate)

    @rule(side=_SIDES, fate=_FATES)
    def meet_an_end(self, side: int, fate: Fate) -> None:
        """A worker meets its end, and once its lease is over another one takes its place."""
        self.scene.step(self.side(side), fate)
        self.scene.world.pass_time(PAST_LEASE)
        self.scene.step(self.side(side))

    @rule(side=_SIDES, first=_SHARP, second=_SHARP)
    def be_two_at_once(self, side: int, first: Fate, second: Fate) -> None:
        """A worker that was stopped past its lease goes on while another one has the rotation."""
        self._jump(self.side(side), early=False)
        self.scene.step(self.side(side), replace(first, end=End.STOPPED))
        self.scene.world.pass_time(PAST_LEASE)
        self.scene.step(self.side(side), replace(second, end=End.STOPPED))
        self.scene.wake(0)

    @rule(side=_SIDES)
    def roll_back_while_a_call_is_under_way(self, side: int) -> None:
        """The answer to switching off was lost, and it happens a little later than the order to go back."""
        one = self.side(side)
        self._come_to_the_gate(one)
        one.troubles[:] = [Trouble.LATE]
        self.scene.step(one)
        self.scene.roll_back(one)
        self.scene.step(one)
        self.scene.world.pass_time(PAST_LEASE)

    # Time.

    @rule(span=_SPANS)
    def let_time_pass(self, span: timedelta) -> None:
        self.scene.world.pass_time(span)

    @rule(side=_SIDES, early=st.booleans(), fate=_FATES)
    def jump_to_overlap_end(self, side: int, *, early: bool, fate: Fate) -> None:
        """Be at the very end of the overlap as the world has it, or a second before."""
        self._jump(self.side(side), early=early)
        self.scene.step(self.side(side), fate)

    @rule(side=_SIDES, fate=_FATES)
    def crash_then_long_outage(self, side: int, fate: Fate) -> None:
        """A worker is killed, and for three days nothing runs; then everything does."""
        self.scene.step(self.side(side), replace(fate, end=End.KILLED))
        self.scene.world.pass_time(timedelta(days=3))
        self.scene.step(self.side(side))

    @rule(side=_SIDES, fate=_SHARP, waits=st.sampled_from((0, 4, 30)))
    def straggler_uses_old(self, side: int, fate: Fate, waits: int) -> None:
        """At the end of the overlap a worker is killed on its way through the gate; then something uses the old one."""
        one = self.side(side)
        self._come_to_the_gate(one)
        self.scene.step(one, replace(fate, end=End.KILLED))
        self.scene.use(one, self.scene.old_value(one))
        self.scene.world.pass_time(PAST_LEASE + timedelta(hours=waits))
        self.scene.step(one)

    # Applications.

    @rule(side=_SIDES)
    def applications_load(self, side: int) -> None:
        self.scene.refresh(self.side(side))

    @rule(side=_SIDES)
    def acknowledge(self, side: int) -> None:
        self.scene.refresh(self.side(side))
        self.scene.acknowledge(self.side(side))

    @rule(side=_SIDES)
    def applications_use(self, side: int) -> None:
        for consumer in self.side(side).consumers:
            self.scene.use(self.side(side), consumer.value)

    @rule(side=_SIDES, which=st.integers(0, 2))
    def save_a_form_late(self, side: int, which: int) -> None:
        places = self.side(side).places
        self.scene.go_back_at(places[which % len(places)], self.side(side))

    # What must hold.

    @invariant()
    def what_must_hold_now(self) -> None:
        self.scene.guard.holds_now()
        self.scene.guard.holds_waiting()

    def teardown(self) -> None:
        if not hasattr(self, "scene"):
            return
        try:
            self.scene.come_to_rest()
            self.scene.sweep_all()
            self.scene.guard.holds_at_rest()
            self.scene.guard.holds_no_secret()
        finally:
            reached.update(self.scene.guard.reached())
            self.scene.close()

    def raise_curtain(self, scene: Scene, *, lags: bool, refuses_late: bool) -> None:
        self.scene = scene
        for side in scene.sides:
            side.lags, side.refuses_late = lags, refuses_late
        scene.open(scene.sides[0])

    def side(self, number: int) -> Side:
        return self.scene.sides[number]

    def _come_to_the_gate(self, side: Side) -> None:
        """Be at the end of an overlap, of a rotation that was opened now where there is none, as far as nothing is in the way."""
        self.scene.open(side)
        for _ in range(3):
            self.scene.step(side)
            self.scene.world.pass_time(PAST_LEASE)
        self.scene.refresh(side)
        self.scene.acknowledge(side)
        self._jump(side, early=False)

    def _jump(self, side: Side, *, early: bool) -> None:
        record = self.scene.record(side)
        served = self.scene.guard.last_served(side, self.scene.old_value(side))
        if record is None or served is None or record.state not in {State.PUBLISHED, State.DISABLING}:
            return
        lag = side.manifest.last_used_lag or timedelta(0)
        self.scene.world.go_to(served + self.scene.policy.overlap + lag - timedelta(seconds=1 if early else 0))


class Rotations(Gates):
    """One example: two credentials, and everything that can happen to them."""

    @initialize(
        shapes=st.tuples(st.sampled_from(SHAPES), st.sampled_from(SHAPES)), sinks=st.integers(0, 2), has_consumers=st.booleans(),
        is_bound=st.sampled_from((True, True, False)), lags=st.booleans(), refuses_late=st.booleans(),
    )  # fmt: skip
    def set_the_stage(
        self, shapes: tuple[Shape, Shape], sinks: int, *, has_consumers: bool, is_bound: bool, lags: bool, refuses_late: bool
    ) -> None:  # fmt: skip
        scene = Scene(shapes, sinks, has_consumers, is_bound)
        self.raise_curtain(scene, lags=lags, refuses_late=refuses_late)

    # Workers.

    @rule(which=st.integers(0, 3), fate=_FATES)
    def wake_a_stopped_worker(self, which: int, fate: Fate) -> None:
        self.scene.wake(which, fate)

    @rule(side=_SIDES, fate=_FATES)
    def sweep(self, side: int, fate: Fate) -> None:
        self.scene.sweep(self.side(side), fate)

    # The vendor.

    @rule(side=_SIDES, trouble=st.sampled_from(Trouble))
    def trouble_ahead(self, side: int, trouble: Trouble) -> None:
        self.side(side).troubles.append(trouble)

    @rule(side=_SIDES, trouble=st.sampled_from(Trouble), fate=_FATES, soon=st.booleans())
    def step_in_trouble(self, side: int, trouble: Trouble, fate: Fate, *, soon: bool) -> None:
        """A change gets no answer, and the next worker comes by."""
        self.side(side).troubles[:] = [trouble]
        self.scene.step(self.side(side))
        self.scene.world.pass_time(timedelta(seconds=40) if soon else timedelta(minutes=2))
        self.scene.step(self.side(side), fate)

    @rule(side=_SIDES)
    def be_away_or_back(self, side: int) -> None:
        self.side(side).is_away = not self.side(side).is_away

    @rule(side=_SIDES, bad=st.booleans())
    def mint_badly(self, side: int, *, bad: bool) -> None:
        self.side(side).next_is_bad, self.side(side).next_is_slow = bad, not bad

    @rule(side=_SIDES)
    def hold_open_or_close(self, side: int) -> None:
        self.side(side).held_open = not self.side(side).held_open

    @rule(side=_SIDES)
    def set_the_vendors_clock(self, side: int) -> None:
        self.side(side).clock_is_wrong = not self.side(side).clock_is_wrong

    @rule(side=_SIDES, many=st.booleans())
    def somebody_makes_one(self, side: int, *, many: bool) -> None:
        one = self.side(side)
        slots = one.manifest.slots
        for _ in range(2 if many else 1):
            if slots is None or len(one.standing) < slots:
                self.scene.world.mint(one, "somebody's", ours=False)

    @rule(side=_SIDES)
    def somebody_puts_one_into_the_block(self, side: int) -> None:
        """Somebody rotated in the vendor's console: a value that works, and that the ledger does not know."""
        one = self.side(side)
        if not one.manifest.by_hand and (one.manifest.slots is None or len(one.standing) < one.manifest.slots):
            entry = self.scene.world.mint(one, "made in the console", ours=False)
            self.scene.world.serve(one.projection, entry.value, by_engine=False)

    @rule(side=_SIDES)
    def somebody_deletes_one(self, side: int) -> None:
        for entry in self.scene.foreign(self.side(side)):
            self.scene.world.set_live(entry, Live.GONE)

    # Operators.

    @rule(side=_SIDES, kind=st.sampled_from((Kind.SCHEDULED, Kind.MANUAL)), again=st.booleans())
    def open(self, side: int, kind: Kind, *, again: bool) -> None:
        self.scene.open(self.side(side), kind, again=again)

    @rule(side=_SIDES, contain=st.booleans(), fate=_FATES)
    def emergency(self, side: int, *, contain: bool, fate: Fate) -> None:
        self.scene.emergency(self.side(side), contain=contain)
        self.scene.step(self.side(side), fate)

    @rule(side=_SIDES, fate=_FATES, at_once=st.booleans())
    def roll_back(self, side: int, fate: Fate, *, at_once: bool) -> None:
        self.scene.roll_back(self.side(side), fate)
        if at_once:
            self.scene.step(self.side(side))

    @rule(side=_SIDES)
    def resume(self, side: int) -> None:
        self.scene.resume(self.side(side))

    @rule(side=_SIDES)
    def waive(self, side: int) -> None:
        self.scene.work(self.side(side), lambda hands, rotation: waive(hands.ledger, rotation, "ada", "it may break"))

    @rule(side=_SIDES, named=st.booleans(), fate=_FATES)
    def adopt(self, side: int, *, named: bool, fate: Fate) -> None:
        self.scene.adopt(self.side(side), named=named, fate=fate)

    @rule()
    def freeze_or_thaw(self) -> None:
        if not thaw(self.scene.ledger, "ada"):
            with suppress(OpsError):
                freeze(self.scene.ledger, "the audit", "ada")

    @rule(side=_SIDES)
    def people_answer(self, side: int) -> None:
        self.scene.answer_questions(self.side(side))
        self.scene.person_revokes(self.side(side))


class Pointed(Rotations):
    """One example: two credentials at vendors that are themselves pointed to the new value, or know no marker."""

    @initialize(
        shapes=st.tuples(st.sampled_from(POINTED), st.sampled_from(POINTED)),
        sinks=st.integers(0, 1),
        lags=st.booleans(),
    )
    def set_the_stage(self, shapes: tuple[Shape, Shape], sinks: int, *, lags: bool) -> None:
        self.raise_curtain(Scene(shapes, sinks), lags=lags, refuses_late=False)
