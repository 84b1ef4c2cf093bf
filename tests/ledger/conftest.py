"""Every test of the ledger runs on SQLite and on a real PostgreSQL; each gets a new ledger, copied from a made one."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

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
def empty_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A place where no ledger is yet."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"
    return _create_database(request.getfixturevalue("postgres_server"), "template1")


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("original") / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_original(postgres_server: str) -> str:
    url = _create_database(postgres_server, "template1")
    open_ledger(url).close()
    return str(make_url(url).database)


@pytest.fixture
def url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A ledger with its schema and nothing in it."""
    if backend == "postgresql":
        server = request.getfixturevalue("postgres_server")
        return _create_database(server, request.getfixturevalue("postgres_original"))
    original = request.getfixturevalue("sqlite_original")
    return f"sqlite:///{shutil.copy(original, tmp_path / 'ledger.db')}"


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


def _create_database(server: str, template: str) -> str:
    name = f"ledger_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)
