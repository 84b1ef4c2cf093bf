"""Tells people once that a part went DOWN, and once of one cause: what the key's own trouble explains is named in its alert.

An alert is kept per part. It is raised where the part is DOWN and nothing that went DOWN with it explains it, stays as long as the
part is DOWN, and is cleared when the part is UP. A part that flaps keeps its alert until it has held still for an hour, so that it
is not told at each change. What still works and needs somebody (a rotation that is overdue) is a ticket, raised at the first answer.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from domain.config import Config
from domain.kms_checks import Checked, Part, PartKind, PartOutcome
from domain.kms_faults import FaultClass, Severity
from domain.kms_history import Change
from domain.kms_standing import Standing
from ledger.alerts import clear_alert, open_alerts
from ledger.kms_checks import forget_all_but
from ledger.opening import Ledger
from steps.alerting import Escalation, escalate, in_words
from steps.context import Context
from vendors.capabilities import Urgency

_PREFIX = "kms:"
# The page of each class of fault; a fault whose page is another one stands below.
_PAGE_OF_CLASS: Mapping[FaultClass, str] = MappingProxyType(
    {
        FaultClass.PERMISSION: "kms-canary-down",
        FaultClass.KEY_STATE: "kms-canary-down",
        FaultClass.THROTTLED: "kms-canary-down",
        FaultClass.TRANSIENT: "kms-canary-down",
        FaultClass.CORRUPTION: "kms-canary-down",
        FaultClass.CONFIG: "kms-canary-down",
        FaultClass.NEGATIVE: "kms-canary-down",
        FaultClass.DRIFT: "kms-key-drift",
        FaultClass.GOLDEN: "kms-golden-decrypt-failing",
        # Not the health page's: that one may say kms all the while.
        FaultClass.PLAINTEXT: "kms-plaintext",
        FaultClass.HEALTH: "kms-health-checks-failing",
        FaultClass.SLOW: "kms-canary-slow",
        FaultClass.AGE: "kms-rotation-overdue",
    }
)
_PAGE_OF_FAULT: Mapping[str, str] = MappingProxyType(
    {
        "kms.version_scheduled": "kms-version-destruction-scheduled",
        "kms.version_destroyed": "kms-version-destruction-scheduled",
        "health.mode": "kms-crypto-mode-not-kms",
        "health.not_ready": "kms-crypto-not-ready",
    }
)
_FLAPPING_PAGE = "kms-canary-flapping"
# Which parts' trouble may explain a part's: of the same key, and of a service that answers nothing its own canary's.
_EXPLAINED_BY: Mapping[PartKind, tuple[PartKind, ...]] = MappingProxyType(
    {
        PartKind.CANARY: (PartKind.VERSIONS,),
        PartKind.GOLDEN: (PartKind.VERSIONS, PartKind.CANARY),
        PartKind.REPLICA: (PartKind.VERSIONS, PartKind.CANARY),
        PartKind.NEGATIVE: (PartKind.VERSIONS, PartKind.CANARY),
        PartKind.APPLICATION: (PartKind.HEALTH,),
    }
)
# A service that says how it is not well is there, and its canary fails for a reason of its own.
_SERVICE_AWAY = frozenset({"health.unreachable", "health.timeout"})
# What another part's trouble may bring about and what must be acted on all the same: data in the clear, another key, no integrity.
_NEVER_EXPLAINED = frozenset({FaultClass.PLAINTEXT, FaultClass.DRIFT, FaultClass.NEGATIVE})


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told, with how urgent it is, and which alerts are over."""

    raised: tuple[tuple[Escalation, Urgency], ...]
    cleared: tuple[str, ...]


def tell(context: Context, checked: Checked, changes: Collection[Change], evidence: str) -> list[str]:
    """Raise and clear the target's alerts by what was seen, and return in a sentence each what was done."""
    still_open = {alert.key for alert in open_alerts(context.ledger, checked.environment)}
    whom = context.declared.platform_on_call or "the platform on-call"
    told = telling(checked, changes, still_open, whom=whom, also=_also(context, checked, evidence))
    words = [sentence for one, urgency in told.raised for sentence in in_words(escalate(context, [one], urgency))]
    return words + [f"Alert {key} cleared." for key in told.cleared if clear_alert(context.ledger, key)]


def telling(
    checked: Checked, changes: Collection[Change], still_open: Collection[str], *, whom: str, also: str
) -> Telling:  # fmt: skip
    """Return which alerts to raise and to clear; `still_open` are the keys of those that are, `also` ends every text."""
    failing = [one for one in changes if one.now.standing is Standing.DOWN and one.part.row is not None]
    raised = []
    for change in failing:
        is_told = alert_key(checked, change.part) in still_open
        if is_told or not any(_explains(other, change) for other in failing):
            raised.append(_escalation(checked, change, _rest(change, failing), whom, also))
    raised += [_escalation(checked, one, "", whom, also) for one in changes if _is_ticket(one)]
    over = {alert_key(checked, one.part) for one in changes if _is_over(one)} | _of_parts_gone(checked, still_open)
    return Telling(tuple(raised), tuple(sorted(over & set(still_open))))


