"""What a real server does by itself when runs end badly, hang, or do not come; and that its automations are ours to converge."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import EventTrigger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from deployments.apply import automation_differences, converge_automations
from deployments.automations import OUR_MARK, PREFIX, Server, Windows, wanted
from deployments.catalog import CATALOG, Tier
from domain.errors import BadInput
from domain.names import COLLECT_COUNTS, CREDENTIAL_AGES, RECONCILE, SWEEPER, VERIFY_DUE, deployment_of
from domain.operations_sections import Automations
from domain.run_bounds import ENDS_WELL_WITHIN, TAKES_AT_MOST
from tests.deployments.made_runs import crashed, runs, told_of
from tests.deployments.second_channel import PAGE, TICKET, TWO_CHANNELS, named, second_channel
from tests.program import Beside, Standing, eventually

SHORT = Windows(not_started=timedelta(seconds=10), looked_again=timedelta(0))


@pytest.fixture(scope="module")
def notices(standing: Standing, client: SyncPrefectClient) -> Iterator[list[str]]:
    """What arrives through the second channel while the automations have short windows; afterwards they are as deployed."""
    with second_channel(standing, client, SHORT) as arrived:
        yield arrived


def test_every_schedule_has_its_limit_and_every_flow_its_deployment() -> None:
    assert set(ENDS_WELL_WITHIN) == {entry.full_name for entry in CATALOG if entry.schedules}
    assert set(TAKES_AT_MOST) == {entry.full_name for entry in CATALOG}
    assert {deployment_of(entry.flow.name) for entry in CATALOG} == {entry.full_name for entry in CATALOG}


def test_the_second_channel_tells_a_deployment_once_in_a_day_at_most() -> None:
    both = wanted(Server({}, {tier: UUID(int=1) for tier in Tier}), Windows())

    days = [one.trigger.within for one in both if "tell, " in one.name and isinstance(one.trigger, EventTrigger)]

    assert days == [timedelta(days=1)] * len(Tier)


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
        make(RECONCILE, "FAILED", "TimedOut", mode="apply")
        afterwards = eventually(lambda: told_of(standing, "reconcile-events"), within_s=180)
        make(RECONCILE, "COMPLETED", "Completed", mode="apply")
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
        ended = eventually(lambda: crashed(standing, run), within_s=90)
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


def test_a_run_counts_as_lost_by_the_setting_that_the_workers_have(client: SyncPrefectClient) -> None:
    usual = {row.what for row in automation_differences(client, Automations())}

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 45}):
        quicker = {row.what for row in automation_differences(client, Automations())}

    assert quicker - usual == {f"{PREFIX}lost heartbeat"}


def test_one_that_a_person_switched_off_stays_off(
    standing: Standing, beside: Beside, client: SyncPrefectClient, notices: list[str]
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
    said = beside.run("deploy", "--check")
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
