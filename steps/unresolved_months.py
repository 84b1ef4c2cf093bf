"""A month's breach stays until someone closed it or accepts it: the next months say so, and its alert is its own.

What the newest revision of a month says counts; it is the numbers' word, whatever was accepted when it was made.
"""

from collections.abc import Iterator, Mapping
from datetime import date

from domain.reconciliation import PastMonth, Unresolved
from domain.windows import Month
from ledger.alerts import clear_alert, open_alerts
from ledger.investigations import investigations_of
from ledger.opening import Ledger
from ledger.reconciliations import newest_findings
from ledger.waivers import waivers_on
from steps.reconciliation_wording import NEEDS_SOMEONE

# What waivers of months are kept under.
WAIVED_AS = "reconciliation"


def waivable(target: str, month: Month) -> str:
    """Return what a waiver of one integration's month is about, behind its kind: `slack 2026-10`."""
    return f"{target} {month}"


def alert_key(environment: str, target: str, month: Month) -> str:
    return f"{_prefix(environment)}{waivable(target, month)}"


def unresolved(ledger: Ledger, environment: str, day: date, before: Month | None = None) -> tuple[Unresolved, ...]:
    """Return what needs someone and is neither closed nor accepted on the UTC day, the earliest month first.

    Of all months, or of those before the given one. What is being looked into is among it: it is not closed.
    """
    found: list[Unresolved] = []
    accepted = waivers_on(ledger, environment, WAIVED_AS, day)
    for month, findings in newest_findings(ledger, environment).items():
        if before is not None and month >= before:
            continue
        found.extend(
            Unresolved(str(month), target, past.finding)
            for target, past in _not_closed(ledger, environment, month, findings)
            if waivable(target, month) not in accepted
        )
    return tuple(found)


def clear_answered(ledger: Ledger, environment: str) -> None:
    """Clear the alerts of months that agree again, were accepted, or whose investigation is closed."""
    left = {
        alert_key(environment, one.target, Month.parse(one.month))
        for one in unresolved(ledger, environment, ledger.now().date())
    }
    for alert in open_alerts(ledger, environment):
        if alert.key.startswith(_prefix(environment)) and alert.key not in left:
            clear_alert(ledger, alert.key)


def _not_closed(
    ledger: Ledger, environment: str, month: Month, findings: Mapping[str, PastMonth]
) -> Iterator[tuple[str, PastMonth]]:
    known = investigations_of(ledger, environment, month)
    for target, past in sorted(findings.items()):
        closed = target in known and known[target].is_closed
        if past.finding in NEEDS_SOMEONE and not closed:
            yield target, past


def _prefix(environment: str) -> str:
    return f"reconciliation:{environment}:"
