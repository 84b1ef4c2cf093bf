"""A ledger opens where its database answers and fits; everything else is a sentence for an operator."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from domain.errors import BadInput, Unavailable
from ledger.migrating import alembic_config
from ledger.opening import Ledger, open_existing, open_ledger, schema_version
from ledger.schema import METADATA, SCHEMA_VERSION, VERSION_TABLE

_ROOT = Path(__file__).parents[2]


def test_a_new_ledger_has_an_id_that_stays(empty_url: str) -> None:
    first = open_ledger(empty_url)
    first.close()

    second = open_ledger(empty_url)
    second.close()

    assert first.id == second.id
    assert len(first.id) == 36


def test_a_new_ledger_has_the_tables_that_the_code_knows(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        options = {"version_table": VERSION_TABLE}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    assert differences == []


def test_the_code_knows_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == SCHEMA_VERSION


def test_two_threads_open_one_new_ledger(empty_url: str) -> None:
    ids: list[str] = []
    start = threading.Barrier(4)

    def open_one() -> None:
        start.wait()
        opened = open_ledger(empty_url)
        ids.append(opened.id)
        opened.close()

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_two_processes_open_one_new_ledger(empty_url: str) -> None:
    program = "import sys; from ledger.opening import open_ledger; l = open_ledger(sys.argv[1]); print(l.id); l.close()"
    command = [sys.executable, "-W", "error", "-c", program, empty_url]

    started = [subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate()[0].strip() for process in started]

    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(set(told)) == 1


def test_opening_a_ledger_that_fits_does_not_import_alembic(url: str) -> None:
    program = (
        "import sys; from ledger.opening import open_ledger; open_ledger(sys.argv[1]).close();"
        "sys.exit(any(name in sys.modules for name in ('alembic', 'prefect', 'fsspec', 'httpx')))"
    )

    ended = subprocess.run([sys.executable, "-c", program, url], cwd=_ROOT, check=False)

    assert ended.returncode == 0


def test_now_is_the_databases_time_in_utc(ledger: Ledger) -> None:
    now = ledger.now()

    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=30)


def test_an_offset_moves_the_ledgers_time(ledger: Ledger, later: Callable[[timedelta], Ledger]) -> None:
    tomorrow = later(timedelta(days=1))

    today = ledger.now()
    moved = tomorrow.now() - today

    assert timedelta(days=1) <= moved < timedelta(days=1, minutes=1)


def test_a_newer_schema_is_refused(url: str, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608 (a constant)

    with pytest.raises(BadInput, match="schema 9999") as refused:
        open_ledger(url)

    assert "Update this checkout" in refused.value.next_step


def test_an_sqlite_ledger_is_the_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "home" / "ledger.db"

    ledger = open_ledger(f"sqlite:///{file}")
    with ledger.writing() as connection:
        connection.execute(text("UPDATE chain_head SET seq = seq"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    ledger.close()

    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert {"ledger.db", "ledger.db-wal"} <= set(modes)


def test_sqlite_waits_for_the_lock_and_survives_a_power_cut(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")

    with ledger.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    ledger.close()

    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize(
    "url",
    ["", "ledger.db", "sqlite://", "sqlite:///ledger.db", "mysql://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d"],
)
def test_an_unusable_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadInput, match="OPSFLOWS_DATABASE_URL") as refused:
        open_ledger(url)

    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear all,\n" * 200)

    with pytest.raises(BadInput, match="cannot be used as the ledger"):
        open_ledger(f"sqlite:///{file}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "home"
    in_the_way.write_text("a file")

    with pytest.raises(BadInput, match=r"ledger\.db cannot be opened"):
        open_ledger(f"sqlite:///{in_the_way / 'ledger.db'}")


def test_a_database_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    url = f"postgresql://someone:canary@/ledger?host={tmp_path}"

    with pytest.raises(Unavailable, match="The PostgreSQL database 'ledger'") as unreachable:
        open_ledger(url)

    assert "canary" not in str(unreachable.value)
    assert "canary" not in repr(unreachable.value.__cause__)


def test_a_ledger_that_goes_away_is_unavailable(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.engine.dispose()
    os.truncate(tmp_path / "ledger.db", 0)

    with pytest.raises(Unavailable, match="does not answer"), ledger.reading() as connection:
        connection.execute(text("SELECT * FROM runs"))

    ledger.close()


def test_who_only_looks_finds_the_ledger_that_is_there(url: str, ledger: Ledger) -> None:
    found = open_existing(url)
    seen = found.now()
    found.close()

    assert (found.id, seen.tzinfo) == (ledger.id, UTC)


def test_who_only_looks_makes_no_ledger(empty_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(BadInput, match=r"is not there|holds no ledger yet"):
            open_existing(empty_url)

    assert list(tmp_path.iterdir()) == []


def test_who_only_looks_makes_no_file_anew_that_vanished(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    looking = open_existing(f"sqlite:///{file}")
    looking.engine.dispose()
    file.unlink()

    with pytest.raises(Unavailable, match="does not answer"):
        looking.now()

    looking.close()
    assert not file.exists()


@pytest.mark.parametrize(("version", "says"), [("0001", "this code needs"), ("9999", "this code knows")])
def test_who_only_looks_leaves_another_schema_as_it_is(version: str, says: str, url: str, ledger: Ledger) -> None:
    change = f"UPDATE {VERSION_TABLE} SET version_num = '{version}'"  # noqa: S608 (constants)
    with ledger.writing() as connection:
        connection.execute(text(change))

    with pytest.raises(BadInput, match=f"has schema {version}, and {says} {SCHEMA_VERSION}"):
        open_existing(url)

    with ledger.reading() as connection:
        assert schema_version(connection) == version
