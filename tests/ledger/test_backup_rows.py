"""The ledger's rows as they stood at one moment, while others write; back on either database, frozen, and the chain goes on."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, inspect, select

from domain.errors import BadInput
from domain.kms_goldens import MINTED, NewGolden
from domain.names import Target
from domain.rotation import Kind, Wait
from ledger.auditing import verify_audit
from ledger.backup_rows import holds_nothing, moved_since, put_rows_back, stands_at, take_snapshot
from ledger.credentials import block
from ledger.freezing import freeze, frozen
from ledger.kms_goldens import keep_golden
from ledger.opening import Ledger, open_ledger, schema_version
from ledger.rotations import claim, intend, open_rotation, write
from ledger.runs import runs
from ledger.schema import METADATA, NOTES, SCHEMA_VERSION, VERSION_TABLE
from ledger.wiring import go_live, note, record_rehearsal
from tests.ledger.conftest import database
from tests.ledger.recording import complete_run
from tests.ledger.rotating import SPLUNK, closed, held, published

REASON = "restored from a backup of 2026-11-26 12:00 UTC; opsflows restore --agree ends it"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place where nothing is yet, on either database, whatever the backup's was."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
        return
    with database(request.getfixturevalue("postgres_server")) as url:
        yield url


def lived(ledger: Ledger, home: Path) -> None:
    """Let the ledger hold rows of every kind: runs, rotations closed and open, facts, moments, dates, JSON, odd letters."""
    complete_run(ledger, home, "run-1")
    closed(held(ledger))
    published(held(ledger, credential=SPLUNK))
    keep_golden(ledger, "run-1", "prod", "pay", "main", NewGolden("a key", "3", MINTED, b"sealed", "", {}))
    block(ledger, "prod", Target("slack"), ticket="OPS-1", who="ada", note="two\u2028lines\nand 'more'")
    record_rehearsal(ledger, "1", "run-1", ["slack"])
    go_live(ledger, "prod", date(2026, 11, 2), "ada")


def parts_of(ledger: Ledger) -> list[bytes]:
    return [content for _, content in take_snapshot(ledger).parts()]


def rows_of(connection: Connection) -> dict[str, list[object]]:
    tables = [table for table in METADATA.sorted_tables if table.name != "freezes"]
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
        for table in tables
    }


def test_every_row_comes_back_on_either_database_and_the_audit_is_intact(
    ledger: Ledger, new_url: str, tmp_path: Path
) -> None:
    lived(ledger, tmp_path)

    put_rows_back(new_url, SCHEMA_VERSION, parts_of(ledger), REASON)
    back = open_ledger(new_url)
    with ledger.reading() as before, back.reading() as after:
        same = rows_of(before) == rows_of(after)
    report = verify_audit(back, tmp_path)
    there = frozen(back)
    back.close()

    assert (same, back.id) == (True, ledger.id)
    assert (report.is_intact, report.bundles, report.rotations) == (True, 1, 2)
    assert there is not None
    assert (there.reason, there.is_after_restore) == (REASON, True)


def test_a_ledger_that_came_back_is_written_to_as_before(ledger: Ledger, empty_url: str, tmp_path: Path) -> None:
    note(ledger, "prod", "before", "ada")
    put_rows_back(empty_url, SCHEMA_VERSION, parts_of(ledger), REASON)

    back = open_ledger(empty_url)
    note(back, "prod", "after", "ada")
    complete_run(back, tmp_path, "run-2")
    with back.reading() as connection:
        numbers = list(connection.execute(select(NOTES.c.id).order_by(NOTES.c.id)).scalars())
    report = verify_audit(back, tmp_path)
    back.close()

    assert (numbers, report.is_intact) == ([1, 2], True)


def test_a_snapshot_has_every_table(ledger: Ledger, tmp_path: Path) -> None:
    lived(ledger, tmp_path)

    named = {json.loads(part.split(b"\n")[0])["table"] for part in parts_of(ledger)}
    with ledger.reading() as connection:
        tables = [name for name in inspect(connection).get_table_names() if name != VERSION_TABLE]
        filled = {
            name
            for name in tables
            if connection.execute(select(func.count()).select_from(METADATA.tables[name])).scalar_one()
        }

    assert named == filled


def test_what_is_written_meanwhile_is_not_in_it_and_is_told(ledger: Ledger, tmp_path: Path) -> None:
    working = held(ledger)
    snapshot = take_snapshot(ledger)

    complete_run(ledger, tmp_path, "run-late")
    write(working, "outcome", {"came": "late"})
    parts = [content for _, content in snapshot.parts()]

    assert not any(b"run-late" in part or b"came" in part for part in parts)
    assert moved_since(ledger, snapshot.heads) == [working.record.id]


def test_a_ledger_that_holds_anything_is_left_alone(ledger: Ledger, url: str, tmp_path: Path) -> None:
    parts = parts_of(ledger)
    complete_run(ledger, tmp_path, "run-1")

    with pytest.raises(BadInput, match="not empty"):
        put_rows_back(url, SCHEMA_VERSION, parts, REASON)

    assert ([run.run_id for run in runs(ledger)], frozen(ledger)) == (["run-1"], None)


def test_a_ledger_that_has_only_its_name_makes_way(ledger: Ledger, empty_url: str, tmp_path: Path) -> None:
    lived(ledger, tmp_path)
    head = take_snapshot(ledger).head
    fresh = open_ledger(empty_url)
    was_empty = holds_nothing(fresh)
    fresh.close()

    put_rows_back(empty_url, SCHEMA_VERSION, parts_of(ledger), REASON)
    back = open_ledger(empty_url)
    stands = stands_at(back, ledger.id, head.seq, head.hash)
    back.close()

    assert (was_empty, stands, fresh.id == back.id) == (True, True, False)


def test_a_part_that_cannot_be_read_leaves_no_ledger(ledger: Ledger, empty_url: str) -> None:
    parts = [*parts_of(ledger), b'{"table": "nowhere", "columns": [["a", "plain"]]}\n[1]']

    with pytest.raises(Exception, match="nowhere"):
        put_rows_back(empty_url, SCHEMA_VERSION, parts, REASON)

    made = open_ledger(empty_url)
    empty = holds_nothing(made)
    made.close()
    assert (empty, made.id == ledger.id) == (True, False)


def test_a_backup_of_an_earlier_schema_is_brought_up(ledger: Ledger, empty_url: str, tmp_path: Path) -> None:
    complete_run(ledger, tmp_path, "run-1")
    closed(held(ledger))

    put_rows_back(empty_url, "0002", parts_of(ledger), REASON)
    back = open_ledger(empty_url)
    report = verify_audit(back, tmp_path)
    with back.reading() as connection:
        version = schema_version(connection)
    back.close()

    assert (version, report.is_intact, report.rotations) == (SCHEMA_VERSION, True, 1)


def test_a_freeze_of_the_backup_gives_way_and_is_told(ledger: Ledger, empty_url: str) -> None:
    freeze(ledger, "the weekend", "bob")

    put_rows_back(empty_url, SCHEMA_VERSION, parts_of(ledger), REASON)
    back = open_ledger(empty_url)
    there = frozen(back)
    back.close()

    assert there is not None
    assert there.reason == f"{REASON}; it was frozen then by bob: the weekend"


def test_the_freeze_of_a_restore_holds_emergencies_as_well(ledger: Ledger, empty_url: str) -> None:
    put_rows_back(empty_url, SCHEMA_VERSION, parts_of(ledger), REASON)
    back = open_ledger(empty_url)
    open_rotation(
        back, "r00000000001", SPLUNK, Kind.EMERGENCY, operator="ada", reason="leaked", ticket="OPS-1", due_window="now",
        emergency=True,
    )  # fmt: skip
    taken = claim(back, "r00000000001", "w1")

    kept = intend(taken, "create", {}) if taken else None
    back.close()

    assert kept is not None
    assert kept.wait is Wait.FROZEN
