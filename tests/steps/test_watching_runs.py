"""A run that ended badly is told once and daily, to the right people, and not where its own flow told the same already."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from domain.names import KMS_SMOKE, ROTATE, STEP_ROTATION, SWEEPER, Credential
from domain.rotation import Kind as Why
from domain.seen_runs import SeenDeployment, SeenRun
from domain.verdicts import Verdict, World
from ledger.alerts import clear_alert, open_alerts, raise_alert
from ledger.deployment_ends import deployment_ends
from ledger.opening import Ledger
from ledger.rotation_schema import ROTATIONS
from ledger.rotations import open_rotation
from ledger.runs import RUN_LEASE, open_run, seal_run
from steps.alerting import in_words
from steps.context import Context
from steps.sweeping import seal_dead_runs
from steps.watching_runs import tell_of_runs
from tests.ledger.recording import opened
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import Scene

PREFECT_RUN = "0f1e2d3c-0000-4000-8000-000000000001"
A_DAY = timedelta(days=1)


@pytest.fixture
def prod(open_in: OpenScene) -> Scene:
    return open_in("prod", alerts={"page": "pagerduty", "ticket": "slack"})


def ended(scene: Scene, deployment: str, state: str = "FAILED", *, name: str = "Hold", paged: bool = False, **parameters: object) -> SeenDeployment:  # fmt: skip
    now = scene.ledger.now()
    run = SeenRun(
        deployment, "a run", PREFECT_RUN, state, name, "The reason. What to do.", now, {"mode": "apply", **parameters}
    )
    return SeenDeployment(deployment, now, is_paged=paged, is_off=False, ended=(run,), waiting=())


def contexts(scene: Scene) -> Mapping[str, Context]:
    return {scene.environment: scene.context()}


def told(scene: Scene, *seen: SeenDeployment) -> list[str]:
    return in_words(tell_of_runs(scene.ledger, contexts(scene), seen))


def tickets(scene: Scene) -> int:
    return len(scene.arrived("slack", "[ticket]"))


def recorded(ledger: Ledger, flow: str, environment: str, *, is_killed: bool = False) -> None:
    open_run(
        ledger, run_id=f"{flow}-1", flow=flow, environment=environment, mode="apply", actor="ada", reason="r", ticket="t",
        prefect_run_id=PREFECT_RUN, parameters={},
    )  # fmt: skip
    if not is_killed:
        seal_run(ledger, f"{flow}-1", Verdict.HOLD, World.REAL, "digest")


def test_a_failed_run_is_told_once_again_after_a_day_and_cleared_by_the_next_good_end(prod: Scene) -> None:
    failing = ended(prod, ROTATE, environment="prod")

    [first] = told(prod, failing)
    told(prod, failing)

    assert first == "the operator told through slack: rotate-credentials of prod ended Hold."
    assert tickets(prod) == 1
    with prod.later(A_DAY + timedelta(minutes=1)) as then:
        told(then, failing)
        told(then, failing)
        assert tickets(then) == 2
        cleared = told(then, ended(then, ROTATE, "COMPLETED", environment="prod"))
        told(then, failing)

        assert cleared == ["Alert deployment:rotate-credentials:ended:prod cleared."]
        assert tickets(then) == 3


def test_a_crash_of_what_pages_pages_where_anybody_can_be_told(prod: Scene) -> None:
    told(prod, ended(prod, SWEEPER, "CRASHED", name="Crashed", paged=True))

    [alert] = open_alerts(prod.ledger)
    assert (alert.key, alert.environment, alert.urgency) == ("deployment:sweeper:ended", "-", "page")
    assert alert.runbook == "docs/runbooks/run-failed.md"
    assert len(prod.arrived("pagerduty", '"severity":"critical"')) == 1
    assert tickets(prod) == 0


def test_what_the_flow_told_itself_is_not_told_again(prod: Scene) -> None:
    recorded(prod.ledger, "kms-smoke", "prod")
    raise_alert(prod.ledger, "kms:prod:pay:health", environment="prod", target="t", text="t.", runbook="r")

    said = told(prod, ended(prod, KMS_SMOKE))

    assert said == []
    assert [alert.key for alert in open_alerts(prod.ledger)] == ["kms:prod:pay:health"]


def test_what_the_flow_told_itself_is_not_told_once_it_is_mended(prod: Scene) -> None:
    raise_alert(prod.ledger, "kms:prod:pay:health", environment="prod", target="t", text="t.", runbook="r")
    with prod.later(timedelta(minutes=30)) as then:
        recorded(then.ledger, "kms-smoke", "prod")
    with prod.later(timedelta(minutes=40)) as mended:
        clear_alert(mended.ledger, "kms:prod:pay:health")

        assert told(mended, ended(mended, KMS_SMOKE)) == []


def test_an_alert_that_was_over_before_the_run_says_nothing_of_it(prod: Scene) -> None:
    raise_alert(prod.ledger, "kms:prod:pay:health", environment="prod", target="t", text="t.", runbook="r")
    clear_alert(prod.ledger, "kms:prod:pay:health")
    with prod.later(timedelta(minutes=30)) as then:
        recorded(then.ledger, "kms-smoke", "prod")

        assert told(then, ended(then, KMS_SMOKE)) == ["the operator told through slack: kms-smoke ended Hold."]


def test_a_step_that_crashed_is_told_until_its_rotation_is_over(prod: Scene) -> None:
    credential = Credential.parse("slack-default-prod-send")
    opened = open_rotation(
        prod.ledger, "r0123456789a", credential, Why.SCHEDULED, operator="ada", reason="r", ticket="t", due_window=""
    )
    crashed = ended(prod, STEP_ROTATION, "CRASHED", name="Crashed", rotation=opened.id)
    told(prod, crashed)
    with prod.ledger.writing() as connection:
        connection.execute(update(ROTATIONS).values(closed_at=prod.ledger.now()))

    said = told(prod, crashed)

    assert said == [f"Alert deployment:step-rotation:ended:{opened.id} cleared."]


def test_a_run_that_does_not_end_is_told_and_cleared_when_it_is_gone(prod: Scene) -> None:
    now = prod.ledger.now()
    run = SeenRun(SWEEPER, "a run", PREFECT_RUN, "RUNNING", "Running", "", now - timedelta(minutes=31))
    hanging = SeenDeployment(SWEEPER, now, is_paged=False, is_off=False, ended=(), waiting=(), going_on=(run,))

    told(prod, hanging)
    [alert] = open_alerts(prod.ledger)
    cleared = told(prod, replace(hanging, going_on=()))

    assert (alert.key, alert.runbook) == ("deployment:sweeper:long", "docs/runbooks/run-late.md")
    assert cleared == ["Alert deployment:sweeper:long cleared."]


def test_a_killed_run_is_told_by_whoever_sees_it_first(prod: Scene) -> None:
    recorded(prod.ledger, "rotate-credentials", "prod", is_killed=True)
    crashed = ended(prod, ROTATE, "CRASHED", name="Crashed", environment="prod")

    with prod.later(RUN_LEASE + timedelta(seconds=1)) as then:
        told(then, crashed)
        seal_dead_runs(then.ledger)

        assert [alert.key for alert in open_alerts(then.ledger)] == ["deployment:rotate-credentials:ended:prod"]


@pytest.mark.parametrize("where", ["staging", "prod"])
def test_a_killed_run_is_told_though_another_of_its_flow_crashed_before(prod: Scene, where: str) -> None:
    before = ended(prod, ROTATE, "CRASHED", name="Crashed", environment=where)
    told(prod, replace(before, ended=(replace(before.ended[0], run_id="another-run"),)))
    recorded(prod.ledger, "rotate-credentials", "prod", is_killed=True)

    with prod.later(RUN_LEASE + timedelta(seconds=1)) as then:
        seal_dead_runs(then.ledger)

        assert [alert.key for alert in open_alerts(then.ledger)] == [
            f"deployment:rotate-credentials:ended:{where}",
            "run:rotate-credentials-1",
        ]


def test_a_killed_run_is_told_once_though_an_alert_of_an_earlier_crash_was_sent_that_names_it_now(prod: Scene) -> None:
    crashed = ended(prod, ROTATE, "CRASHED", name="Crashed", environment="prod")
    told(prod, replace(crashed, ended=(replace(crashed.ended[0], run_id="another-run"),)))
    with prod.later(timedelta(hours=1)) as then:
        recorded(then.ledger, "rotate-credentials", "prod", is_killed=True)
        told(then, ended(then, ROTATE, "CRASHED", name="Crashed", environment="prod"))

    with prod.later(timedelta(hours=1) + RUN_LEASE + timedelta(seconds=1)) as swept:
        seal_dead_runs(swept.ledger)
        told(swept, ended(swept, ROTATE, "CRASHED", name="Crashed", environment="prod"))

        assert [alert.key for alert in open_alerts(swept.ledger)] == ["run:rotate-credentials-1"]


def test_a_killed_run_that_prefect_does_not_know_is_told_whatever_else_is_open(prod: Scene) -> None:
    told(prod, ended(prod, ROTATE, "CRASHED", name="Crashed", environment="prod"))
    opened(prod.ledger, "from-a-terminal", flow="rotate-credentials")

    with prod.later(RUN_LEASE + timedelta(seconds=1)) as then:
        seal_dead_runs(then.ledger)

        assert "run:from-a-terminal" in {alert.key for alert in open_alerts(then.ledger)}


def test_a_run_whose_death_its_lease_has_told_is_not_told_again_by_its_crash(prod: Scene) -> None:
    recorded(prod.ledger, "rotate-credentials", "prod", is_killed=True)

    with prod.later(RUN_LEASE + timedelta(seconds=1)) as then:
        seal_dead_runs(then.ledger)
        said = told(then, ended(then, ROTATE, "CRASHED", name="Crashed", environment="prod"))

        assert said == []
        assert [alert.key for alert in open_alerts(then.ledger)] == ["run:rotate-credentials-1"]


def test_nobody_to_tell_is_said_and_the_alert_stands(prod: Scene) -> None:
    [said] = in_words(tell_of_runs(prod.ledger, {}, [ended(prod, SWEEPER)]))

    assert said.startswith("Not sent, because no environment")
    assert [alert.key for alert in open_alerts(prod.ledger)] == ["deployment:sweeper:ended"]


def test_a_good_end_is_remembered_when_prefect_has_forgotten_it(prod: Scene) -> None:
    well = ended(prod, ROTATE, "COMPLETED")

    told(prod, well)
    told(prod, SeenDeployment(ROTATE, prod.ledger.now(), is_paged=False, is_off=False, ended=(), waiting=()))

    [one] = deployment_ends(prod.ledger)
    assert (one.deployment, one.ended_well_at) == (ROTATE, well.ended[0].at)
