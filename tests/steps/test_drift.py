"""Between rotations a block or sink that shows another value is put right, or told to someone."""

from datetime import timedelta

import pytest

from domain.rotation import State
from ledger.alerts import open_alerts
from ledger.rotation_rows import rotations
from steps.adoption_order import AdoptionOrder, adopt
from steps.drift import make_due_where_drifted, put_back_drift
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES

PLAIN = next(shape for shape in SHAPES if shape.name == "plain")


@pytest.fixture
def scene() -> Scene:
    """A credential whose rotation is over."""
    made = Scene((PLAIN,))
    [side] = made.sides
    made.open(side)
    made.step(side)
    made.world.pass_time(timedelta(hours=25))
    made.step(side)
    assert rotations(made.ledger)[0].state is State.DONE
    return made


def _put_back(scene: Scene) -> list[str]:
    return put_back_drift(scene.hands(scene.sides[0], "sweeper"))


def test_what_is_as_it_should_be_is_left_alone(scene: Scene) -> None:
    assert _put_back(scene) == []


def test_an_earlier_value_in_the_block_is_put_right(scene: Scene) -> None:
    [side] = scene.sides
    now = side.projection.now
    assert now is not None
    scene.world.serve(side.projection, side.entries[0].value, by_engine=False)

    said = _put_back(scene)

    assert side.projection.now is not None
    assert side.projection.now.value == now.value
    assert "put back" in said[0]


def test_a_value_that_nobody_knows_is_left_alone_and_raised(scene: Scene) -> None:
    [side] = scene.sides
    scene.world.serve(side.projection, "s3cr3t-somebodys", by_engine=False)

    said = _put_back(scene)

    assert side.projection.now is not None
    assert side.projection.now.value == "s3cr3t-somebodys"
    assert f"opsflows adopt {side.credential}" in said[0]
    assert [alert.key for alert in open_alerts(scene.ledger)] == [f"drift:{side.credential}"]


def test_the_alert_is_over_when_the_block_is_right_again(scene: Scene) -> None:
    [side] = scene.sides
    right = side.projection.now
    assert right is not None
    scene.world.serve(side.projection, "s3cr3t-somebodys", by_engine=False)
    _put_back(scene)
    scene.world.serve(side.projection, right.value, by_engine=False)

    _put_back(scene)

    assert open_alerts(scene.ledger) == []


def test_a_sink_that_serves_another_value_is_filled_again(scene: Scene) -> None:
    [side] = scene.sides
    [sink] = side.sinks.values()
    right = sink.now
    assert right is not None
    scene.world.serve(sink, side.entries[0].value, by_engine=False)

    said = _put_back(scene)

    assert sink.now is not None
    assert sink.now.value == right.value
    assert "Sink sink0" in said[0]


def test_a_sink_is_filled_again_also_while_somebodys_value_waits_in_the_block(scene: Scene) -> None:
    [side] = scene.sides
    [sink] = side.sinks.values()
    right = sink.now
    assert right is not None
    scene.world.serve(side.projection, "s3cr3t-somebodys", by_engine=False)
    scene.world.serve(sink, side.entries[0].value, by_engine=False)

    said = _put_back(scene)

    assert sink.now is not None
    assert sink.now.value == right.value
    assert side.projection.now is not None
    assert side.projection.now.value == "s3cr3t-somebodys"
    assert "opsflows adopt" in said[0]
    assert "Sink sink0" in said[1]


def _with_a_value_that_was_kept_and_never_proven() -> Scene:
    """Somebody rotated in the console, and our first rotation kept that value and was given up before it made another one."""
    made = Scene((PLAIN,), is_bound=False)
    [side] = made.sides
    made.world.serve(side.projection, made.world.mint(side, "made in the console", ours=False).value, by_engine=False)
    made.open(side)
    side.is_away = True
    made.step(side)
    made.roll_back(side)
    side.is_away = False
    made.world.pass_time(timedelta(minutes=6))
    made.step(side)
    assert rotations(made.ledger)[0].state is State.ABORTED
    return made


def test_a_sink_is_not_given_a_value_that_was_never_proven() -> None:
    made = _with_a_value_that_was_kept_and_never_proven()
    [side] = made.sides
    [sink] = side.sinks.values()

    said = _put_back(made)

    assert sink.now is not None
    assert sink.now.value == side.entries[0].value
    assert "never proven" in said[0]
    assert f"opsflows adopt {side.credential}" in said[0]


def test_a_sink_is_filled_once_an_adoption_has_proven_the_value() -> None:
    made = _with_a_value_that_was_kept_and_never_proven()
    [side] = made.sides
    [sink] = side.sinks.values()
    adopt(made.hands(side, "ada"), AdoptionOrder("ada", "OPS-1", "run1"))

    said = _put_back(made)

    assert sink.now is not None
    assert side.projection.now is not None
    assert sink.now.value == side.projection.now.value
    assert "it was put back" in said[0]


def test_in_the_overlap_a_block_that_shows_the_old_value_makes_its_rotation_due() -> None:
    made = Scene((PLAIN,))
    [side] = made.sides
    made.open(side)
    waiting = made.step(side)
    assert waiting is not None
    new = side.projection.now
    assert new is not None
    hands = made.hands(side, "sweeper")
    unmoved = make_due_where_drifted(hands, waiting)
    made.world.pass_time(timedelta(hours=3))
    made.world.serve(side.projection, side.entries[0].value, by_engine=False)

    said = make_due_where_drifted(hands, waiting)
    after = made.step(side)

    assert unmoved == []
    assert "its block showed another value" in said[0]
    assert side.projection.now is not None
    assert side.projection.now.value == new.value
    assert after is not None
    assert after.served_at == made.world.now
