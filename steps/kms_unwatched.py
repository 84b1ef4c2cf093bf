"""A service whose smoke check does not run any more is told by the sweeper, with no need of Prometheus: a dead-man inside opsflows.

It sees the smoke check's deployment paused, its runs crashing, a target that no run names. It does not see its own end: where
nothing runs at all, the exporter's rule tells (docs/runbooks/kms-canary-dead-man.md).
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from ledger.alerts import clear_alert, open_alerts
from ledger.due import claim_due, finish, postpone, schedule, upcoming
from ledger.kms_checks import last_checked_at
from ledger.opening import Ledger
from steps.alerting import Escalation, Told, escalate
from steps.context import Context
from vendors.capabilities import Urgency

# Two checks and the sweeper's own quarter of an hour.
UNWATCHED_AFTER = timedelta(minutes=70)
FIRST_CHECK_WITHIN = timedelta(hours=1)
# Due where a target that nobody ever checked has to have been checked.
_FIRST_CHECK = "kms-first-check"
_LEASE = timedelta(minutes=5)
_MOST = 10_000
# As if it were a part of the target: the next check, which has no such part, clears it as one that is gone.
_PART = "unwatched"


def tell_unwatched(ledger: Ledger, contexts: Mapping[str, Context], worker: str) -> list[Told]:
    """Page whoever has to know of targets that nobody checks, and clear what holds no more; return what was done.

    Of the declared targets outside the rehearsal: those last checked more than 70 minutes ago, and those that were never checked
    within an hour of the first sweep that saw them.
    """
    last = {
        (environment, name): last_checked_at(ledger, environment, name)
        for environment, context in contexts.items()
        for name, row in context.config.kms.items()
        if row.environment == environment and not context.is_rehearsal
    }
    never_in_time = _never_in_time(ledger, {_subject(*one) for one, at in last.items() if at is None}, worker)
    old = ledger.now() - UNWATCHED_AFTER
    found = {one: at for one, at in last.items() if (at < old if at else _subject(*one) in never_in_time)}
    keys = {_key(*one) for one in found}
    over = [one.key for one in open_alerts(ledger) if _is_ours(one.key) and one.key not in keys]
    return [
        *(Told(f"Alert {key} cleared.") for key in over if clear_alert(ledger, key)),
        *(
            told
            for (environment, name), at in found.items()
            for told in escalate(contexts[environment], [_words(contexts[environment], name, at)], Urgency.PAGE)
        ),
    ]


def _never_in_time(ledger: Ledger, never_checked: Collection[str], worker: str) -> set[str]:
    """Return which of the targets without a check have been so for too long since a sweep first saw them."""
    now = ledger.now()
    due = {moment.subject: moment.due_at for moment in upcoming(ledger, _MOST, (_FIRST_CHECK,))}
    for subject in set(never_checked) - set(due):
        # A target that was taken out and declared again has its hour anew, so its name alone is no key.
        schedule(ledger, _FIRST_CHECK, subject, now + FIRST_CHECK_WITHIN, f"{_FIRST_CHECK}:{subject}:{now.isoformat()}")
    for claim in claim_due(ledger, worker, _LEASE, _MOST, (_FIRST_CHECK,)):
        if claim.subject in never_checked:
            postpone(ledger, claim, claim.due_at, "still not checked")
        else:
            finish(ledger, claim, "checked, or not declared any more")
    return {subject for subject in never_checked if subject in due and due[subject] <= now}


def _words(context: Context, name: str, last: datetime | None) -> Escalation:
    since = f"was last checked {last:%Y-%m-%d %H:%M} UTC" if last else "is declared for an hour and was never checked"
    return Escalation(
        _key(context.environment, name),
        context.declared.platform_on_call or "the platform on-call",
        f"{context.environment}: nobody checks the KMS of {name}",
        f"It {since}; a check is due every half hour. An outage would not be noticed, and what other KMS alerts say is old. "
        "See in Prefect whether the deployment kms-smoke is paused, its runs are late or crash, and check by hand until it runs: "
        f"opsflows kms check {name}",
        "docs/runbooks/kms-canary-dead-man.md",
    )


def _subject(environment: str, name: str) -> str:
    return f"{environment}:{name}"


def _key(environment: str, name: str) -> str:
    return f"kms:{environment}:{name}:{_PART}"


def _is_ours(key: str) -> bool:
    return key.startswith("kms:") and key.endswith(f":{_PART}")
