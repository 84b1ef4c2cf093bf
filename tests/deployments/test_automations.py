"""What a real server does by itself when runs end badly, hang, or do not come; and that its automations are ours to converge."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.apply import automation_differences, converge_automations
from deployments.automations import OUR_MARK, PREFIX, Server, Windows, wanted
from deployments.catalog import CATALOG, Tier
from domain.errors import BadInput
from domain.names import COLLECT_COUNTS, CREDENTIAL_AGES, RECONCILE, SWEEPER, VERIFY_DUE, deployment_of
from domain.operations_sections import Automations
from domain.run_bounds import ENDS_WELL_WITHIN, TAKES_AT_MOST
from ledger.alerts import open_alerts
from ledger.opening import open_existing
from tests.program import Standing, eventually
from tests.receiver import receiver

PAGE, TICKET = "second-page", "second-ticket"
TWO_CHANNELS = Automations(page_block=f"custom-webhook/{PAGE}", ticket_block=f"custom-webhook/{TICKET}")
SHORT = Windows(not_started=timedelta(seconds=10), looked_again=timedelta(0))
PLAIN = Automations()


@pytest.fixture(scope="module")
def client(standing: Standing) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(standing.api) as client:
        yield client


@pytest.fixture(scope="module")
def notices(standing: Standing, client: SyncPrefectClient) -> Iterator[list[str]]:
    """What arrives through the second channel while the automations have short windows; afterwards they are as deployed."""
    with receiver() as (address, arrived):
        blocks = [_webhook(standing, name, f"{address}/{name}") for name in (PAGE, TICKET)]
        converge_automations(client, TWO_CHANNELS, SHORT)
        yield arrived
        for name in [
            one["name"] for one in held(standing) if "tell, " in one["name"] or "did not start" in one["name"]
        ]:
            _delete(standing, name)
        converge_automations(client, PLAIN)
        for block in blocks:
            standing.ask("DELETE", f"/block_documents/{block}")


def _webhook(standing: Standing, name: str, url: str) -> str:
    kind = standing.ask("GET", "/block_types/slug/custom-webhook")["id"]
    [schema, *_] = standing.ask("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})
    data = {"name": name, "url": url, "json_data": {"text": "{{subject}} {{body}}"}}
    made = {"name": name, "data": data, "block_type_id": kind, "block_schema_id": schema["id"]}
    return str(standing.ask("POST", "/block_documents/", made)["id"])


def held(standing: Standing) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = standing.ask("POST", "/automations/filter", {})
    return [one for one in found if one["name"].startswith(PREFIX)]


def named(standing: Standing, name: str) -> dict[str, Any]:
    return next(one for one in held(standing) if one["name"] == f"{PREFIX}{name}")


def _delete(standing: Standing, name: str) -> None:
    for one in held(standing):
        if one["name"] == name:
            standing.ask("DELETE", f"/automations/{one['id']}")


@contextmanager
def runs(standing: Standing) -> Iterator[Callable[..., str]]:
    """Make runs that no worker takes, and end them; afterwards they are gone."""
    made: list[str] = []

    def make(deployment: str, kind: str, name: str, message: str = "The reason.") -> str:
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": tomorrow}}
        path = f"/deployments/{standing.deployment(deployment)['id']}/create_flow_run"
        made.append(standing.ask("POST", path, {"state": later})["id"])
        details = later["state_details"] if kind == "SCHEDULED" else {}
        state = {"state": {"type": kind, "name": name, "message": message, "state_details": details}, "force": True}
        standing.ask("POST", f"/flow_runs/{made[-1]}/set_state", state)
        return made[-1]

    yield make
    for run in made:
        standing.ask("DELETE", f"/flow_runs/{run}")


def alerts_of(standing: Standing) -> list[str]:
    ledger = open_existing(f"sqlite:///{standing.home.path / 'ledger.db'}")
    try:
        return [alert.key for alert in open_alerts(ledger)]
    finally:
        ledger.close()


def told_of(standing: Standing, *deployments: str) -> list[str]:
    """Return the open alerts once watch-runs has raised one for each of these, until then nothing."""
    found = alerts_of(standing)
    return found if {f"deployment:{one}:ended" for one in deployments} <= set(found) else []


def test_every_schedule_has_its_limit_and_every_flow_its_deployment() -> None:
    assert set(ENDS_WELL_WITHIN) == {entry.full_name for entry in CATALOG if entry.schedules}
    assert set(TAKES_AT_MOST) == {entry.full_name for entry in CATALOG}
    assert {deployment_of(entry.flow.name) for entry in CATALOG} == {entry.full_name for entry in CATALOG}


@pytest.mark.prove
def test_a_failed_and_a_crashed_run_are_told_once_on_each_channel_and_a_good_end_clears_it(
    standing: Standing, notices: list[str]
) -> None:
    with runs(standing) as make:
        for _ in range(2):
            make(VERIFY_DUE, "FAILED", "Hold", "HOLD: slack refuses. Look there.")
        make(SWEEPER, "CRASHED", "Crashed", "Killed.")
        told = eventually(lambda: told_of(standing, "verify-due", "sweeper"), within_s=180)
        make(VERIFY_DUE, "COMPLETED", "Completed")
        make(RECONCILE, "FAILED", "TimedOut")
        afterwards = eventually(lambda: told_of(standing, "reconcile-events"), within_s=180)
        make(RECONCILE, "COMPLETED", "Completed")
        make(SWEEPER, "COMPLETED", "Completed")

    second = [one for one in notices if "verify-due" in one or "sweeper" in one]
    assert sorted(one.split("{")[0] for one in second) == [f"/{PAGE}", f"/{TICKET}"]
    assert [
        one for one in second if "opsflows: verify-due Hold Run" in one and "HOLD: slack refuses. Look there." in one
    ]
    assert [told.count(f"deployment:{name}:ended") for name in ("verify-due", "sweeper")] == [1, 1]
    assert "deployment:verify-due:ended" not in afterwards


@pytest.mark.prove
def test_a_run_that_was_taken_and_never_began_is_crashed(standing: Standing, client: SyncPrefectClient) -> None:
    ours = Server({COLLECT_COUNTS: UUID(standing.deployment(COLLECT_COUNTS)["id"])}, {})
    [stuck] = [one for one in wanted(ours, Windows(pending=timedelta(seconds=10))) if "stuck" in one.name]
    made = client.create_automation(stuck.model_copy(update={"name": "of collect-counts alone"}))

    with runs(standing) as make:
        run = make(COLLECT_COUNTS, "PENDING", "Pending")
        ended = eventually(lambda: _crashed(standing, run), within_s=90)
    client.delete_automation(made)

    assert ended["state"]["message"].startswith("Taken by a worker 10 seconds ago and never begun")


@pytest.mark.prove
def test_a_run_that_does_not_start_is_told_by_the_server_itself(standing: Standing, notices: list[str]) -> None:
    with runs(standing) as make:
        make(CREDENTIAL_AGES, "SCHEDULED", "Late")

        [told] = eventually(lambda: [one for one in notices if "did not start" in one], within_s=90)

        assert told.startswith(f"/{TICKET}")
        assert "credential-ages did not start" in told


def test_converging_again_changes_nothing_and_a_hand_made_change_is_seen_and_put_right(
    standing: Standing, client: SyncPrefectClient, notices: list[str]
) -> None:
    del notices
    again = converge_automations(client, TWO_CHANNELS, SHORT)
    one = named(standing, "run failed")
    changed = {key: one[key] for key in ("name", "enabled", "trigger", "actions")} | {
        "description": f"Mine. {OUR_MARK}"
    }
    standing.ask("PUT", f"/automations/{one['id']}", changed)

    seen = automation_differences(client, TWO_CHANNELS, SHORT)
    converge_automations(client, TWO_CHANNELS, SHORT)

    assert again == []
    assert [(row.what, row.how) for row in seen] == [(one["name"], "the automation differs in description")]
    assert named(standing, "run failed")["description"] == one["description"]


def test_one_that_a_person_switched_off_stays_off(
    standing: Standing, client: SyncPrefectClient, notices: list[str]
) -> None:
    del notices
    one = named(standing, "lost heartbeat")
    changed = {key: one[key] for key in ("name", "trigger", "actions")} | {
        "description": f"Mine. {OUR_MARK}",
        "enabled": False,
    }
    standing.ask("PUT", f"/automations/{one['id']}", changed)

    converge_automations(client, TWO_CHANNELS, SHORT)
    after = named(standing, "lost heartbeat")
    said = standing.run("deploy", "--check")
    standing.ask("PATCH", f"/automations/{one['id']}", {"enabled": True})

    assert (after["enabled"], after["description"]) == (False, one["description"])
    assert "Automation 'opsflows: lost heartbeat' is switched off; left so." in said.out


def test_what_is_not_wanted_any_more_is_switched_off_and_what_is_not_ours_left_alone(
    standing: Standing, client: SyncPrefectClient, notices: list[str]
) -> None:
    del notices
    trigger = named(standing, "run failed")["trigger"]
    old = {
        "name": f"{PREFIX}of another version",
        "description": OUR_MARK,
        "trigger": trigger,
        "actions": [{"type": "do-nothing"}],
    }
    standing.ask("POST", "/automations/", old)
    theirs = {**old, "name": "theirs", "description": "Made by hand."}
    standing.ask("POST", "/automations/", theirs)

    found = converge_automations(client, TWO_CHANNELS, SHORT)
    again = converge_automations(client, TWO_CHANNELS, SHORT)

    every = {one["name"]: one["enabled"] for one in standing.ask("POST", "/automations/filter", {})}
    assert [(row.what, row.how) for row in found] == [(old["name"], "the automation is not wanted any more")]
    assert again == []
    assert (every[str(old["name"])], every["theirs"]) == (False, True)
    for name in (old["name"], "theirs"):
        [one] = [row for row in standing.ask("POST", "/automations/filter", {}) if row["name"] == name]
        standing.ask("DELETE", f"/automations/{one['id']}")


def test_a_stranger_under_our_name_is_refused_in_words(
    standing: Standing, client: SyncPrefectClient, notices: list[str]
) -> None:
    del notices
    trigger = named(standing, "run failed")["trigger"]
    stranger = {
        "name": f"{PREFIX}mine",
        "description": "Made by hand.",
        "trigger": trigger,
        "actions": [{"type": "do-nothing"}],
    }
    made = standing.ask("POST", "/automations/", stranger)["id"]

    with pytest.raises(BadInput) as refused:
        converge_automations(client, TWO_CHANNELS, SHORT)
    standing.ask("DELETE", f"/automations/{made}")

    assert str(refused.value).startswith("Automation 'opsflows: mine' is there, but not ours")


def test_a_block_that_is_not_there_is_for_a_person_and_stops_nothing(client: SyncPrefectClient) -> None:
    missing = Automations(page_block="custom-webhook/nowhere")

    told = [row for row in automation_differences(client, missing) if row.is_for_a_person]

    assert [row.what for row in told] == ["custom-webhook/nowhere"]
    assert told[0].how.startswith("the notification block is not there")


def test_both_tiers_are_used() -> None:
    assert {entry.tier for entry in CATALOG} == set(Tier)


def _crashed(standing: Standing, run: str) -> dict[str, Any]:
    """Return the run once it counts as crashed, until then nothing."""
    found: dict[str, Any] = standing.ask("GET", f"/flow_runs/{run}")
    return found if found["state"]["type"] == "CRASHED" else {}
