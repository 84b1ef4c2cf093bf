"""What needs someone, from the ledger alone: one line per fact, an alert about the same fact is no second one.

Every line's key is the key of the alert that its fact has or would have. So what no rule here knows is told by its alert.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from domain.attention import Attention, Weight, in_turn
from domain.config import Config
from domain.rotation import Wait
from ledger.alerts import Alert, open_alerts
from ledger.deployment_ends import deployment_ends
from ledger.freezing import frozen
from ledger.kms_goldens import goldens
from ledger.open_facts import day_one_steps, judged_months, open_blockers, silent_runs
from ledger.opening import Ledger
from ledger.questions import open_questions
from steps.attention_of_alerts import line_of_alert
from steps.attention_of_credentials import due_credentials
from steps.attention_of_kms import kms_lines
from steps.attention_of_months import month_lines, waiver_lines
from steps.attention_of_questions import is_asked_by, question_key, question_lines
from steps.attention_of_rotations import FREEZE, freeze_line, rotation_lines
from steps.attention_of_runs import schedule_lines, silent_run_lines
from steps.attention_of_wiring import day_one_lines, verification_lines
from steps.rotation_inventory import Rows
from steps.shared_facts import SharedFacts, shared_facts


def attentions(ledger: Ledger, config: Config, rotations_known: Rows) -> list[Attention]:
    """Return what needs someone in every environment, in the order in which it should be seen to.

    One statement per kind of fact, however many integrations there are. The environment is empty where a fact concerns all of them.

    Raises:
        Unavailable: the ledger does not answer; nothing is known then, not even that nothing is wrong.
    """
    return attentions_among(ledger, config, shared_facts(ledger, config, rotations_known))


def attentions_among(ledger: Ledger, config: Config, facts: SharedFacts) -> list[Attention]:
    """Return the same where somebody has asked for the shared facts already."""
    now, questions, freeze = facts.now, open_questions(ledger), frozen(ledger)
    alerts = {alert.key: alert for alert in open_alerts(ledger)}
    found = [
        *freeze_line(freeze, facts.rotations),
        *rotation_lines(facts.rotations, facts.lives, questions, is_frozen=freeze is not None, now=now),
        *due_credentials(config, facts.lives, facts.held, facts.rotations, now),
        *question_lines(questions, facts.rotations, now),
        *verification_lines(config, facts.verified, facts.live, questions, now),
        *day_one_lines(config, day_one_steps(ledger), open_blockers(ledger), facts.live, questions),
        *month_lines(judged_months(ledger), facts.looked_into, facts.waived, now.date()),
        *waiver_lines(facts.waived, now.date()),
        *kms_lines(config, facts.parts, goldens(ledger), alerts, now),
        *silent_run_lines(silent_runs(ledger, now), now),
        *schedule_lines(deployment_ends(ledger), alerts, now),
    ]  # fmt: skip
    told = {one.key for one in found} | {question_key(one) for one in questions if is_asked_by(one, facts.rotations)}
    return in_turn(
        [*_with_alerts(found, alerts), *(line_of_alert(one) for key, one in alerts.items() if not _is_told(key, told))]
    )


def _with_alerts(found: Iterable[Attention], alerts: dict[str, Alert]) -> Iterator[Attention]:
    """Yield each line as weighty as its alert makes it: what somebody was told of is wrong now; the alert knows the runbook better."""
    for one in found:
        alert = alerts.get(one.key)
        yield replace(one, weight=Weight.NOW, runbook=alert.runbook or one.runbook) if alert else one


def _is_told(key: str, told: set[str]) -> bool:
    """Say whether a line has the alert's fact: its own key, or what the alert sums up or waits behind."""
    if key in told:
        return True
    kind, _, rest = key.partition(":")
    if kind == "verify" and rest.endswith(":platform"):
        return any(one.startswith(key.removesuffix("platform")) for one in told)
    return kind == "rotation" and rest.endswith(f":{Wait.FROZEN}") and FREEZE in told
