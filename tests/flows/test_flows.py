"""What each flow comes to in Prefect: run history never looks green when it is not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from prefect.client.schemas.objects import State
from prefect.variables import Variable
from pydantic import SecretStr

from blocks.slack import SlackRead
from domain.names import Target
from domain.run_mode import Mode
from flows.confirm_a_step import Answer, confirm_a_step
from flows.sweep_what_is_due import sweep_what_is_due
from flows.verify_what_is_due import verify_what_is_due
from flows.wire_day_one import wire_day_one
from ledger import due, probes
from ledger.alerts import open_alerts
from ledger.auditing import verify_audit
from ledger.questions import ask, open_questions
from ledger.runs import runs
from ledger.wiring import go_live
from tests.flows.conftest import Desk
from tests.mocks.polling import eventually


def _wire(**parameters: Any) -> State[Any]:
    required = {"operator": "ana", "ticket": "OPS-1", "reason": "test"}
    state: State[Any] = wire_day_one(**required, **parameters, return_state=True)
    return state


def test_a_plan_sends_nothing_and_ends_planned(desk: Desk) -> None:
    state = _wire(environment="staging", wiring_mode="real_all", mode=Mode.PLAN)

    assert (state.is_completed(), state.name) == (True, "Planned")
    assert [desk.sent_to(name) for name in ("slack", "datadog")] == [0, 0]
    assert runs(desk.ledger)[0].verdict == "PLANNED"


def test_a_mode_of_the_other_world_is_bad_input_and_sends_nothing(desk: Desk) -> None:
    state = _wire(environment="staging", wiring_mode="mock", mode=Mode.APPLY)

    assert (state.is_failed(), state.name) == (True, "BadInput")
    assert "rehearsal" in (state.message or "")
    assert desk.sent_to("slack") == 0


def test_a_real_mode_refuses_to_start_before_the_rehearsal_has_passed(desk: Desk) -> None:
    desk.store("slack", "datadog")

    state = _wire(environment="staging", wiring_mode="real_all", mode=Mode.APPLY)

    assert state.name == "BadInput"
    assert "rehearsal has not passed" in (state.message or "")
    assert desk.sent_to("slack") == 0


def test_the_rehearsal_of_a_small_scope_is_green_and_opens_the_way_for_one_integration(desk: Desk) -> None:
    rehearsed = _wire(environment="rehearsal", wiring_mode="mock", mode=Mode.APPLY)
    desk.store("slack")

    real = _wire(environment="staging", wiring_mode="real_slack", mode=Mode.APPLY)

    assert rehearsed.name == "Hold"  # no deployment here, so step 29 stays open
    assert "step 29" in (rehearsed.message or "")
    assert "1 HOLD" in (real.message or "")
    bundle = next(desk.home.glob("audit/day1-wiring/*/*/*/*/probes.json")).parent
    assert json.loads((bundle / "probes.json").read_text())
    assert "datadog" not in {row["target"] for row in json.loads(_newest(desk, "probes.json"))}


def test_a_missing_credential_holds_the_run_and_does_not_stop_the_others(desk: Desk) -> None:
    desk.store("datadog")

    state = _wire(environment="staging", wiring_mode="real_all", mode=Mode.APPLY, skip_rehearsal="test")

    assert (state.is_failed(), state.name) == (True, "Hold")
    assert "step 7 HOLD: slack" in (state.message or "")
    assert desk.sent_to("datadog") > 0
    assert "test" in _newest(desk, "report.md")


def test_nothing_is_due_in_an_environment_that_is_not_live(desk: Desk) -> None:
    state = verify_what_is_due(return_state=True)

    assert (state.is_completed(), state.name) == (True, "NothingDue")


def test_a_live_environment_is_verified_and_green(desk: Desk) -> None:
    desk.store("slack", "datadog")
    go_live(desk.ledger, "staging", datetime.now(UTC).date(), "ana")

    state = verify_what_is_due(return_state=True)
    again = verify_what_is_due(return_state=True)

    assert (state.is_completed(), state.name) == (True, "Completed")
    assert again.name == "NothingDue"


def test_a_failure_after_go_live_holds_names_the_rollback_and_tells_the_owner_once(desk: Desk) -> None:
    desk.store("slack", "datadog")
    go_live(desk.ledger, "staging", datetime.now(UTC).date(), "ana")
    desk.stand_ins.control("POST", "/datadog/faults", {"times": -1, "status": 403, "body": '{"errors":["Forbidden"]}'})

    state = verify_what_is_due(return_state=True)

    told = _told(desk, "dana")
    incident = _newest(desk, "incident.md")
    assert (state.is_failed(), state.name) == (True, "Hold")
    assert len(told) == 1
    assert "kubectl set env deploy/app OPERATOR_WIRING_PROD_ENABLED=0" in told[0]
    assert "Delete no credential" in incident
    assert [alert.times_sent for alert in open_alerts(desk.ledger, "staging")] == [1]


def test_one_integration_with_unusable_credentials_holds_and_the_others_are_verified(desk: Desk) -> None:
    desk.store("slack", "datadog")
    go_live(desk.ledger, "staging", datetime.now(UTC).date(), "ana")
    SlackRead(bot_token=SecretStr("xoxb-1-2-abc")).save("slack-default-staging-read", overwrite=True)

    state = verify_what_is_due(return_state=True)

    assert (state.is_failed(), state.name) == (True, "Hold")
    assert "slack FAIL" in (state.message or "")
    assert desk.sent_to("datadog") > 0


def test_an_answer_to_a_question_that_does_not_exist_is_bad_input(desk: Desk) -> None:
    state = confirm_a_step(question=99, answer=Answer.SEEN, by="ana", return_state=True)

    assert state.name == "BadInput"


def test_the_first_answer_is_kept_with_who_said_it(desk: Desk) -> None:
    asked = ask(desk.ledger, "staging", 21, "slack", "seen?", datetime.now(UTC) + timedelta(hours=1))

    first = confirm_a_step(question=asked.id, answer=Answer.SEEN, by="ana", return_state=True)
    second = confirm_a_step(question=asked.id, answer=Answer.NOT_SEEN, by="bob", return_state=True)

    assert first.is_completed()
    assert second.name == "BadInput"
    assert not open_questions(desk.ledger)


def test_the_sweeper_tells_of_an_overdue_question_once_and_is_green_itself(desk: Desk) -> None:
    desk.store("slack")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    asked = ask(desk.ledger, "staging", 21, "slack", "is it there?", long_ago)
    due.schedule(desk.ledger, "question-deadline", str(asked.id), long_ago, f"question-deadline:{asked.id}")

    first = sweep_what_is_due(return_state=True)
    second = sweep_what_is_due(return_state=True)

    told = _told(desk, "is it there?")
    assert first.is_completed()
    assert second.is_completed()
    assert len(told) == 1


def test_the_sweeper_cleans_up_what_a_crash_left_at_the_vendor(desk: Desk) -> None:
    desk.store("slack")
    nonce = "a" * 32
    webhook = desk.stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"]
    httpx.post(webhook, json={"text": f"left behind nonce={nonce}"}, trust_env=False).raise_for_status()
    probes.open_intents(desk.ledger, "gone", "staging", [(nonce, Target("slack"), "message")], timedelta(seconds=-1))

    state = sweep_what_is_due(return_state=True)

    assert state.is_completed(), state.message
    assert not [row for row in desk.stand_ins.control("GET", "/slack/inbox") if nonce in row["text"]]


def test_a_server_of_another_ledger_is_refused_before_any_vendor_is_called(desk: Desk) -> None:
    desk.store("slack", "datadog")
    Variable.set("opsflows_ledger_id", "another", overwrite=True)

    state = _wire(environment="staging", wiring_mode="real_all", mode=Mode.APPLY, skip_rehearsal="test")

    assert state.name == "BadInput"
    assert "another" in (state.message or "")
    assert desk.sent_to("slack") == 0


def test_what_the_runs_left_behind_is_intact(desk: Desk) -> None:
    desk.store("slack", "datadog")
    _wire(environment="staging", wiring_mode="real_slack", mode=Mode.APPLY, skip_rehearsal="test")

    report = verify_audit(desk.ledger, desk.home)

    assert report.is_intact
    assert report.bundles >= 1


def _told(desk: Desk, words: str) -> list[str]:
    """Return the messages with these words, once the stand-in shows what it took."""

    def look() -> list[str]:
        return [row["text"] for row in desk.stand_ins.control("GET", "/slack/inbox") if words in row["text"]]

    return eventually(look)


def _newest(desk: Desk, name: str) -> str:
    files: list[Path] = sorted(desk.home.glob(f"audit/*/*/*/*/*/{name}"), key=lambda file: file.stat().st_mtime)
    return files[-1].read_text()
