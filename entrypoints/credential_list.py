"""`opsflows credentials`: how old each credential is, when it is due, what serves it, when it was proven; and the calendar."""

import json

import click

from domain.rotation_calendar import by_week
from entrypoints import configuration
from entrypoints.columns import aligned
from ledger.opening import Ledger
from steps import calendar_reports as reports
from steps.audited_run import open_own_ledger
from steps.rotation_calendar import Standing, listed_credentials, moments_ahead, standings
from vendors.registry import ROTATIONS


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--environment", default="", help="Only those of this environment.")
@click.option("--calendar", is_flag=True, help="What falls due in the next twelve months, by week.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def credentials(names: tuple[str, ...], environment: str, calendar: bool, as_json: bool) -> None:  # noqa: FBT001 (click passes flags)
    """List credentials, the next due first: age, policy, next date, sinks, last proof. Needs the ledger alone.

    NAME is datadog-default-prod-send, or datadog or pagerduty/payments (all of it) with --environment. Without a NAME, those of
    every environment but the rehearsal. Exit 0 also where something is overdue: a listing is no verdict.
    """
    config = configuration.read()
    ledger = open_own_ledger()
    try:
        found = standings(ledger, config, ROTATIONS, listed_credentials(ledger, config, ROTATIONS, names, environment))
        click.echo(_calendar(ledger, found, as_json=as_json) if calendar else _listing(found, as_json=as_json))
    finally:
        ledger.close()


def _listing(found: list[Standing], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"credentials": [reports.standing_document(one) for one in found]}, indent=2)
    if not found:
        return "No credential is in scope; see in_scope in opsflows.toml."
    return aligned(reports.STANDING_HEADS, [reports.standing_cells(one) for one in found])


def _calendar(ledger: Ledger, found: list[Standing], *, as_json: bool) -> str:
    now = ledger.now()
    moments = moments_ahead(found, now)
    if as_json:
        return json.dumps(reports.calendar_document(found, moments, now), indent=2)
    weeks = [reports.week_cells(week) for week in by_week(moments)]
    summary = reports.calendar_summary(found, moments, now)
    return f"{aligned(reports.WEEK_HEADS, weeks)}\n\n{summary}" if weeks else summary
