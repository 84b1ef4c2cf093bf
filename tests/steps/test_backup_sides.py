"""A ledger that comes back from a backup is behind the world: what contradicts it is told, and an open overlap ends once and on time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.manifests import Manifest, Mint
from domain.names import AT_VENDOR
from domain.restored import WAIVED_KIND, Sides, accepted_as, differences
from domain.rotation import State, Wait
from ledger.backup_rows import put_rows_back, take_snapshot
from ledger.freezing import RESTORED, freeze, frozen
from ledger.held_credentials import find_credential, held_credentials, see_credential
from ledger.rotation_rows import rotations
from ledger.schema import SCHEMA_VERSION
from ledger.waivers import waive
from steps.adoption_order import AdoptionOrder, adopt
from steps.backup_sides import lift_after_restore, look_at, still_open
from steps.drift import put_back_drift
from tests.steps.rotation_doubles import fingerprint
from tests.steps.rotation_scene import Scene, made_ledger
from tests.steps.rotation_world import POINTED, SHAPES, Live, Side

_BY_NAME = {shape.name: shape for shape in SHAPES}
_POINTS = next(shape for shape in POINTED if shape.name == "points")
_OVERLAP = timedelta(hours=24)
_LATER = "opsflows-r99999999999-1"


@pytest.fixture(params=["plain", "two places"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = Scene((_BY_NAME[request.param],))
    yield made
    made.close()


@pytest.fixture
def side(scene: Scene) -> Side:
    return scene.sides[0]


def backed_up(scene: Scene) -> Callable[[], None]:
    """Take a backup now; what is returned wipes the ledger and puts it back, with the documents as they were."""
    parts = [content for _, content in take_snapshot(scene.ledger).parts()]
    documents = dict(scene.documents)

    def put_back() -> None:
        made_ledger().emptied()
        put_rows_back(f"sqlite:///{made_ledger().file}", SCHEMA_VERSION, parts, "restored from a backup")
        scene.documents.clear()
        scene.documents.update(documents)
        # The witness knows that it is a restore, and no worker, that takes the pointer and the journal back.
        scene.guard._versions = {str(one.credential): one.version for one in held_credentials(scene.ledger)}
        there = rotations(scene.ledger)
        scene.guard._read = sum(one.head_seq for one in there)
        scene.guard._heads = {one.id: one.head_seq for one in there}
        scene.guard._states = {one.id: one.state for one in there}

    return put_back


def looked(scene: Scene, side: Side) -> Sides:
    held = find_credential(scene.ledger, side.credential)
    assert held is not None
    return look_at(scene.hands(side, "looking"), held)


def told(scene: Scene, side: Side) -> list[str]:
    """Return the kinds of the differences, without what they are of."""
    return sorted(one.key.split(":")[0] for one in differences(looked(scene, side)))


def accept(scene: Scene, key: str) -> None:
    """Answer for a difference in the freeze that is in force."""
    there = frozen(scene.ledger)
    assert there is not None
    until = scene.ledger.now().date() + timedelta(days=30)
    waive(scene.ledger, "prod", f"{WAIVED_KIND} {accepted_as(key, there.frozen_at)}", "ada", "seen to", until)


def in_overlap(scene: Scene, side: Side) -> None:
    scene.open(side)
    record = scene.step(side)
    assert record is not None
    assert record.wait is Wait.OVERLAP


def test_an_overlap_that_was_open_at_the_backup_ends_once_and_on_time(scene: Scene, side: Side) -> None:
    in_overlap(scene, side)
    old, new = side.entries[0], side.entries[-1]
    put_back = backed_up(scene)
    scene.world.pass_time(timedelta(hours=1))
    put_back()

    still, _ = still_open(scene.ledger, [looked(scene, side)])
    lift_after_restore(scene.ledger, "ada")
    early = scene.step(side)
    scene.world.pass_time(_OVERLAP - timedelta(hours=2))
    early_still = old.live
    scene.come_to_rest()

    assert still == []
    assert early is not None
    assert (early.wait, early_still) == (Wait.OVERLAP, Live.ON)
    assert (old.live, new.live) == (Live.GONE, Live.ON)
    assert [one.state for one in rotations(scene.ledger)] == [State.DONE]


def test_nothing_is_changed_at_the_vendor_while_it_is_frozen(scene: Scene, side: Side) -> None:
    in_overlap(scene, side)
    put_back = backed_up(scene)
    put_back()
    scene.world.pass_time(2 * _OVERLAP)
    before = scene.guard.mutations

    record = scene.step(side)
    scene.sweep_all()

    assert record is not None
    assert (record.wait, scene.guard.mutations) == (Wait.FROZEN, before)


def test_an_overlap_that_ended_after_the_backup_is_no_difference_and_closes_by_itself(scene: Scene, side: Side) -> None:
    in_overlap(scene, side)
    put_back = backed_up(scene)
    scene.come_to_rest()
    put_back()

    found = told(scene, side)
    lift_after_restore(scene.ledger, "ada")
    scene.come_to_rest()

    assert found == []
    assert [one.state for one in rotations(scene.ledger)] == [State.DONE]


def test_a_whole_rotation_after_the_backup_is_told_from_every_side(scene: Scene, side: Side) -> None:
    put_back = backed_up(scene)
    in_overlap(scene, side)
    scene.come_to_rest()
    newest = side.entries[-1]
    put_back()

    found = told(scene, side)
    # The block's value is the one in use: adopted, it is what every side has.
    adopt(scene.hands(side, "adopting"), AdoptionOrder("ada", "OPS-1", "run-1"))

    assert found == ["block", "gone", "minted", "sink"]
    assert (newest.live, told(scene, side)) == (Live.ON, [])


def _gone(scene: Scene, side: Side) -> None:
    scene.world.set_live(side.entries[0], Live.GONE)


def _switched_off(scene: Scene, side: Side) -> None:
    scene.world.set_live(side.entries[0], Live.OFF)


def _minted(scene: Scene, side: Side) -> None:
    scene.world.mint(side, _LATER, ours=False)


def _block_changed(scene: Scene, side: Side) -> None:
    scene.world.serve(side.projection, "typed by hand", by_engine=False)


def _block_emptied(scene: Scene, side: Side) -> None:
    side.projection.history.clear()


def _sink_changed(scene: Scene, side: Side) -> None:
    scene.world.serve(side.sinks["sink0"], "another", by_engine=False)


def _document_lost(scene: Scene, side: Side) -> None:
    scene.documents.clear()


def _vendor_away(scene: Scene, side: Side) -> None:
    side.is_away = True


@pytest.mark.parametrize(
    ("happen", "kind", "command"),
    [
        (_gone, "gone", "opsflows connect datadog --environment prod"),
        (_switched_off, "disabled", "opsflows connect datadog --environment prod"),
        (_minted, "minted", "opsflows restore --agree --accept minted:"),
        (_block_changed, "block", "opsflows adopt datadog-default-prod-send"),
        (_block_emptied, "block", "opsflows connect datadog --environment prod"),
        (_sink_changed, "sink", "opsflows connect datadog --environment prod"),
        (_document_lost, "lost", "opsflows connect datadog --environment prod"),
        (_vendor_away, "unseen", "opsflows restore --agree"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_each_difference_has_its_command(
    scene: Scene, side: Side, happen: Callable[[Scene, Side], None], kind: str, command: str
) -> None:
    happen(scene, side)

    found = differences(looked(scene, side))

    assert [one.key.split(":")[0] for one in found] == [kind]
    assert found[0].command.startswith(command)


def test_what_works_and_is_retired_in_the_ledger_is_told(scene: Scene, side: Side) -> None:
    in_overlap(scene, side)
    scene.come_to_rest()
    seen = looked(scene, side)
    assert seen.listed is not None
    revived = replace(seen.listed[-1], vendor_id=seen.rotations[0].old_vendor_id, name="")

    found = differences(replace(seen, listed=(*seen.listed, revived)))

    assert [one.key.split(":")[0] for one in found] == ["retired"]


def test_a_difference_that_somebody_answers_for_no_longer_stands_in_the_way(scene: Scene, side: Side) -> None:
    _minted(scene, side)
    seen = looked(scene, side)
    key = differences(seen)[0].key
    freeze(scene.ledger, "restored", RESTORED)

    accept(scene, key)
    still, accepted = still_open(scene.ledger, [seen])

    assert ([one.key for one in still], [one.key for one in accepted]) == ([], [key])


def test_only_the_freeze_of_a_restore_is_lifted(scene: Scene) -> None:
    put_back = backed_up(scene)
    without = lift_after_restore(scene.ledger, "ada")
    put_back()

    lifted = lift_after_restore(scene.ledger, "ada")

    assert (without, frozen(scene.ledger)) == (None, None)
    assert lifted is not None


def test_what_one_restore_accepted_is_asked_again_by_the_next(scene: Scene, side: Side) -> None:
    backed_up(scene)()
    _block_changed(scene, side)
    [key] = [one.key for one in differences(looked(scene, side))]
    accept(scene, key)
    first, _ = still_open(scene.ledger, [looked(scene, side)])
    lift_after_restore(scene.ledger, "ada")
    backed_up(scene)()
    scene.world.serve(side.projection, "another one typed by hand", by_engine=False)

    second, accepted = still_open(scene.ledger, [looked(scene, side)])

    assert (first, [one.key for one in second], accepted) == ([], [key], [])


def test_a_value_that_cannot_be_adopted_is_answered_for() -> None:
    scene = Scene((_BY_NAME["by hand"],))
    side = scene.sides[0]
    see_credential(scene.ledger, side.credential, fingerprint(side.entries[0].value))
    scene.world.serve(side.projection, "typed by hand", by_engine=False)

    found = differences(looked(scene, side))
    scene.close()

    assert [one.key.split(":")[0] for one in found] == ["block", "refused", "sink"]
    assert {one.command.split(":")[0] for one in found} == {
        f"opsflows restore --agree --accept {kind}" for kind in ("block", "refused", "sink")
    }


def test_the_value_in_use_that_was_made_by_hand_after_the_backup_outlives_the_restore() -> None:
    scene = Scene((_BY_NAME["by hand"],))
    [side] = scene.sides
    scene.open(side)
    scene.come_to_rest()
    put_back = backed_up(scene)
    scene.world.pass_time(timedelta(days=1))
    scene.open(side)
    scene.come_to_rest()
    newest = side.entries[-1].value
    put_back()
    scene.world.serve(side.projection, "an older one", by_engine=False)
    with_an_older_one = told(scene, side)
    scene.world.serve(side.projection, newest, by_engine=False)  # opsflows connect

    connected = differences(looked(scene, side))
    accept(scene, connected[0].key)
    still, accepted = still_open(scene.ledger, [looked(scene, side)])
    lift_after_restore(scene.ledger, "ada")
    said = put_back_drift(scene.hands(side, "sweeper"))
    served = {place.now.value for place in (*side.sinks.values(), side.projection) if place.now}
    scene.close()

    assert with_an_older_one == ["block", "refused", "sink"]
    assert [one.key.split(":")[0] for one in connected] == ["block"]
    assert f"opsflows rotate {side.credential}" in connected[0].means
    assert (still, len(accepted)) == ([], 1)
    assert served == {newest}
    assert f"opsflows rotate {side.credential}" in said[0]


class _Blind:
    """A place that does not show what it serves, as GitHub Actions."""

    keeps_previous = False

    def publish(self, value: str, previous: str = "") -> None:
        raise AssertionError(f"{value!r} and {previous!r} are published by looking")

    def serves(self, value: str, previous: str = "") -> bool | None:
        del value, previous
        return None


def test_a_sink_that_cannot_be_read_is_told_and_answered_for(scene: Scene, side: Side) -> None:
    held = find_credential(scene.ledger, side.credential)
    assert held is not None
    hands = replace(scene.hands(side, "looking"), sinks=dict.fromkeys(side.sinks, _Blind()))

    found = differences(look_at(hands, held))

    assert [one.key.split(":")[:2] for one in found] == [["unread", name] for name in side.sinks]
    assert "could not be read" in found[0].what
    assert found[0].command.startswith("opsflows restore --agree --accept unread:sink0:")


def test_a_vendor_that_holds_one_value_and_cannot_be_asked_is_told(scene: Scene, side: Side) -> None:
    held = find_credential(scene.ledger, side.credential)
    assert held is not None
    hands = scene.hands(side, "looking")

    found = differences(look_at(replace(hands, manifest=Manifest(Mint.BY_CLIENT, swaps=True)), held))

    assert [one.key.split(":")[:2] for one in found] == [["unread", AT_VENDOR]]
    assert found[0].what.startswith("The vendor itself could not be read")


def test_where_the_vendor_itself_points_is_looked_at() -> None:
    scene = Scene((_POINTS,))
    [side] = scene.sides
    agreed = told(scene, side)
    scene.world.serve(side.pointer, "another", by_engine=False)

    found = differences(looked(scene, side))
    scene.close()

    assert agreed == []
    assert [one.key.split(":")[:2] for one in found] == [["sink", AT_VENDOR]]
    assert found[0].what.startswith("The vendor itself serves another value")


def test_a_credential_that_the_vendor_does_not_list_is_asked_about_by_its_value() -> None:
    scene = Scene((_BY_NAME["cannot list"],))
    side = scene.sides[0]
    agreed = told(scene, side)
    scene.world.set_live(side.entries[0], Live.GONE)

    found = told(scene, side)
    scene.close()

    assert (agreed, found) == ([], ["refused"])
