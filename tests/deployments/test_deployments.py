"""What `opsflows deploy` does to a real Prefect server, and what the server and a worker then do by themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deployments.catalog import CATALOG
from deployments.schedules import SWEEP_QUARTER_HOURLY, VERIFY_DAILY
from domain.names import (
    CHECK_YESTERDAY,
    COLLECT_COUNTS,
    CONFIRM_STEP,
    CREDENTIAL_AGES,
    DAY1_WIRING,
    DECIDE,
    KMS_REVIEW,
    KMS_SMOKE,
    RECONCILE,
    RESPOND,
    ROTATE,
    ROTATE_DUE,
    ROTATION_DRILL,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    WATCH_RUNS,
)
from tests.program import Beside, Standing, eventually

ALL = {
    DAY1_WIRING, CONFIRM_STEP, VERIFY_DUE, SWEEPER, ROTATE, RESPOND, ROTATE_DUE, STEP_ROTATION, CREDENTIAL_AGES, ROTATION_DRILL,
    RECONCILE, COLLECT_COUNTS, CHECK_YESTERDAY, DECIDE, KMS_SMOKE, KMS_REVIEW,
    WATCH_RUNS,
}  # fmt: skip


def ours(standing: Standing) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = standing.ask(
        "POST", "/deployments/filter", {"deployments": {"tags": {"all_": ["opsflows"]}}}
    )
    return found


@contextmanager
def changed(standing: Standing, full_name: str, **fields: object) -> Iterator[str]:
    """Change a deployment by hand, as someone in the UI would; afterwards it is as it was."""
    before = standing.deployment(full_name)
    path = f"/deployments/{before['id']}"
    standing.ask("PATCH", path, fields)
    try:
        yield path
    finally:
        standing.ask("PATCH", path, {name: before[name] for name in fields})


@pytest.fixture(scope="module", autouse=True)
def sweep(standing: Standing) -> str:
    """A run of the sweeper that a worker takes while the other tests go on; its id."""
    started: str = standing.ask("POST", f"/deployments/{standing.deployment(SWEEPER)['id']}/create_flow_run", {})["id"]
    return started


def test_every_deployment_is_there_with_our_tag(standing: Standing) -> None:
    deployed = {standing.deployment(name)["id"] for name in ALL}

    assert {row["id"] for row in ours(standing)} == deployed


def test_every_parameter_tells_the_operator_what_it_is(standing: Standing) -> None:
    silent = {
        (row["name"], name)
        for row in ours(standing)
        for name, field in row["parameter_openapi_schema"].get("properties", {}).items()
        if not field.get("description", "").strip()
    }
    parameters = standing.deployment(DAY1_WIRING)["parameter_openapi_schema"]["properties"]

    assert silent == set()
    assert {"operator", "ticket", "reason", "mode"} <= set(parameters)


def test_every_schedule_ticks_as_the_catalog_says(standing: Standing) -> None:
    ticking = {
        (
            row["name"],
            schedule["slug"],
            schedule["schedule"]["cron"],
            schedule["schedule"]["timezone"],
            str(schedule["parameters"]),
        )
        for row in ours(standing)
        for schedule in row["schedules"]
    }

    assert ticking == {
        (entry.name, tick.slug, tick.cron, tick.timezone, str(dict(tick.parameters)))
        for entry in CATALOG
        for tick in entry.schedules
    }
    assert {"reconcile-monthly", "collect-counts-daily", "check-yesterday-daily"} <= {slug for _, slug, *_ in ticking}
    assert ("kms-smoke", "kms-smoke-half-hourly", "3,33 * * * *", "UTC", "{}") in ticking


def test_what_runs_on_a_schedule_needs_no_word_of_an_operator(standing: Standing) -> None:
    scheduled = {row["name"]: row["parameter_openapi_schema"] for row in ours(standing) if row["schedules"]}

    assert {name for name, form in scheduled.items() if form.get("required")} == set()
    assert set(scheduled["reconcile-events"]["properties"]) == {
        "operator", "ticket", "reason", "month", "environment", "mode",
    }  # fmt: skip


def test_deploying_again_changes_nothing(standing: Standing, beside: Beside) -> None:
    before = ours(standing)

    again = standing.run("deploy")
    check = beside.run("deploy", "--check")

    assert (again.code, check.code) == (0, 0), again.err + check.err
    assert "Nothing differs" in again.out
    assert "Nothing differs" in check.out
    assert [_shape(row) for row in ours(standing)] == [_shape(row) for row in before]


def test_what_was_changed_by_hand_is_seen_and_put_right_and_our_schedule_stays_as_it_was(
    standing: Standing, beside: Beside
) -> None:
    by_hand = {"parameters": {"limit": 3}, "job_variables": {"env": {"A": "b"}}, "enforce_parameter_schema": False}
    every_hour = {"interval": 3600, "timezone": "UTC"}
    slugless, named = {"schedule": every_hour}, {"schedule": every_hour, "slug": "somebodys-own"}
    with changed(standing, VERIFY_DUE, description="Somebody's own words.", **by_hand) as path:
        (ours_before,) = standing.deployment(VERIFY_DUE)["schedules"]
        standing.ask("POST", f"{path}/schedules", [slugless, named])

        seen = beside.run("deploy", "--check")
        still = standing.deployment(VERIFY_DUE)["description"]
        put_right = beside.run("deploy")
        after = standing.deployment(VERIFY_DUE)
        again = beside.run("deploy", "--check")

    assert (
        f"{VERIFY_DUE}: differs in description, schedules, whether the form is enforced, default parameters, job variables "
        "(schedules that are not in the catalog, which a deploy removes: 2)"
    ) in seen.out
    assert (seen.code, put_right.code, again.code) == (1, 0, 0), put_right.err
    assert (still, "own words" in after["description"]) == ("Somebody's own words.", False)
    assert [(row["id"], row["slug"], row["active"]) for row in after["schedules"]] == [
        (ours_before["id"], VERIFY_DAILY.slug, True)
    ]
    assert (after["parameters"], after["job_variables"], after["enforce_parameter_schema"]) == ({}, {}, True)


def test_a_deployment_of_our_name_that_is_not_ours_is_left_alone(standing: Standing, beside: Beside) -> None:
    with changed(standing, CONFIRM_STEP, tags=["theirs"], description="Theirs."):
        refused = beside.run("deploy")
        held = standing.deployment(CONFIRM_STEP)

    assert refused.code == 2
    assert refused.err.startswith(f"Deployment {CONFIRM_STEP} is there, but not ours")
    assert len(refused.err.splitlines()) == 3
    assert (held["tags"], held["description"]) == (["theirs"], "Theirs.")


def test_what_an_operator_switched_off_or_paused_stays_so(standing: Standing, beside: Beside) -> None:
    by_hand = {"description": "Changed, so that a deploy has something to do."}
    with changed(standing, VERIFY_DUE, **by_hand) as path, changed(standing, DAY1_WIRING, paused=True, **by_hand):
        (schedule,) = standing.deployment(VERIFY_DUE)["schedules"]
        standing.ask("PATCH", f"{path}/schedules/{schedule['id']}", {"active": False})

        deployed = beside.run("deploy")
        (after,) = standing.deployment(VERIFY_DUE)["schedules"]
        paused = standing.deployment(DAY1_WIRING)
        standing.ask("PATCH", f"{path}/schedules/{schedule['id']}", {"active": True})

    assert (deployed.code, f"{VERIFY_DUE}: differs" in deployed.out) == (0, True)
    assert (after["id"], after["active"]) == (schedule["id"], False)
    assert (paused["paused"], paused["description"] != by_hand["description"]) == (True, True)


@pytest.mark.parametrize(
    ("name", "tick"), [(VERIFY_DUE, VERIFY_DAILY), (SWEEPER, SWEEP_QUARTER_HOURLY)], ids=[VERIFY_DUE, SWEEPER]
)
def test_a_schedule_really_gets_runs(standing: Standing, name: str, tick: Any) -> None:
    """Newer SQLAlchemy and FastAPI leave a server that looks healthy and never schedules anything."""
    (schedule,) = standing.deployment(name)["schedules"]

    runs = eventually(lambda: standing.runs_of(name, "SCHEDULED"), within_s=60)

    assert schedule["schedule"]["cron"] == tick.cron
    assert {run["created_by"]["type"] for run in runs} == {"SCHEDULE"}


def test_the_worker_runs_a_sweep_to_its_end(standing: Standing, sweep: str) -> None:
    ended = eventually(lambda: _ended(standing, sweep), within_s=120)

    assert (ended["state"]["type"], ended["state"]["message"]) == ("COMPLETED", "Nothing was due.")


def _ended(standing: Standing, run: str) -> dict[str, Any]:
    """Return the run once it has ended, until then nothing."""
    found: dict[str, Any] = standing.ask("GET", f"/flow_runs/{run}")
    return found if found["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else {}


def _shape(deployment: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a worker's polling changes, and a scheduled run that takes its slot."""
    limit = deployment["global_concurrency_limit"] or {}
    kept = {name: value for name, value in deployment.items() if name not in {"updated", "last_polled", "status"}}
    return kept | {"global_concurrency_limit": limit.get("limit")}
