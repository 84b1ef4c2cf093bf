"""The stand-ins as they would be with the eighth integration in them: here that one alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mocks.app import App
from mocks.keeping import StateFile
from mocks.serving import served_in_thread
from mocks.world import StandInWorld
from tests.architecture.eighth.mock import STAND_IN
from tests.conftest import StandIns


@pytest.fixture
def stand_ins() -> Iterator[StandIns]:
    with served_in_thread(App(StandInWorld([STAND_IN], StateFile(None)))) as (port, _):
        yield StandIns(f"http://127.0.0.1:{port}", "", Path())
