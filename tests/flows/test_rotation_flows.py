"""A rotation lived through on a real Prefect server: planned, applied, its overlap waited for, the old one revoked."""

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from blocks.store import load_values, save_values
from domain.names import Credential, Target
from domain.rotation import State as At
from domain.rotation import Wait
from domain.run_mode import Mode
from flows.check_credential_ages import check_credential_ages
from flows.rotate_credentials import CredentialChoice, Reason, rotate_credentials
from flows.rotate_what_is_due import rotate_what_is_due
from flows.step_a_rotation import step_a_rotation
from flows.sweep_what_is_due import sweep_what_is_due
from ledger.alerts import open_alerts
from ledger.held_credentials import find_credential
from ledger.rotation_rows import rotations
from ledger.runs import runs
from steps.rotation_inventory import take_stock
from tasks.preparing_rotation import value_in_use
from tests.flows.conftest import Desk
from tests.flows.later import desk_at
from vendors.registry import INTEGRATIONS

DATADOG_SEND = Credential.parse("datadog-default-staging-send")


def _rotate(*credentials: str, mode: Mode = Mode.APPLY, **parameters: Any) -> State[Any]:
    chosen = [CredentialChoice(one) for one in credentials]
    given = {"environment": "staging", "reason": Reason.TEST, "operator": "ana", "ticket": "OPS-1", **parameters}
    state: State[Any] = rotate_credentials(chosen, mode=mode, return_state=True, **given)
    return state


def _value(desk: Desk, name: str, variable: str) -> str:
    return (load_values(INTEGRATIONS[name], Target(name), "staging") or {})[variable]


def _keys(desk: Desk) -> dict[str, str]:
    """Return the names of the organisation's API keys by id, as the stand-in lists them."""
    import httpx  # noqa: PLC0415 (this test alone asks a stand-in directly)

    given = desk.stand_ins.control("GET", "/datadog/credentials")
    headers = {"dd-api-key": _value(desk, "datadog", "DD_API_KEY"), "dd-application-key": given["DD_MANAGE_APP_KEY"]}
    answer = httpx.get(f"{desk.stand_ins.url}/datadog/api/v2/api_keys?page[size]=100", headers=headers)
    return {row["id"]: row["attributes"]["name"] for row in answer.json()["data"]}


def test_a_plan_changes_nothing_and_says_what_stands_in_the_way(desk: Desk) -> None:
    desk.store("datadog")
    before = _keys(desk)

    state = _rotate("datadog send", mode=Mode.PLAN)

    assert (state.is_completed(), state.name) == (True, "Planned")
    assert _keys(desk) == before
    assert rotations(desk.ledger) == []
    plan = next(desk.home.glob("audit/rotate-credentials/*/*/*/*/report.md")).read_text()
    assert "Not adopted yet; it seems to be first" in plan
    assert "places; the manage credential may list" in plan


def test_a_rotation_goes_as_far_as_published_and_waits_for_its_adoption(desk: Desk) -> None:
    desk.store("datadog")
    old = _value(desk, "datadog", "DD_API_KEY")

    state = _rotate("datadog send")

    [record] = rotations(desk.ledger)
    assert (state.is_failed(), state.name) == (True, "AwaitingAdoption")
    assert (record.state, record.wait) == (At.PUBLISHED, Wait.AWAITING_ADOPTION)
    assert f"opsflows adopt {DATADOG_SEND}" in (state.message or "")
    assert _value(desk, "datadog", "DD_API_KEY") != old
    assert len(_keys(desk)) == 2
    assert [alert.key for alert in open_alerts(desk.ledger)] == [f"rotation:{record.id}:AWAITING_ADOPTION"]


def test_one_credential_that_fails_does_not_stop_the_others(desk: Desk) -> None:
    desk.store("datadog", "slack")
    desk.stand_ins.control("POST", "/datadog/faults", {"times": -1, "status": 500})

    state = _rotate("datadog send", "slack send")

    stands = {str(row.credential): row.wait for row in rotations(desk.ledger)}
    assert state.name == "Hold"
    assert stands["slack-default-staging-send"] is Wait.AWAITING_HUMAN_CREATE
    assert stands[str(DATADOG_SEND)] is Wait.BACKOFF
    assert "1 CREATING (AWAITING_HUMAN_CREATE)" in (state.message or "")


def test_nothing_is_due_right_after_installation_and_everything_is_known(desk: Desk) -> None:
    desk.store("datadog", "slack")

    planned = rotate_what_is_due(return_state=True)
    state = rotate_what_is_due(mode=Mode.APPLY, return_state=True)

    assert (planned.is_completed(), planned.name) == (True, "Planned")
    assert (state.is_completed(), state.name) == (True, "NothingDue")
    held = find_credential(desk.ledger, DATADOG_SEND)
    assert held is not None
    assert held.fingerprint
    with get_client(sync_client=True) as client:
        calendar = next(row for row in client.read_artifacts() if row.key == "rotation-calendar-staging")
    assert str(DATADOG_SEND) in str(calendar.data)
    assert check_credential_ages("ana", "asked by audit", return_state=True).is_completed()
    [checked] = runs(desk.ledger, flow="credential-ages")
    assert (checked.actor, checked.reason) == ("ana", "asked by audit")


def test_a_form_that_nobody_touched_shows_what_is_due_and_opens_no_rotation(desk: Desk) -> None:
    desk.store("datadog")
    with desk_at(-timedelta(days=400)) as long_ago:
        take_stock(long_ago.run.ledger, [DATADOG_SEND], value_in_use(long_ago), long_ago.fingerprint)
    before = _keys(desk)

    state = rotate_what_is_due(return_state=True)

    with get_client(sync_client=True) as client:
        plans = [row for row in client.read_artifacts() if row.key == "rotation-plan-due"]
    assert (state.is_completed(), state.name) == (True, "Planned")
    assert (state.message or "").startswith("PLANNED: 1 credentials are due")
    assert any(str(DATADOG_SEND) in str(plan.data) for plan in plans)
    assert rotations(desk.ledger) == []
    assert _keys(desk) == before


def test_the_sweeper_steps_what_is_due_and_repairs_a_block(desk: Desk) -> None:
    # Slack is where tickets go: a sweep that can tell nobody would hold.
    desk.store("datadog", "slack")
    old = _value(desk, "datadog", "DD_API_KEY")
    _rotate("datadog send")
    current = _value(desk, "datadog", "DD_API_KEY")
    save_values(INTEGRATIONS["datadog"], Target("datadog"), "staging", {"DD_API_KEY": old})
    [record] = rotations(desk.ledger)

    stepped = step_a_rotation(record.id, return_state=True)

    assert stepped.name == "AwaitingAdoption"
    assert _value(desk, "datadog", "DD_API_KEY") == current
    assert sweep_what_is_due(return_state=True).is_completed()
    with get_client(sync_client=True) as client:
        artifacts = {row.key for row in client.read_artifacts()}
    assert {f"rotation-{DATADOG_SEND}", "sweep"} <= artifacts
    assert {run.flow for run in runs(desk.ledger)} >= {"rotate-credentials", "step-rotation", "sweep-due-moments"}


def test_a_step_of_a_rotation_that_does_not_exist_is_bad_input(desk: Desk) -> None:
    state = step_a_rotation("r00000000000", return_state=True)

    assert state.name == "BadInput"
