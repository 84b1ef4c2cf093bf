"""Which day or month is compared when: late events have to have stopped coming before a result is final."""

from datetime import UTC, datetime, timedelta

from domain.windows import DAY, Month, Window, day_window


def yesterday(now: datetime) -> Window:
    """Return the UTC day before the one of `now`."""
    return day_window((now.astimezone(UTC) - DAY).date())


def settled_day(now: datetime, settles_after: timedelta) -> Window:
    """Return the newest UTC day whose late events have stopped coming."""
    return yesterday(now - settles_after)


def last_settled_month(now: datetime, settles_after: timedelta) -> Month:
    """Return the newest month whose late events have stopped coming."""
    return Month.of(now - settles_after).previous


def overdue_month(now: datetime, settles_after: timedelta) -> Month:
    """Return the newest month that has been settled for more than a day: its own schedule has ticked since, or was missed."""
    return last_settled_month(now - DAY, settles_after)
