"""The calendar in the Prefect UI: per environment, which credentials fall due in which week of the next twelve months."""

from prefect.artifacts import create_table_artifact

from domain.config import Config
from ledger.opening import Ledger
from steps.calendar_reports import calendar_summary, calendar_table
from steps.rotation_calendar import listed_credentials, moments_ahead, scheduled_environments, standings
from vendors.registry import ROTATIONS


def show_calendars(ledger: Ledger, config: Config) -> None:
    """Publish the table `rotation-calendar-<environment>` of every environment that schedules look at."""
    now = ledger.now()
    for environment in scheduled_environments(config):
        there = listed_credentials(ledger, config, ROTATIONS, [], environment)
        found = standings(ledger, config, ROTATIONS, there)
        moments = moments_ahead(found, now)
        create_table_artifact(
            table=calendar_table(moments),
            key=f"rotation-calendar-{environment}",
            description=calendar_summary(found, moments, now),
        )