def put_away_targets_gone(ledger: Ledger, config: Config) -> None:
    """Clear the alerts and end the spells of targets that opsflows.toml does not name any more, or in another environment.

    Nobody will see them come up. Of every environment: the last target of one takes its checks along.
    """
    declared = {(target.environment, name) for name, target in config.kms.items()}
    for alert in open_alerts(ledger):
        if alert.key.startswith(_PREFIX) and tuple(alert.key.split(":")[1:3]) not in declared:
            clear_alert(ledger, alert.key)
    forget_all_but(ledger, declared)


def alert_key(checked: Checked, part: Part) -> str:
    return f"{_prefix(checked)}{part.name}"


def urgency_of(part: Part) -> Urgency:
    return Urgency.PAGE if part.row is not None and part.row.severity is Severity.PAGE else Urgency.TICKET


def runbook_of(fault: str, fault_class: FaultClass, *, flaps: bool = False) -> str:
    page = _FLAPPING_PAGE if flaps else _PAGE_OF_FAULT.get(fault, _PAGE_OF_CLASS[fault_class])
    return f"docs/runbooks/{page}.md"


def _escalation(checked: Checked, change: Change, rest: str, whom: str, also: str) -> tuple[Escalation, Urgency]:
    part, row = change.part, change.part.row
    if row is None:
        raise ValueError("a part without a fault is not told")
    state = "DOWN" if change.now.standing is Standing.DOWN else part.outcome.value
    flaps = change.now.is_flapping
    flapping = (
        f" It is flapping: {len(change.now.changes)} changes within an hour; it is not told again until it holds still."
        if flaps
        else ""
    )
    one = Escalation(
        alert_key(checked, part),
        whom,
        f"{checked.environment}: {checked.target} {part.name} {state}",
        f"{part.words}{rest}{flapping}{also}",
        runbook_of(part.fault, row.fault_class, flaps=flaps),
    )
    return one, urgency_of(part)


def _explains(other: Change, change: Change) -> bool:
    """Say whether the other part's trouble is the cause of this one's: it pages, and this one's needs no hand of its own.

    Only of what went DOWN in the same check. What joins a page that has been open for days is another trouble, and nobody would
    hear of it.
    """
    mine, theirs = change.part.row, other.part.row
    if mine is None or theirs is None or mine.fault_class in _NEVER_EXPLAINED or theirs.severity is not Severity.PAGE:
        return False
    if other.now.since != change.now.since or (mine.at_once and not theirs.at_once):
        return False
    (kind, key), (their_kind, their_key) = _kind_and_key(change.part), _kind_and_key(other.part)
    if their_kind not in _EXPLAINED_BY.get(kind, ()) or key != their_key:
        return False
    if their_kind is PartKind.HEALTH:
        return theirs.id in _SERVICE_AWAY
    # A version that is off explains nothing of the others; what else is wrong with a key is so with all that it opens.
    is_of_version = theirs.fault_class is FaultClass.KEY_STATE and bool(other.part.version)
    return not is_of_version or other.part.version == change.part.version


def _rest(cause: Change, failing: Iterable[Change]) -> str:
    names = [one.part.name for one in failing if _explains(cause, one)]
    return f" It explains what fails beside it: {', '.join(names)}." if names else ""


def _is_ticket(change: Change) -> bool:
    """Say whether it works and somebody has to know all the same."""
    row = change.part.row
    works = change.now.standing is Standing.UP and change.part.outcome is PartOutcome.WARN
    return works and row is not None and row.severity is Severity.TICKET


def _is_over(change: Change) -> bool:
    """Say whether the part's alert holds no more: it is UP, holds still, and needs nobody."""
    return change.now.standing is Standing.UP and not change.now.is_flapping and not _is_ticket(change)


def _of_parts_gone(checked: Checked, still_open: Iterable[str]) -> set[str]:
    """Return the alerts of parts that the target does not have any more, such as those of a key that was taken out."""
    there = {alert_key(checked, part) for part in checked.parts}
    return {key for key in still_open if key.startswith(_prefix(checked)) and key not in there}


def _prefix(checked: Checked) -> str:
    return f"{_PREFIX}{checked.environment}:{checked.target}:"


def _kind_and_key(part: Part) -> tuple[PartKind, str]:
    kind, _, key = part.name.partition("/")
    return PartKind(kind), key


def _also(context: Context, checked: Checked, evidence: str) -> str:
    return "".join(_ends(context.config.kms[checked.target].runbook_url, evidence))


def _ends(own_runbook: str, evidence: str) -> Iterator[str]:
    if own_runbook:
        yield f" The service's own runbook: {own_runbook}."
    yield f" Evidence: {evidence}"
