"""What the tests of the running opsflows share."""

import re
from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_TLS_INSECURE_SKIP_VERIFY, PREFECT_API_URL, temporary_settings

from blocks.store import save_values
from domain.names import SWEEPER
from domain.rotation import State
from steps.adoption_order import AdoptionOrder, adopt
from steps.conduct import STAND_INS_URL
from tests.deployments.made_runs import switched_off
from tests.deployments.rehearsed import CREDENTIAL, NO_TIME, Rehearsal
from tests.flows.later import desk_at, move_clock
from tests.program import Standing
from vendors.registry import INTEGRATIONS


@pytest.fixture(scope="module")
def client(standing: Standing) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(standing.api) as client:
        yield client


@pytest.fixture
def rehearsal(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    """Give a home whose stand-in for the vendor knows the adopted credential and nothing else of ours."""
    api = standing.api
    found = re.search(r"^Stand-ins +(\S+)$", standing.output, re.MULTILINE)
    assert found
    monkeypatch.setenv("PREFECT_API_URL", api)
    monkeypatch.setenv("OPSFLOWS_HOME", str(standing.home.path))
    monkeypatch.setenv(STAND_INS_URL, found[1])
    rehearsal = Rehearsal(standing, found[1])
    rehearsal.control("POST", "reset")
    # It speaks http: there is nothing to verify.
    settings = temporary_settings({PREFECT_API_URL: api, PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True})
    # The schedule's sweep would put what the last test left in the block back before it is adopted anew.
    with settings, switched_off(standing, SWEEPER):
        values = rehearsal.control("GET", "credentials")
        save_values(INTEGRATIONS["pagerduty"], CREDENTIAL.target, "rehearsal", values)
        with desk_at(NO_TIME) as desk, desk.hands(CREDENTIAL) as hands:
            assert adopt(hands, AdoptionOrder("ana", "OPS-1", desk.run.run_id)).state is State.DONE
        yield rehearsal
        rehearsal.control("POST", "reset")
        move_clock(found[1], NO_TIME)
