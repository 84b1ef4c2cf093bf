"""What operators order of an open rotation, and what an order does not carry over."""

from domain.rotation import Wait
from ledger.rotation_rows import find_rotation, rotations
from steps.rotation_orders import order_roll_back, waive
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES

PLAIN = next(shape for shape in SHAPES if shape.name == "plain")
NOT_SEEN = next(shape for shape in SHAPES if shape.name == "not seen")


def test_a_waiver_of_the_old_one_does_not_let_the_new_one_go_after_a_rollback() -> None:
    scene = Scene((PLAIN,))
    [side] = scene.sides
    scene.open(side)
    scene.step(side)
    [record] = rotations(scene.ledger)
    waive(scene.ledger, record.id, "ada", "nobody uses it")
    waived = find_rotation(scene.ledger, record.id).facts["waived"]

    order_roll_back(scene.ledger, record.id, "ada", "it hurts")

    assert waived == {"operator": "ada", "reason": "nobody uses it", "state": "PUBLISHED"}
    assert not find_rotation(scene.ledger, record.id).facts["waived"]


def test_an_event_is_not_sent_again_while_a_person_is_asked_about_it() -> None:
    scene = Scene((NOT_SEEN,))
    [side] = scene.sides
    scene.open(side)
    first = scene.step(side)
    probes = len(scene.guard.probes)

    again = scene.step(side)

    assert first is not None
    assert again is not None
    assert first.wait is again.wait is Wait.AWAITING_HUMAN_SEEN
    assert first.words == again.words
    assert len(scene.guard.probes) == probes
