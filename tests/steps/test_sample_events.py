"""A sample is written as applications write, loaded into the stand-ins once, and says what was planted in it."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from domain.errors import BadInput, OpsError
from domain.windows import Month, Window
from steps.sample_events import MANIFEST, PLANTED, write_sample
from tests.steps.rehearsal_context import Scene
from vendors.stand_ins import StandIns, connect

OCTOBER = Month(2026, 10)
TWO_DAYS = Window(datetime(2026, 10, 12, tzinfo=UTC), datetime(2026, 10, 14, tzinfo=UTC))


@pytest.fixture
def told(rehearsal: Scene) -> Iterator[StandIns]:
    with closing(connect(rehearsal.stand_ins.url, rehearsal.context().conduct)) as stand_ins:
        yield stand_ins


def test_the_manifest_says_what_the_files_hold(rehearsal: Scene, told: StandIns) -> None:
    sample = write_sample(OCTOBER, 10, rehearsal.home / "sample", told, TWO_DAYS)

    entries = json.loads((sample.folder / MANIFEST).read_text())["files"]
    assert len(entries) == sample.files
    for entry in entries:
        content = (sample.folder / entry["name"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert (entry["bytes"], entry["rows"]) == (len(content), gzip.decompress(content).count(b"\n"))
    assert sample.records == sum(entry["rows"] for entry in entries)


def test_what_was_planted_stands_beside_the_events(rehearsal: Scene, told: StandIns) -> None:
    sample = write_sample(OCTOBER, 10, rehearsal.home / "sample", told, TWO_DAYS)

    said = json.loads((sample.folder / PLANTED).read_text())
    assert said == {"month": "2026-10", "seed": 10, "planted": sample.planted, "received": sample.received}
    assert {path.stat().st_mode & 0o777 for path in sample.folder.iterdir()} == {0o600}


def test_a_second_sample_in_the_same_place_is_refused(rehearsal: Scene, told: StandIns) -> None:
    write_sample(OCTOBER, 10, rehearsal.home / "sample", told, TWO_DAYS)

    with pytest.raises(BadInput, match="2026-10 already"):
        write_sample(OCTOBER, 11, rehearsal.home / "sample", told, TWO_DAYS)


def test_a_sample_that_broke_off_is_not_loaded_twice(rehearsal: Scene, told: StandIns) -> None:
    gone = connect("http://127.0.0.1:9", rehearsal.context().conduct)
    with closing(gone), pytest.raises(OpsError):
        write_sample(OCTOBER, 10, rehearsal.home / "sample", gone, TWO_DAYS)

    with pytest.raises(BadInput, match="already"):
        write_sample(OCTOBER, 10, rehearsal.home / "sample", told, TWO_DAYS)


def test_the_same_seed_writes_the_same_bytes(rehearsal: Scene, told: StandIns) -> None:
    first, again = (write_sample(OCTOBER, 10, rehearsal.home / name, told, TWO_DAYS) for name in "ab")

    assert (first.folder / MANIFEST).read_bytes() == (again.folder / MANIFEST).read_bytes()
