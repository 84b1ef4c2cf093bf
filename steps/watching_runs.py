"""Tells people what Prefect's run history says is wrong: once on entering a state, again every day, until it is over.

The first of two channels: it needs a worker and the ledger. What needs neither is in deployments/automations.py.
"""

from collections.abc import Mapping, Sequence

from domain.names import REHEARSAL
from domain.run_watch import ALL_KEYS, Kind, Trouble, seen_to_be_over, told_by_itself, troubles
from domain.seen_runs import SeenDeployment
from domain.verdicts import Verdict
from ledger.alerts import alerts_since, clear_alert, open_alerts, raise_alert
from ledger.deployment_ends import deployment_ends, record_ends
from ledger.opening import Ledger
from ledger.rotation_rows import find_rotation, is_known
from ledger.runs import ABANDONED, Run, ended_as
from steps.alerting import Escalation, Told, escalate
from steps.context import Context
from steps.sweeping import RUN, able_to_tell
from vendors.capabilities import Urgency

_RUNBOOKS = {
    Kind.ENDED: "docs/runbooks/run-failed.md",
    Kind.LATE: "docs/runbooks/run-late.md",
    Kind.LONG: "docs/runbooks/run-late.md",
    Kind.SILENT: "docs/runbooks/run-missing.md",
}
_WHOM = "the operator"
# As runs over all environments have it in the ledger.
_NO_ENVIRONMENT = "-"


def tell_of_runs(ledger: Ledger, contexts: Mapping[str, Context], seen: Sequence[SeenDeployment]) -> list[Told]:
    """Raise, send and clear the alerts of what was seen; return what was done about each."""
    record_ends(ledger, {one.name: one.ended_well_at for one in seen})
    ends = {one.deployment: one.ended_well_at for one in deployment_ends(ledger)}
    wrong = [one for one in troubles(seen, ends, ledger.now()) if not _is_of_no_concern(ledger, one)]
    telling = [one for one in wrong if not _is_told(ledger, one)]
    cleared = seen_to_be_over(seen, [one.key for one in telling])
    ours = {alert.key for alert in open_alerts(ledger) if alert.key.startswith(ALL_KEYS)}
    return [
        *(Told(f"Alert {key} cleared.") for key in sorted(cleared & ours) if clear_alert(ledger, key)),
        *(told for one in telling for told in _told(ledger, contexts, one)),
    ]


def _told(ledger: Ledger, contexts: Mapping[str, Context], trouble: Trouble) -> list[Told]:
    """Raise the alert and send it where it is due: to its own environment's targets, or where anybody can be told."""
    one = Escalation(trouble.key, _WHOM, trouble.title, trouble.text, _RUNBOOKS[trouble.kind])
    urgency = Urgency.PAGE if trouble.is_paged else Urgency.TICKET
    environment = trouble.environment or _NO_ENVIRONMENT
    context = contexts.get(trouble.environment) or able_to_tell(contexts)
    if context is not None:
        return escalate(context, [one], urgency, environment)
    raise_alert(
        ledger, one.key, environment=environment, target=_WHOM, text=f"{one.title}. {one.text}", runbook=one.runbook,
        urgency=urgency.value,
    )  # fmt: skip
    return [Told(f"Not sent, because no environment of opsflows.toml names anybody to tell: {one.title}.")]


def _is_told(ledger: Ledger, trouble: Trouble) -> bool:
    if trouble.run is None:
        return False
    run_id = trouble.run.run_id
    # A killed run is seen by its lease too; whichever saw it first tells.
    if any(f"{RUN}{run.run_id}" in _alerts_of(ledger, run) for run in ended_as(ledger, run_id, ABANDONED)):
        return True
    held: dict[str, set[str]] = {}
    for run in ended_as(ledger, run_id, Verdict.HOLD.value):
        held.setdefault(run.environment, set()).update(_alerts_of(ledger, run))
    return told_by_itself(trouble, held)


def _alerts_of(ledger: Ledger, run: Run) -> set[str]:
    """Return the keys of alerts in the run's environment since it opened, of those before it the ones that outlasted it."""
    since = alerts_since(ledger, run.opened_at, run.sealed_at or run.opened_at)
    return {key for key, environment in since.items() if environment == run.environment}


def _is_of_no_concern(ledger: Ledger, trouble: Trouble) -> bool:
    """Say whether the run steps a rotation that is over, or one of the rehearsal, whose stand-ins are broken on purpose."""
    rotation = str(trouble.run.parameters.get("rotation") or "") if trouble.run else ""
    if not rotation or not is_known(ledger, rotation):
        return False
    record = find_rotation(ledger, rotation)
    return record.closed_at is not None or record.credential.environment == REHEARSAL
