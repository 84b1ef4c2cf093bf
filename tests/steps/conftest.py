"""Where the steps' tests take place: a scene per environment, on a copied ledger, away from this checkout's files."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.opening import open_ledger
from tests.conftest import StandIns
from tests.ledger import postgres
from tests.steps.rehearsal_context import Scene, open_scene
from tests.steps.rotation_places import Place, database_in, opened_place
from vendors.registry import INTEGRATIONS

# Long enough that a first look comes too early, short enough for hundreds of probes.
INDEXING_DELAY_S = 0.02
OpenScene = Callable[..., Scene]


@pytest.fixture(scope="session")
def made_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with its schema and nothing in it, made once."""
    file = tmp_path_factory.mktemp("made") / "ledger.db"
    open_ledger(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def open_in(
    stand_ins: StandIns, tmp_path: Path, made_ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenScene]:
    """Opens scenes by environment, all on one ledger."""
    shutil.copy(made_ledger, tmp_path / "ledger.db")
    monkeypatch.chdir(tmp_path)
    opened: list[Scene] = []
    hurried: set[str] = set()

    def open_one(environment: str, *in_scope: str, **changes: Any) -> Scene:
        chosen = in_scope or tuple(INTEGRATIONS)
        for name in sorted(set(chosen) - hurried):
            stand_ins.control("POST", f"/{name}/actions/set_indexing_delay", {"seconds": INDEXING_DELAY_S})
        hurried.update(chosen)
        opened.append(open_scene(stand_ins, tmp_path, environment, chosen, **changes))
        return opened[-1]

    yield open_one
    for scene in opened:
        scene.ledger.close()


@pytest.fixture(scope="module")
def sqlite_place(served_stand_ins: StandIns) -> Iterator[Place]:
    """Where rotations live, one after the other, on an SQLite file."""
    with opened_place(served_stand_ins) as place:
        yield place
    served_stand_ins.control("POST", "/reset")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a throw-away cluster; without PostgreSQL's programs a skip, under CI a failure."""
    missing = postgres.why_missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; CI must have them")
    if missing:
        pytest.skip(missing)
    with postgres.cluster() as url:
        yield url


@pytest.fixture(scope="module")
def postgresql_place(served_stand_ins: StandIns, postgresql: str) -> Iterator[Place]:
    with opened_place(served_stand_ins, database_in(postgresql)) as place:
        yield place
    served_stand_ins.control("POST", "/reset")


@pytest.fixture
def rehearsal(open_in: OpenScene) -> Scene:
    return open_in("rehearsal")


@pytest.fixture
def staging(open_in: OpenScene) -> Scene:
    """Everything in scope and judged as the real world; the rehearsal has passed."""
    return open_in("staging").rehearsed()
