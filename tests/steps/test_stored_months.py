"""A month whose events lie in a store: each object is fetched once, one that is refused costs its day, and only those that hold lost events again."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from domain.reconciliation import Finding
from domain.reconciliation_sections import ReceivedSection
from domain.windows import day_window
from tests.steps.conftest import OpenScene
from tests.steps.month_scenes import THREE_DAYS, MonthScene, Rows, Vendor, every_day, listed, recorded
from tests.stores.google import Bucket, google_bucket, refused
from tests.stores.loopback import Asked, Loopback, Told

SECOND = date(2026, 10, 2)
EACH = 40


@pytest.fixture
def served() -> Iterator[tuple[Bucket, Loopback]]:
    with google_bucket() as served:
        yield served


@pytest.fixture
def scene(served: tuple[Bucket, Loopback], open_in: OpenScene) -> MonthScene:
    bucket, loopback = served
    made = MonthScene.of(open_in("rehearsal", "slack"))
    section = made.files(place="gs://events/events", address=loopback.url)
    made.configure(emitted={"gateway": section}, received={"slack": ReceivedSection(by="ids", type_field="kind")})
    for day in THREE_DAYS.days():
        rows = [recorded(*one) for one in every_day(day_window(day), EACH)]
        bucket.put(f"events/{day}.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return made


def run(scene: MonthScene, *, lost_on: date | None = None) -> Rows:
    names = [one for one in every_day(THREE_DAYS, EACH) if one[1].date() != lost_on]
    return scene.run({"slack": Vendor("ids", [listed(*one) for one in names]).counting()})


def fetched(loopback: Loopback) -> Counter[str]:
    """Return how often each object's content was asked for, and forget it."""
    names = [name for one in loopback.asked if (name := _content(one))]
    loopback.asked.clear()
    return Counter(names)


def _content(asked: Asked) -> str:
    return asked.path.rpartition("2F")[2] if asked.query.get("alt") == "media" else ""


def left_behind(scene: MonthScene) -> list[Path]:
    return [path for path in scene.place.spool.rglob("*") if path.is_file() and path.suffix in {".jsonl", ".part"}]


def test_an_object_is_fetched_once_and_nothing_of_it_stays(
    scene: MonthScene, served: tuple[Bucket, Loopback]
) -> None:  # fmt: skip
    rows = run(scene)
    first = fetched(served[1])
    run(scene)

    assert rows.month().finding is Finding.OK
    assert first == {f"{day}.jsonl": 1 for day in THREE_DAYS.days()}
    assert fetched(served[1]) == {}
    assert left_behind(scene) == []


def test_only_objects_that_hold_lost_events_are_fetched_again(
    scene: MonthScene, served: tuple[Bucket, Loopback]
) -> None:  # fmt: skip
    run(scene)
    fetched(served[1])

    rows = run(scene, lost_on=SECOND)

    assert fetched(served[1]) == {f"{SECOND}.jsonl": 1}
    assert len(rows.month().missing_ids) == EACH
    assert left_behind(scene) == []


def test_an_object_that_is_refused_costs_its_day_alone(scene: MonthScene, served: tuple[Bucket, Loopback]) -> None:
    def refuse(asked: Asked, told: Told) -> Told:
        return refused(403, "no") if _content(asked) == f"{SECOND}.jsonl" else told

    served[1].spoil(*[refuse] * 20)

    rows = run(scene)

    assert rows.month().days_missing == (SECOND,)
    assert len(rows.fault_words()) == 1
    assert "unreadable" in rows.fault_words()[0]


def test_ids_of_lost_events_that_cannot_be_had_are_said_to_be_missing(
    scene: MonthScene, served: tuple[Bucket, Loopback]
) -> None:  # fmt: skip
    run(scene)
    served[1].spoil(*[lambda asked, told: refused(403, "no") if _content(asked) else told] * 20)

    rows = run(scene, lost_on=SECOND)

    assert (rows.month().finding, rows.month().missing_ids) == (Finding.BREACH, ())
    assert ["could not be looked up" in words for words in rows.fault_words()] == [True]
