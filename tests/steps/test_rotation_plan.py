"""Plan before apply: what would happen, what was seen, what stands in the way; and nothing is changed."""

from datetime import timedelta

import pytest

from ledger.freezing import freeze
from ledger.rotation_rows import rotations
from steps.rotation_plan import PlanRow, plan_rotation
from steps.rotation_reports import plan_document
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES, Live, Shape

BY_NAME = {shape.name: shape for shape in SHAPES}


def _planned(scene: Scene) -> PlanRow:
    return plan_rotation(scene.hands(scene.sides[0], "planner"))


def _scene(name: str, **changes: object) -> Scene:
    return Scene((BY_NAME[name],), **changes)  # type: ignore[arg-type]  # fields of Scene


@pytest.mark.parametrize("shape", [one for one in SHAPES if one.name != "cannot list"], ids=lambda one: one.name)
def test_a_plan_changes_nothing_at_the_vendor_in_the_ledger_or_in_the_store(shape: Shape) -> None:
    scene = Scene((shape,))
    [side] = scene.sides
    before = [(entry.vendor_id, entry.live) for entry in side.entries]
    documents = dict(scene.documents)

    row = _planned(scene)

    assert [(entry.vendor_id, entry.live) for entry in side.entries] == before
    assert rotations(scene.ledger) == []
    assert scene.documents == documents
    assert row.would[-1] == "see that the vendor refuses it"


def test_the_earliest_moment_the_old_one_may_go_counts_overlap_and_the_vendors_lag() -> None:
    scene = _scene("tells use late")

    row = _planned(scene)

    assert row.earliest == scene.world.now + timedelta(hours=24 + 3)
    assert any(f"not before {row.earliest:%Y-%m-%d %H:%M} UTC" in step for step in row.would)


def test_rights_and_free_places_are_told() -> None:
    row = _planned(_scene("lists late"))

    assert "2 listed of 3 places; the manage credential may list" in row.seen


def test_a_vendor_without_a_free_place_stands_in_the_way() -> None:
    scene = _scene("lists late")
    scene.world.mint(scene.sides[0], "one more", ours=False)

    row = _planned(scene)

    assert any("All 3 places are taken" in problem for problem in row.problems)


def test_what_is_not_adopted_is_told_with_what_it_seems_to_be() -> None:
    row = _planned(_scene("plain", is_bound=False))

    assert any("it seems to be made by hand" in problem for problem in row.problems)


def test_a_value_that_the_vendor_refuses_stands_in_the_way() -> None:
    scene = _scene("plain")
    scene.world.set_live(scene.sides[0].entries[0], Live.GONE)

    row = _planned(scene)

    assert any("refuses the value in use" in problem for problem in row.problems)


def test_an_open_rotation_and_a_freeze_stand_in_the_way() -> None:
    scene = _scene("plain")
    scene.open(scene.sides[0])
    freeze(scene.ledger, "month-end", "bob")

    row = _planned(scene)

    told = " ".join(row.problems)
    assert f"Rotation {rotations(scene.ledger)[0].id} is open" in told
    assert "Frozen by bob: month-end." in told


def test_a_vendor_that_is_away_is_a_problem_of_the_plan_and_not_its_end() -> None:
    scene = _scene("plain")
    scene.sides[0].is_away = True

    row = _planned(scene)

    assert row.problems
    assert row.would


def test_the_document_lists_every_part() -> None:
    text = plan_document([_planned(_scene("tells use", has_consumers=True))])

    assert "evidence that app uses the new one" in text
    assert "switch the old one off, soak 24 h" in text
    assert "- sink sink0 serves the value in use" in text
