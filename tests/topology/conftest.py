"""One topology for all tests here, with credentials that it rotates; without its programs a skip, under CI a failure."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.ledger import postgres
from tests.topology.killing import CREDENTIALS
from tests.topology.rotating import adopt_generated, as_rotation_worker
from tests.topology.standing import Topology, standing_topology


@pytest.fixture(scope="session")
def topology() -> Iterator[Topology]:
    missing = " and ".join(
        [*[name for name in ("redis-server", "redis-cli", "caddy") if shutil.which(name) is None], *[why for why in [postgres.why_missing()] if why]]
    )  # fmt: skip
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing} not installed; CI must have it")
    if missing:
        pytest.skip(f"{missing} not installed")
    with standing_topology() as standing, as_rotation_worker(standing):
        adopt_generated(standing, CREDENTIALS)
        yield standing
