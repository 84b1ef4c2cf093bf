"""`opsflows go-live`: from this day on verification is scheduled and its failures are escalated."""

from datetime import UTC, datetime

import click

from domain.cadence import WATCHED
from entrypoints import configuration
from entrypoints.person import logged_in_user
from ledger.wiring import go_live as record_go_live
from steps.audited_run import open_own_ledger


@click.command(name="go-live")
@click.argument("environment")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The day, in UTC.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who says so (claimed).")
def go_live(environment: str, day: datetime, by: str) -> None:
    """Record when an environment goes live: verified daily for 14 days from then on, weekly afterwards."""
    declared = configuration.read().environment(environment)
    ledger = open_own_ledger()
    try:
        record_go_live(ledger, environment, day.date(), by)
    finally:
        ledger.close()
    until = day.replace(tzinfo=UTC) + WATCHED
    click.echo(f"{environment} is live from {day:%Y-%m-%d}: verified daily until {until:%Y-%m-%d}, weekly afterwards.")
    click.echo(f"When a verification fails, roll back by one flag, credentials stay: {declared.rollback_command}")
    if not (declared.alerts.page or declared.alerts.ticket):
        click.echo(f"Nobody would be told: name a target under [environments.{environment}.alerts] in opsflows.toml.")
