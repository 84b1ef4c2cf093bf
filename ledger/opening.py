"""A ledger is open only when its database answers, has this code's schema and says which ledger it is.

Alembic is imported only where the schema version differs: a command must not pay for it each time.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from domain.errors import BadInput, OpsError, OutcomeUnknown, Unavailable
from ledger.moments import database_time
from ledger.schema import IDENTITY, SCHEMA_VERSION, VERSION_TABLE

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 10
# No transaction of ours waits for anything outside; so long only a process that stands still keeps one open.
_STANDS_STILL = "idle_in_transaction_session_timeout"
_STANDS_STILL_SECONDS = 60
_WRITES = "ledger_writes"
_LOST = (OperationalError, InterfaceError, NoConnectionFree)
_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_HAS_VERSION = {
    "sqlite": text(f"SELECT count(*) FROM sqlite_master WHERE name = '{VERSION_TABLE}'"),  # noqa: S608 (a constant)
    "postgresql": text(f"SELECT count(to_regclass('{VERSION_TABLE}'))"),
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """One ledger. `id` was given to it on creation; `offset` moves its time and is 0 outside tests."""

    engine: Engine
    id: str
    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        """Return the database's time plus the offset, aware UTC."""
        with self.reading() as connection:
            return self.now_in(connection)

    def now_in(self, connection: Connection) -> datetime:
        """Return the same within a transaction, at this very moment."""
        return database_time(connection) + self.offset

    def reading(self) -> AbstractContextManager[Connection]:
        """Return one consistent look. Raises Unavailable when the database does not answer."""
        return _transaction(self.engine, writes=False)

    def writing(self) -> AbstractContextManager[Connection]:
        """Return one transaction, committed at the end; on SQLite it holds the write lock from the start.

        Raises:
            Unavailable: nothing was written.
            OutcomeUnknown: the connection broke at the commit.
        """
        return _transaction(self.engine, writes=True)

    def close(self) -> None:
        self.engine.dispose()


def open_ledger(url: str, *, offset: timedelta = timedelta(0)) -> Ledger:
    """Return the ledger at `url`, created or brought to this code's schema where that is needed.

    Two processes may open a new ledger at once: one creates it, the other finds it.

    Raises:
        BadInput: no usable URL, not a ledger, or a schema newer than this code.
        Unavailable: the database does not answer.
    """
    return _opened(_checked(url), place_of(url).engine, _bring_up, offset)


def place_of(url: str) -> Ledger:
    """Return where a ledger is to be, whether or not one is there; it is given no id, and nothing is looked at.

    Raises:
        BadInput: no usable URL, or an SQLite file that cannot be made.
    """
    address = _checked(url)
    if _is_sqlite(address):
        _private_file(Path(str(address.database)))
    return Ledger(_engine(address), "")


def open_existing(url: str, *, offset: timedelta = timedelta(0)) -> Ledger:
    """Return the ledger at `url` as it stands: nothing is created, and no schema is changed. For who only looks.

    Raises:
        BadInput: no usable URL, no ledger there, or a schema that is not this code's.
        Unavailable: the database does not answer.
    """
    address = _checked(url)
    if not _is_sqlite(address):
        return _opened(address, _engine(address), _leave, offset)
    file = Path(str(address.database))
    if not file.is_file():
        raise _no_ledger(f"The SQLite file {file} is not there.")
    # rw is not rwc: a file that vanishes later is not made anew by whoever only looks.
    existing = f"{file.as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            existing, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )  # fmt: skip

    return _opened(address, _engine(address, creator=connect), _leave, offset)


def _opened(address: URL, engine: Engine, treat: Callable[[Engine, str], None], offset: timedelta) -> Ledger:
    """Return the ledger; `treat` is given a schema version that is not this code's, empty where there is no ledger yet."""
    try:
        with _transaction(engine, writes=False) as connection:
            version = schema_version(connection)
        if version != SCHEMA_VERSION:
            treat(engine, version)
        with _transaction(engine, writes=False) as connection:
            ledger_id = str(connection.execute(select(IDENTITY.c.ledger_id)).scalar_one())
    except DatabaseError as error:
        engine.dispose()
        raise BadInput(
            f"{place(address)} cannot be used as the ledger: {_first_line(error)}.",
            "It is not a ledger, is damaged, or may not be changed by this user. Nothing was sent.",
            "Check OPSFLOWS_DATABASE_URL and the database user's rights (it creates its own tables); restore a damaged file from backup.",
        ) from error
    except OpsError:
        engine.dispose()
        raise
    return Ledger(engine, ledger_id, offset)


def schema_version(connection: Connection) -> str:
    """Return the schema's version, empty where there is no ledger yet."""
    if not connection.execute(_HAS_VERSION[connection.dialect.name]).scalar_one():
        return ""
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 (a constant)
    return str(found or "")


def place(address: URL) -> str:
    """Return where the ledger is, in words without a user or a password."""
    if address.get_backend_name() == "sqlite":
        return f"The SQLite file {address.database}"
    host = address.host or address.query.get("host") or "this machine"
    return f"The PostgreSQL database {address.database!r} at {host}{f':{address.port}' if address.port else ''}"


