"""A ledger of an earlier schema becomes one of this code's, with all that it holds; the chain goes on where it was."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select

from domain.verdicts import Verdict
from domain.windows import Month
from ledger.auditing import verify_audit
from ledger.migrating import _name_ledger, alembic_config
from ledger.opening import Ledger, _checked, _engine, open_ledger, schema_version
from ledger.reconciliations import record_revision
from ledger.runs import runs
from ledger.schema import IDENTITY, METADATA, SCHEMA_VERSION, VERSION_TABLE
from tests.ledger.recording import complete_run
from tests.ledger.rotating import closed, held

EARLIER = ["0002"]


def _as_it_was(url: str, version: str, home: Path) -> str:
    """Make a ledger of that schema with a run and a closed rotation in it, and return its id."""
    engine = _engine(_checked(url))
    with Ledger(engine, "").writing() as connection:
        command.upgrade(alembic_config(connection), version)
        _name_ledger(connection)
        ledger_id = str(connection.execute(select(IDENTITY.c.ledger_id)).scalar_one())
    ledger = Ledger(engine, ledger_id)
    complete_run(ledger, home, "run-1")
    closed(held(ledger))
    ledger.close()
    return ledger_id


def _differences(connection: Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


@pytest.mark.parametrize("version", EARLIER)
def test_an_earlier_ledger_is_brought_up_and_keeps_what_it_holds(empty_url: str, tmp_path: Path, version: str) -> None:
    ledger_id = _as_it_was(empty_url, version, tmp_path)

    ledger = open_ledger(empty_url)
    with ledger.reading() as connection:
        found, differences = schema_version(connection), _differences(connection)
    record_revision(ledger, "run-2", "prod", Month(2026, 10), "d1", "{}", {}, Verdict.GREEN, is_final=True)
    report = verify_audit(ledger, tmp_path)
    kept = runs(ledger)
    ledger.close()

    assert (ledger.id, found, differences) == (ledger_id, SCHEMA_VERSION, [])
    assert [run.run_id for run in kept] == ["run-1"]
    assert (report.breaks, report.rotations, report.facts, report.entries) == ((), 1, 1, 5)
