"""A ledger of an earlier schema becomes one of this code's, with all that it holds; the chain goes on where it was."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select

from domain.kms_goldens import MINTED, NewGolden
from domain.verdicts import Verdict
from domain.windows import Month
from ledger.auditing import verify_audit
from ledger.kms_goldens import keep_golden
from ledger.migrating import _name_ledger, alembic_config
from ledger.opening import Ledger, _checked, _engine, _is_sqlite, _private_file, open_ledger, schema_version
from ledger.reconciliations import record_revision
from ledger.runs import runs
from ledger.schema import IDENTITY, METADATA, SCHEMA_VERSION, VERSION_TABLE
from ledger.waivers import waive
from tests.ledger.recording import complete_run
from tests.ledger.rotating import closed, held


def _nothing_more(ledger: Ledger) -> None:
    """The schema had runs alone."""
    del ledger


def _rotated(ledger: Ledger) -> None:
    closed(held(ledger))


def _waived(ledger: Ledger) -> None:
    _rotated(ledger)
    day = ledger.now().date() + timedelta(days=9)
    waive(ledger, "prod", "reconciliation slack", "ada", "known", day, "OPS-1", run_id="run-1")


# What a ledger of that schema may hold beside a run, and how many rotations and facts that is.
EARLIER = [
    ("0001", _nothing_more, (0, 0)),
    ("0002", _rotated, (1, 0)),
    ("0003", _waived, (1, 1)),
    ("0004", _waived, (1, 1)),
]


def _as_it_was(url: str, version: str, home: Path, more: Callable[[Ledger], None]) -> str:
    """Make a ledger of that schema with a run and more in it, and return its id."""
    address = _checked(url)
    if _is_sqlite(address):
        _private_file(Path(str(address.database)))
    engine = _engine(address)
    with Ledger(engine, "").writing() as connection:
        command.upgrade(alembic_config(connection), version)
        _name_ledger(connection)
        ledger_id = str(connection.execute(select(IDENTITY.c.ledger_id)).scalar_one())
    ledger = Ledger(engine, ledger_id)
    complete_run(ledger, home, "run-1")
    more(ledger)
    ledger.close()
    return ledger_id


def _differences(connection: Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


@pytest.mark.parametrize(("version", "more", "counts"), EARLIER, ids=[version for version, *_ in EARLIER])
def test_an_earlier_ledger_is_brought_up_and_keeps_what_it_holds(
    empty_url: str, tmp_path: Path, version: str, more: Callable[[Ledger], None], counts: tuple[int, int]
) -> None:
    rotated, facts = counts
    ledger_id = _as_it_was(empty_url, version, tmp_path, more)

    ledger = open_ledger(empty_url)
    with ledger.reading() as connection:
        found, differences = schema_version(connection), _differences(connection)
    record_revision(ledger, "run-2", "prod", Month(2026, 10), "d1", "{}", {}, Verdict.GREEN, is_final=True)
    keep_golden(ledger, "run-2", "prod", "pay", "main", NewGolden("a key", "3", MINTED, b"sealed", "", {}))
    report = verify_audit(ledger, tmp_path)
    kept = runs(ledger)
    ledger.close()

    assert (ledger.id, found, differences) == (ledger_id, SCHEMA_VERSION, [])
    assert [run.run_id for run in kept] == ["run-1"]
    assert (report.breaks, report.rotations, report.facts, report.entries) == (
        (),
        rotated,
        2 + facts,
        4 + 2 * rotated + facts,
    )
