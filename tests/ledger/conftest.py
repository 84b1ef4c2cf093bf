"""Every test of the ledger runs on SQLite and on a real PostgreSQL; each gets a new ledger, copied from a made one."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from ledger.opening import Ledger, open_ledger
from tests.ledger import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a throw-away cluster; without PostgreSQL's programs a skip, under CI a failure."""
    missing = postgres.why_missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; CI must have them")
    if missing:
        pytest.skip(missing)
    with postgres.cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A place where no ledger is yet."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"
        return
    with database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("original") / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_original(postgres_server: str) -> Iterator[str]:
    with database(postgres_server) as url:
        open_ledger(url).close()
        yield str(make_url(url).database)


@pytest.fixture
def url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A ledger with its schema and nothing in it."""
    if backend == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_original'), tmp_path / 'ledger.db')}"
        return
    server, original = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_original")
    with database(server, original) as made:
        yield made


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def later(url: str) -> Iterator[Callable[[timedelta], Ledger]]:
    """The same ledger, as it is after some time."""
    opened: list[Ledger] = []

    def at(offset: timedelta) -> Ledger:
        opened.append(open_ledger(url, offset=offset))
        return opened[-1]

    yield at
    for one in opened:
        one.close()


@contextmanager
def database(server: str, template: str = "template1") -> Iterator[str]:
    """Give the URL of a new database; it goes with its connections, because each takes eight megabytes."""
    name = f"ledger_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
