"""A decision made in the form is recorded as a run, with who and why; one that cannot be is refused as bad input."""

from datetime import timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from domain.reconciliation import Finding, PastMonth
from domain.verdicts import Verdict
from domain.windows import Month
from flows.decide_on_a_month import decide_on_a_month
from ledger.auditing import verify_audit
from ledger.investigations import open_investigations
from ledger.reconciliations import record_revision
from ledger.runs import runs
from ledger.sign_offs import sign_off_of
from ledger.waivers import waivers
from steps.deciding import Decision
from tests.flows.conftest import Desk

OCTOBER = Month(2024, 10)


def _decide(decision: Decision, **parameters: Any) -> State[Any]:
    required = {"environment": "staging", "month": str(OCTOBER), "operator": "ana", "reason": "seen", "ticket": "OPS-1"}
    state: State[Any] = decide_on_a_month(decision=decision, **{**required, **parameters}, return_state=True)
    return state


def test_what_is_decided_in_the_form_is_recorded_with_who_and_why(desk: Desk) -> None:
    rows = {"slack": PastMonth(str(OCTOBER), Finding.BREACH, 100, 9)}
    record_revision(desk.ledger, "run", "staging", OCTOBER, "d1", "{}", rows, Verdict.HOLD, is_final=True)
    day = str(desk.ledger.now().date() + timedelta(days=9))

    states = [
        _decide(Decision.WAIVE, integration="slack", day=day),
        _decide(Decision.INVESTIGATE, integration="slack", day=day, owner="bob"),
        _decide(Decision.SIGN_OFF),
        _decide(Decision.CLOSE, integration="slack"),
        _decide(Decision.WITHDRAW, integration="slack"),
    ]

    signed = sign_off_of(desk.ledger, "staging", OCTOBER)
    assert [state.name for state in states] == ["Completed"] * 5
    assert "bob looks into slack in staging, 2024-10" in (states[1].message or "")
    assert signed is not None
    assert (signed.who, signed.note) == ("ana", "seen")
    assert (open_investigations(desk.ledger, "staging"), waivers(desk.ledger)) == ((), ())
    assert {(run.flow, run.actor, run.verdict) for run in runs(desk.ledger)} == {("decide-on-a-month", "ana", "GREEN")}
    assert verify_audit(desk.ledger, desk.home).breaks == ()


@pytest.mark.parametrize(
    ("decision", "parameters", "sentence"),
    [
        (Decision.WAIVE, {"integration": "slack"}, "A waiver without a day was asked for."),
        (Decision.WAIVE, {"integration": "slack", "day": "2026-02-31"}, "'2026-02-31' is not a day."),
        (Decision.CLOSE, {}, "No integration was named."),
        (Decision.SIGN_OFF, {}, "2024-10 was never reconciled in staging."),
        (Decision.SIGN_OFF, {"environment": "moon"}, "'moon' is not an environment."),
    ],
)
def test_what_cannot_be_decided_is_bad_input_and_changes_nothing(
    desk: Desk, decision: Decision, parameters: dict[str, str], sentence: str
) -> None:
    state = _decide(decision, **parameters)

    assert (state.is_failed(), state.name) == (True, "BadInput")
    assert (state.message or "").startswith(sentence)
    assert verify_audit(desk.ledger, desk.home).facts == 0