def _refuse_newer(version: str) -> None:
    if version > SCHEMA_VERSION:
        raise BadInput(
            f"The ledger has schema {version}, and this code knows {SCHEMA_VERSION}.",
            "A newer opsflows has worked with it; an older one could misread it. Nothing was sent.",
            "Update this checkout or image to the version in use, or point OPSFLOWS_DATABASE_URL to another ledger.",
        )


def _leave(engine: Engine, version: str) -> None:
    """Refuse every schema but this code's: whoever only looks changes none."""
    _refuse_newer(version)
    if not version:
        raise _no_ledger(f"{place(engine.url)} holds no ledger yet.")
    raise BadInput(
        f"The ledger has schema {version}, and this code needs {SCHEMA_VERSION}.",
        "It is brought up to date by a run or a command that writes, and not by one that only looks.",
        "Update the worker to this version and let it make a run, or run opsflows audit verify with this version.",
    )


def _no_ledger(happened: str) -> BadInput:
    return BadInput(
        happened,
        "It is created by the first run, and not by one that only looks. Nothing is known from it.",
        "Compare OPSFLOWS_DATABASE_URL and OPSFLOWS_HOME with the worker's, or let the worker make its first run.",
    )


def _bring_up(engine: Engine, version: str) -> None:
    _refuse_newer(version)
    from ledger.migrating import migrate  # noqa: PLC0415 (Alembic is slow to import and seldom needed)

    migrate(engine)


def _checked(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError:
        address = URL.create("none")
    driver = _DRIVERS.get(address.drivername)
    if driver is None:
        # The URL itself is left out because it may hold a password.
        raise _bad_url("OPSFLOWS_DATABASE_URL is not a URL the ledger can use.")
    if driver.startswith("sqlite") and not Path(address.database or "").is_absolute():
        raise _bad_url("OPSFLOWS_DATABASE_URL names no absolute SQLite file.")
    return address.set(drivername=driver)


def _bad_url(happened: str) -> BadInput:
    return BadInput(
        happened,
        "The ledger is an SQLite file with an absolute path, or a PostgreSQL database. Nothing was sent.",
        "Write it like sqlite:////srv/opsflows/ledger.db or postgresql://user:password@host/opsflows, or leave it out.",
    )


def _is_sqlite(address: URL) -> bool:
    return address.get_backend_name() == "sqlite"


def _engine(address: URL, **how: Any) -> Engine:
    # Parameters stay out of the errors, which Prefect logs.
    if _is_sqlite(address):
        connecting = {"timeout": _BUSY_SECONDS, "isolation_level": None}
        engine = create_engine(address, hide_parameters=True, connect_args=connecting, **how)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    bound = {} if "connect_timeout" in address.query else {"connect_timeout": _CONNECT_SECONDS}
    engine = create_engine(address, hide_parameters=True, pool_pre_ping=True, connect_args=bound)
    if _STANDS_STILL not in str(address.query.get("options", "")):
        event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _private_file(file: Path) -> None:
    """Make the file 0600 in a 0700 folder before SQLite opens it; its -wal and -shm take over the mode."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
    except OSError as error:
        raise BadInput(
            f"The ledger file {file} cannot be opened: {error.strerror}.",
            "Without a ledger nothing may be sent.",
            "Make the folder writable for this user, or set OPSFLOWS_HOME to another one.",
        ) from error


def _set_up_sqlite(dbapi_connection: Any, _record: object) -> None:
    # FULL: a committed intent survives a power cut, else an event could be at the vendor and no one knows of it.
    dbapi_connection.execute("PRAGMA synchronous=FULL")
    dbapi_connection.execute("PRAGMA foreign_keys=ON")


def _set_up_postgresql(dbapi_connection: Any, _record: object) -> None:
    # A worker that is stopped in the middle of a write would keep its rows locked, and nobody could ever take over.
    dbapi_connection.execute(f"SET {_STANDS_STILL} = '{_STANDS_STILL_SECONDS}s'")
    # A committed intent survives a crash of the database, whatever its own settings say; as FULL does on SQLite.
    dbapi_connection.execute("SET synchronous_commit = on")
    dbapi_connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot be made to wait for the lock; it would fail instead.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    committing = False
    try:
        with engine.connect().execution_options(**{_WRITES: writes}) as connection, connection.begin():
            yield connection
            committing = writes
    except (*_LOST, InternalError) as error:
        # The last is what psycopg raises for a session that PostgreSQL ended; else it is a fault of ours.
        if isinstance(error, InternalError) and not error.connection_invalidated:
            raise
        raise _unreachable(engine, error, committing=committing) from error


def _unreachable(engine: Engine, error: Exception, *, committing: bool) -> OpsError:
    happened = f"{place(engine.url)} does not answer: {_first_line(error)}."
    next_step = "See that the database runs and can be reached from here, then run again."
    if committing:
        means = "The connection broke while the last entry was being committed; it may be there or not."
        return OutcomeUnknown(happened, means, next_step, "ledger.commit_lost")
    return Unavailable(happened, "Nothing was written to the ledger.", next_step, "ledger.unreachable")


def _first_line(error: Exception) -> str:
    told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return told.splitlines()[0].rstrip(".")
