"""Things that need someone, each written into a ledger as opsflows itself writes it."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import update

from domain.checklist import StepState
from domain.config import Config
from domain.kms_checks import Checked, faulty, passed
from domain.kms_goldens import MINTED, NewGolden
from domain.names import ROTATION_STEP, SWEEPER, VERIFY_DUE, Credential, Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.reconciliation import Finding, PastMonth
from domain.rotation import Wait
from domain.verdicts import Verdict, World
from domain.windows import Month
from ledger.alerts import raise_alert
from ledger.deployment_ends import record_ends
from ledger.freezing import freeze
from ledger.held_credentials import mark_compromised, note_minted, see_credential
from ledger.investigations import open_investigation
from ledger.kms_checks import record_check
from ledger.kms_goldens import keep_golden
from ledger.opening import Ledger
from ledger.questions import ask
from ledger.reconciliations import record_revision
from ledger.rotations import claim, stand, write
from ledger.runs import open_run
from ledger.schema import DEPLOYMENT_ENDS
from ledger.verifications import record_verifications
from ledger.waivers import waive
from ledger.wiring import go_live, record_step
from tests.ledger.rotating import held, opened, published
from vendors.registry import EVERY

Arrange = Callable[[Ledger], None]
DATADOG = Credential.parse("datadog-default-prod-send")
OCTOBER = Month(2026, 10)
SLACK = Target("slack")
CONFIG = Config.model_validate(
    {
        "environments": {"prod": {"kind": "prod", "in_scope": ["slack", "datadog"]}},
        "kms": {"pay": {"environment": "prod", "base_url": "https://pay.example.org"}},
    },
    context={"integrations": tuple(EVERY), "platforms": ()},
)
WATCHED = passed("health")


def all_is_well(ledger: Ledger) -> None:
    """What a team has on a quiet day: wired, live, verified, checked, swept."""
    record_step(ledger, "prod", 1, StepState.DONE, "known", world=World.REAL, run_id="run-0")
    go_live(ledger, "prod", (ledger.now() - timedelta(days=30)).date(), "ada")
    verified(ledger, Outcome.PASS)
    record_check(ledger, "run-0", Checked("prod", "pay", (WATCHED,)))
    now = ledger.now()
    record_ends(ledger, {SWEEPER: now, VERIFY_DUE: now})


def verified(ledger: Ledger, outcome: Outcome, *targets: Target) -> None:
    results = [
        ProbeResult(one, "message", "n1", outcome, CleanUp.DONE, happened="It said no_service.")
        for one in targets or (SLACK, Target("datadog"))
    ]
    record_verifications(ledger, "run-0", "prod", results, World.REAL)


def slack_fails(ledger: Ledger) -> None:
    verified(ledger, Outcome.FAIL, SLACK)


def slack_has_no_credentials(ledger: Ledger) -> None:
    verified(ledger, Outcome.MISSING, SLACK)


def several_fail_and_are_told_as_one(ledger: Ledger) -> None:
    verified(ledger, Outcome.FAIL, SLACK)
    alert(ledger, "verify:prod:platform", "prod: slack FAIL, datadog FAIL. One cause is likely.")


def day_one_holds(ledger: Ledger) -> None:
    record_step(ledger, "prod", 9, StepState.HOLD, "No set.", world=World.REAL, run_id="run-0", next_step="Enter it.")


def a_question_is_open(ledger: Ledger) -> None:
    ask(ledger, "prod", 21, "slack", "Is it there?", ledger.now() + timedelta(hours=2))


def a_question_is_overdue(ledger: Ledger) -> None:
    ask(ledger, "prod", 21, "slack", "Is it there?", ledger.now() - timedelta(hours=2))
    alert(ledger, "question:1", "prod: nobody answered question 1. Is it there?")


def stands_at(wait: Wait) -> Arrange:
    def arrange(ledger: Ledger) -> None:
        stand(held(ledger), wait, "It stands.", "Do it.", ledger.now() + timedelta(hours=1))

    return arrange


def a_rotation_asks(ledger: Ledger) -> None:
    hands = held(ledger)
    asked = ledger.now() + timedelta(hours=5)
    ask(ledger, "prod", ROTATION_STEP, f"{hands.record.id}:seen:1", "Is its nonce there?", asked, hands.record.id)
    stand(hands, Wait.AWAITING_HUMAN_SEEN, "It cannot be read back.", "Look.", asked)


def an_overlap_ends(ledger: Ledger) -> None:
    hands = held(ledger)
    published(hands)
    write(hands, "outcome", {}, columns={"served_at": ledger.now()})
    stand(hands, Wait.OVERLAP, "Both work.", "Nothing.", ledger.now() + timedelta(hours=3))


def nobody_steps(ledger: Ledger) -> None:
    stand(held(ledger), Wait.OVERLAP, "Both work.", "Nothing.", ledger.now() - timedelta(hours=3))


def frozen_with_a_rotation_behind(ledger: Ledger) -> None:
    freeze(ledger, "the quarter's close", "ada")
    stand(held(ledger), Wait.FROZEN, "Frozen by ada.", "Lift it.", ledger.now() + timedelta(hours=1))


def old_by(days: int) -> Arrange:
    def arrange(ledger: Ledger) -> None:
        see_credential(ledger, DATADOG, "k1:old")
        note_minted(ledger, DATADOG, ledger.now() - timedelta(days=days))

    return arrange


def too_old_and_told(ledger: Ledger) -> None:
    old_by(400)(ledger)
    alert(ledger, f"age:{DATADOG}", f"{DATADOG} is 400 days old. Rotate it.")


def exposed(ledger: Ledger) -> None:
    old_by(1)(ledger)
    mark_compromised(ledger, DATADOG, ledger.now())


def exposed_and_rotating(*, emergency: bool) -> Arrange:
    def arrange(ledger: Ledger) -> None:
        rotating(ledger, emergency=emergency)
        mark_compromised(ledger, DATADOG, ledger.now())

    return arrange


def too_old_and_rotating(ledger: Ledger) -> None:
    old_by(400)(ledger)
    rotating(ledger)


def rotating(ledger: Ledger, *, emergency: bool = False) -> None:
    """Open a rotation with which nothing is wrong: of itself it has no line."""
    hands = claim(ledger, opened(ledger, DATADOG, emergency=emergency).id, "w1")
    assert hands is not None
    stand(hands, Wait.SETTLING, "The vendor lists it late.", "Nothing.", ledger.now() + timedelta(minutes=5))


def a_month_disagrees(ledger: Ledger) -> None:
    row = {"slack": PastMonth(str(OCTOBER), Finding.BREACH, 1000, 30)}
    record_revision(ledger, "run-1", "prod", OCTOBER, "d1", "{}", row, Verdict.HOLD, is_final=True)


def it_is_looked_into(ledger: Ledger) -> None:
    a_month_disagrees(ledger)
    open_investigation(ledger, "prod", OCTOBER, "slack", "grace", ledger.now().date() + timedelta(days=3))


def it_is_waived_for_days(ledger: Ledger) -> None:
    a_month_disagrees(ledger)
    until = ledger.now().date() + timedelta(days=3)
    waive(ledger, "prod", f"reconciliation slack {OCTOBER}", "ada", "a known outage", until)


def a_month_agrees(ledger: Ledger) -> None:
    row = {"slack": PastMonth(str(OCTOBER), Finding.OK, 1000, 0)}
    record_revision(ledger, "run-1", "prod", OCTOBER, "d1", "{}", row, Verdict.GREEN, is_final=True)


def kms_is_down(ledger: Ledger) -> None:
    for _ in range(2):
        record_check(
            ledger, "run-1", Checked("prod", "pay", (WATCHED, faulty("canary/main", "kms.unavailable", "it said 503")))
        )


def a_golden_is_left(ledger: Ledger) -> None:
    keep_golden(ledger, "run-1", "prod", "pay", "gone", NewGolden("projects/p/k", "3", MINTED, b"c", "0" * 64, {}))


def a_run_is_silent(ledger: Ledger) -> None:
    open_run(
        ledger, run_id="verify-20260101T000000-0a1b2c3d", flow="verify", environment="prod", mode="real_all", actor="ada",
        reason="by hand", ticket="", prefect_run_id="", parameters={}, lease=-timedelta(hours=2),
    )  # fmt: skip


def verify_is_silent(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        ended = {"ended_well_at": ledger.now_in(connection) - timedelta(days=3)}
        connection.execute(update(DEPLOYMENT_ENDS).where(DEPLOYMENT_ENDS.c.deployment == VERIFY_DUE).values(**ended))


def of_no_rule_here(ledger: Ledger) -> None:
    alert(
        ledger,
        f"drift:{DATADOG}",
        "The block of datadog holds a value that the ledger does not know. If it is good, adopt it.",
    )


def alert(ledger: Ledger, key: str, text: str) -> None:
    raise_alert(
        ledger, key, environment="prod", target="the operator", text=text, runbook="docs/runbooks/several-failed.md"
    )
