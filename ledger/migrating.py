"""A ledger is created or migrated by one process at a time, in one transaction: it has the old schema or the new one."""

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, insert, select, text

from ledger.chain import genesis
from ledger.moments import database_time
from ledger.opening import Ledger, place_of, schema_version
from ledger.schema import CHAIN_HEAD, IDENTITY, SCHEMA_VERSION

MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x6F70_7366  # the number of our advisory lock; any constant of our own


def migrate(engine: Engine) -> None:
    """Bring the database to this code's schema, and give a new ledger its id."""
    with _alone(engine), Ledger(engine, "").writing() as connection:
        _hold(connection)
        if schema_version(connection) == SCHEMA_VERSION:
            return
        command.upgrade(alembic_config(connection), SCHEMA_VERSION)
        _name_ledger(connection)


@contextmanager
def building(url: str) -> Iterator[Ledger]:
    """Give the place of a ledger that is about to be made there from a backup; it has no id until then.

    Raises:
        BadInput: no usable URL.
        Unavailable: the database does not answer.
    """
    ledger = place_of(url)
    try:
        with _alone(ledger.engine):
            yield ledger
    finally:
        ledger.close()


def upgrade_to(connection: Connection, schema: str) -> None:
    """Bring the tables to that schema within the caller's transaction, and give the ledger no id."""
    _hold(connection)
    command.upgrade(alembic_config(connection), schema)


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; it lives in code, so that no ini file has to be found."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold a lock file on SQLite, which cannot change to WAL while another process is looking; released by a crash."""
    if engine.dialect.name != "sqlite":
        yield
        return
    database = Path(str(engine.url.database))
    with database.with_name(f"{database.name}.lock").open("w") as lock:
        Path(lock.name).chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The mode stays with the file. SQLite changes it outside a transaction only, so past SQLAlchemy.
        with closing(engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA journal_mode=WAL")
        yield


def _hold(connection: Connection) -> None:
    """Keep other processes from changing the schema until the transaction ends; on SQLite the lock file does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _name_ledger(connection: Connection) -> None:
    if connection.execute(select(IDENTITY.c.ledger_id)).first():
        return
    ledger_id = str(uuid.uuid4())
    connection.execute(insert(IDENTITY).values(only_row=1, ledger_id=ledger_id, created_at=database_time(connection)))
    connection.execute(insert(CHAIN_HEAD).values(only_row=1, seq=0, hash=genesis(ledger_id)))
