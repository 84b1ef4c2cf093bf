"""A value made by hand goes into its document once, answers its question, and stands nowhere else."""

import pytest

from domain.errors import BadInput
from domain.names import version_name
from domain.rotation import RotationRecord, State, Wait
from ledger.questions import open_questions
from ledger.rotation_journal import entries
from steps.entering import awaiting_value, enter_value
from tests.steps.rotation_doubles import fingerprint
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES

BY_NAME = {shape.name: shape for shape in SHAPES}


@pytest.fixture
def scene() -> Scene:
    """A credential that is made by hand, whose rotation has asked for its value."""
    scene = Scene((BY_NAME["by hand"],))
    scene.open(scene.sides[0])
    scene.step(scene.sides[0])
    return scene


def waiting(scene: Scene) -> RotationRecord:
    record = scene.record(scene.sides[0])
    assert record is not None
    return record


def entered(scene: Scene, value: str) -> None:
    record = waiting(scene)
    store = scene.hands(scene.sides[0], "ada").store
    enter_value(scene.ledger, record, value, operator="ada", store=store, fingerprint=fingerprint)


def test_the_value_is_kept_and_proven_and_its_question_answered(scene: Scene) -> None:
    [side] = scene.sides
    made = scene.world.mint(side, "made by ada", ours=False)
    record = waiting(scene)

    entered(scene, made.value)
    after = scene.step(side)

    assert record.wait is Wait.AWAITING_HUMAN_CREATE
    assert scene.documents[version_name(side.credential, record.id, 1)].value == made.value
    assert not [question for question in open_questions(scene.ledger) if ":create:" in question.integration]
    assert after is not None
    assert after.state is State.PUBLISHED


def test_the_journal_says_who_entered_it_and_never_what(scene: Scene) -> None:
    made = scene.world.mint(scene.sides[0], "made by ada", ours=False)

    entered(scene, made.value)

    told = entries(scene.ledger, waiting(scene).id)
    assert ("enter", "ada") in [(entry.said.get("verb"), entry.said.get("operator")) for entry in told]
    assert made.value not in str(told)


def test_the_value_in_use_is_no_new_value(scene: Scene) -> None:
    with pytest.raises(BadInput, match="no new value"):
        entered(scene, scene.sides[0].entries[0].value)

    assert open_questions(scene.ledger) != []


def test_the_first_value_of_an_attempt_stays(scene: Scene) -> None:
    [side] = scene.sides
    first, second = (scene.world.mint(side, name, ours=False) for name in ("first", "second"))
    entered(scene, first.value)
    entered(scene, first.value)

    with pytest.raises(BadInput, match="Another value was entered"):
        entered(scene, second.value)

    assert scene.documents[version_name(side.credential, waiting(scene).id, 1)].value == first.value


def test_a_rotation_whose_value_the_vendor_makes_waits_for_none() -> None:
    scene = Scene((BY_NAME["plain"],))
    scene.open(scene.sides[0])
    scene.step(scene.sides[0])

    with pytest.raises(BadInput, match="waits for no value"):
        awaiting_value(scene.ledger, waiting(scene).id, lambda _: scene.sides[0].manifest)
