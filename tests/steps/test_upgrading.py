"""An upgrade in the middle of an overlap: the ledger of the release before is migrated, and the overlap ends once and on time."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.rotation import State, Wait
from ledger.backup_rows import _insert_part, _make_way, take_snapshot
from ledger.migrating import building, upgrade_to
from ledger.opening import open_ledger, schema_version
from ledger.rotation_rows import find_rotation, rotations
from ledger.schema import SCHEMA_VERSION
from tests.steps.rotation_scene import Scene, made_ledger
from tests.steps.rotation_world import SHAPES, Live, Side

_OVERLAP = timedelta(hours=24)
# Rotations are there since 0002; what came later adds tables and columns, and a release's own rows are the same.
_EARLIER = ("0002", "0003", "0004")


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene((SHAPES[0],))
    yield made
    made.close()


@pytest.fixture
def side(scene: Scene) -> Side:
    return scene.sides[0]


def as_it_was_at(scene: Scene, version: str) -> str:
    """Make the scene's ledger one of that schema, as the earlier release left it, and return its URL."""
    url = f"sqlite:///{made_ledger().file}"
    parts = [content for _, content in take_snapshot(scene.ledger).parts()]
    made_ledger().emptied()
    with building(url) as ledger, ledger.writing() as connection:
        _make_way(connection)
        upgrade_to(connection, version)
        for part in parts:
            _insert_part(connection, part)
        assert schema_version(connection) == version
    return url


@pytest.mark.parametrize("version", _EARLIER)
def test_an_overlap_goes_on_through_an_upgrade_and_ends_once_and_on_time(
    scene: Scene, side: Side, version: str
) -> None:
    scene.open(side)
    begun = scene.step(side)
    assert begun is not None
    url = as_it_was_at(scene, version)
    scene.world.pass_time(_OVERLAP / 2)

    open_ledger(url).close()  # the first thing that a worker of this release does
    there = find_rotation(scene.ledger, begun.id)
    early = scene.step(side)
    before = side.entries[0].live
    scene.world.go_to(begun.not_before)
    ended = scene.step(side)
    scene.come_to_rest()

    with scene.ledger.reading() as connection:
        assert schema_version(connection) == SCHEMA_VERSION
    assert (there.wait, there.not_before, there.head_hash) == (Wait.OVERLAP, begun.not_before, begun.head_hash)
    assert early is not None
    assert (early.wait, before) == (Wait.OVERLAP, Live.ON)
    assert ended is None or ended.wait is not Wait.OVERLAP
    assert [one.live for one in side.entries if one.ours] == [Live.ON]
    assert side.entries[0].live is Live.GONE
    assert [one.state for one in rotations(scene.ledger)] == [State.DONE]
