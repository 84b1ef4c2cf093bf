"""What doctor sees of Prefect, each made true on a real server: blocks, workers, schedules, late runs, heartbeats, registration."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate, WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.flows import flow
from prefect.states import Scheduled
from prefect.variables import Variable

from blocks.connection import prefect_client, registered
from blocks.slack import SlackSend
from deployments.apply import Difference
from deployments.catalog import CATALOG, POOLS
from deployments.examining import (
    automated_as_catalog,
    blocks_are_whole,
    blocks_can_be_read,
    deployed_as_catalog,
    heartbeats_are_sent,
    ledger_is_registered,
    runs_start,
    schedules_run,
    second_channel,
    workers_live,
)
from domain.config import Config
from domain.doctor import Finding, Health
from domain.names import Credential
from ledger.held_credentials import HeldCredential
from vendors.registry import EVERY

pytestmark = pytest.mark.usefixtures("prefect")

SEND, READ = "slack-default-doctored-send", "slack-default-doctored-read"
REGISTERED = "opsflows_ledger_id"
AT = datetime(2026, 11, 26, tzinfo=UTC)


def config(**more: object) -> Config:
    text = {"environments": {"doctored": {"kind": "staging", "in_scope": ["slack"]}}, **more}
    return Config.model_validate(text, context={"integrations": tuple(EVERY), "platforms": ()})


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with prefect_client() as connected:
        yield connected


@pytest.fixture
def saved(client: SyncPrefectClient) -> Iterator[list[str]]:
    """The names of blocks that a test saved, which are deleted at its end."""
    names: list[str] = []
    yield names
    for row in client.read_block_documents():
        if row.name in names:
            client.delete_block_document(row.id)


def whole(client: SyncPrefectClient, *held: HeldCredential) -> Finding:
    return blocks_are_whole(client, config(), held, {"doctored"})


def keep(client: SyncPrefectClient, saved: list[str], data: dict[str, str]) -> None:
    """Store it under the name of Slack's sending block, whatever it is."""
    kind, schema = registered(SlackSend)
    saved.append(SEND)
    client.create_block_document(BlockDocumentCreate(name=SEND, data=data, block_type_id=kind, block_schema_id=schema))


def test_a_block_that_a_live_environment_lacks_is_missing(client: SyncPrefectClient) -> None:
    found = whole(client)

    assert (found.health, SEND in found.what) == (Health.BROKEN, True)


def test_a_block_of_an_old_shape_is_named(client: SyncPrefectClient, saved: list[str]) -> None:
    keep(client, saved, {"address": "of an earlier field"})

    found = whole(client)

    assert (found.health, f"{SEND} does not fit its type" in found.what) == (Health.BROKEN, True)


def test_a_whole_block_is_fine_and_can_be_decrypted(client: SyncPrefectClient, saved: list[str]) -> None:
    keep(client, saved, {"webhook_url": "https://hooks.slack.com/services/T0/B0/x"})

    assert whole(client).health is Health.FINE
    assert blocks_can_be_read(client).health is Health.FINE


def test_the_document_of_a_value_in_use_that_is_gone_is_broken(client: SyncPrefectClient, saved: list[str]) -> None:
    keep(client, saved, {"webhook_url": "https://hooks.slack.com/services/T0/B0/x"})
    held = HeldCredential(Credential.parse("slack-default-doctored-send"), f"{SEND}--r1-1", "", "", None, AT, 1)

    found = whole(client, held)

    assert (found.health, "is not there" in found.what) == (Health.BROKEN, True)


@pytest.mark.parametrize(("id_", "health"), [("one", Health.FINE), ("another", Health.BROKEN)])
def test_the_registered_ledger_is_compared(id_: str, health: Health) -> None:
    before = Variable.get(REGISTERED)
    Variable.set(REGISTERED, "one", overwrite=True)
    try:
        assert ledger_is_registered(id_).health is health
    finally:
        if before is None:
            Variable.unset(REGISTERED)
        else:
            Variable.set(REGISTERED, before, overwrite=True)


def test_a_pool_without_a_live_worker_is_broken_until_one_beats(client: SyncPrefectClient) -> None:
    for pool in POOLS:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    before = workers_live(client)

    for pool in POOLS:
        client.send_worker_heartbeat(pool, f"doctor-{uuid4().hex[:6]}", heartbeat_interval_seconds=30)

    assert (before.health, workers_live(client).health) == (Health.BROKEN, Health.FINE)


def test_schedules_that_are_not_deployed_are_broken(client: SyncPrefectClient) -> None:
    assert schedules_run(client).health is Health.BROKEN


def test_a_run_that_should_have_started_long_ago_is_late(client: SyncPrefectClient) -> None:
    before = runs_start(client)
    due = datetime.now(UTC) - timedelta(minutes=40)
    run = client.create_flow_run(doctored, state=Scheduled(scheduled_time=due, name="Late"), tags=["opsflows"])

    found = runs_start(client)

    assert (before.health, found.health) == (Health.FINE, Health.BROKEN)
    assert run.name in found.what
    client.delete_flow_run(run.id)


@flow
def doctored() -> None:
    """Runs nothing."""


def test_a_heartbeat_whose_block_is_missing_is_broken(client: SyncPrefectClient, saved: list[str]) -> None:
    named = config(heartbeats={"sweeper": "sign-of-life"})
    before = heartbeats_are_sent(client, named, set())
    Secret(value="https://beats.example.org/1").save("sign-of-life")
    saved.append("sign-of-life")

    assert (before.health, heartbeats_are_sent(client, named, set()).health) == (Health.BROKEN, Health.FINE)


@pytest.mark.parametrize(("live", "health"), [(set(), Health.ADVICE), ({"doctored"}, Health.BROKEN)])
def test_what_watches_from_outside_is_needed_once_something_is_live(
    client: SyncPrefectClient, live: set[str], health: Health
) -> None:
    assert heartbeats_are_sent(client, config(), live).health is health
    assert second_channel(config(), live).health is health


def test_differences_are_told_apart_by_what_they_are_of() -> None:
    found = [Difference(CATALOG[0].full_name, "differs in schedules"), Difference("stuck pending", "is missing")]

    deployed, automated = deployed_as_catalog(found), automated_as_catalog(found)

    assert (CATALOG[0].full_name in deployed.what, "stuck pending" in deployed.what) == (True, False)
    assert "stuck pending is missing" in automated.what
    assert (deployed_as_catalog([]).health, automated_as_catalog([]).health) == (Health.FINE, Health.FINE)
