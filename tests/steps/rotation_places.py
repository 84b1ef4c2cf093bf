"""Where lives take place, one after the other: stand-ins, and a ledger that is empty again before each of them.

Its engine stays, because compiling its statements anew would cost more than a life. It has no connection open while the
process forks, so that none is shared with a child.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, delete, insert, make_url, select, text

from ledger.opening import Ledger, open_ledger
from ledger.schema import METADATA
from mocks.app import build
from mocks.serving import served_in_thread
from tests.conftest import StandIns
from tests.steps.rotation_consoles import CASES
from tests.steps.rotation_lives import Course, Stage, set_up

_MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)
_Rows = list[tuple[Any, list[dict[str, Any]]]]


@dataclass(slots=True)
class Place:
    """One process's place; `first_rows` are what an empty ledger holds."""

    stand_ins: StandIns
    folder: Path
    ledger: Ledger
    first_rows: _Rows = field(default_factory=list)

    @contextmanager
    def stage(self, case: str, course: Course = Course.ROTATION) -> Iterator[Stage]:
        """Give a stage on which nothing happened yet, and forget everything afterwards."""
        home = self.folder / "life"
        home.mkdir()
        _empty(self.ledger, self.first_rows)
        stage = Stage(self.stand_ins, home, self.ledger, CASES[case], course)
        try:
            set_up(stage)
            yield stage
        finally:
            shutil.rmtree(home)


@contextmanager
def opened_place(stand_ins: StandIns, url: str = "") -> Iterator[Place]:
    """Give a place with the ledger at `url`, which nobody else uses; with an SQLite file of its own where none is named."""
    # Killed processes lose nothing that they wrote, so the disk need not be waited for.
    with tempfile.TemporaryDirectory(prefix="opsflows-lives-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        ledger = open_ledger(url or f"sqlite:///{folder}/ledger.db")
        try:
            yield Place(stand_ins, Path(folder), ledger, _rows(ledger))
        finally:
            ledger.close()


@contextmanager
def place_of_its_own(url: str = "") -> Iterator[Place]:
    """Give a place with stand-ins that nobody else uses."""
    with served_in_thread(build()) as (http, _):
        stand_ins = StandIns(f"http://127.0.0.1:{http}", "", Path())
        with opened_place(stand_ins, url) as place:
            yield place


def database_in(server: str) -> str:
    """Return the URL of a new database. A worker that stands still in a transaction is thrown out of it soon."""
    name = f"lives_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    address = make_url(server).set(database=name)
    address = address.update_query_dict({"options": "-c idle_in_transaction_session_timeout=2000"})
    return address.render_as_string(hide_password=False)


def _rows(ledger: Ledger) -> _Rows:
    with ledger.reading() as connection:
        found = [(table, connection.execute(select(table)).mappings().all()) for table in METADATA.sorted_tables]
    return [(table, [dict(row) for row in rows]) for table, rows in found if rows]


def _empty(ledger: Ledger, first_rows: _Rows) -> None:
    with ledger.writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(delete(table))
        for table, rows in first_rows:
            connection.execute(insert(table), rows)
