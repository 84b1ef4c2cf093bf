"""Datadog's counts as numbers of an hour: an answer of other hours, or without a number where one belongs, is refused.

Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-data-across-multiple-products
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import OpsError, Unavailable
from domain.windows import HOUR, Window
from vendors.count_rows import from_milliseconds
from vendors.datadog import row_of

_COUNTING = frozenset({"count_events", "count_total", "list_events"})
_KEYS = "Make an application key with the scopes timeseries_query and events_read, and run opsflows connect datadog."

# The first stands above Datadog's general rows, the others below them.
COUNT_SIGNATURES = (
    row_of("counts_key", 403, "DD_APP_KEY is wrong or was revoked, its owner was disabled, or it belongs to another organisation than DD_API_KEY.", _KEYS, marker="Invalid API key or Application key", verbs=_COUNTING),
    row_of("counts_refused", 400, "Datadog does not take the question: most often type_field or query is not in its search language.", "Try the query in Events Explorer, and correct [received.<environment>.<target>] in opsflows.toml.", verbs=_COUNTING),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """One group of one query (by its number), with its events of every hour. `group` is empty where nothing is split."""

    query: int
    group: str
    values: tuple[int, ...]


def series_of(said: Mapping[str, Any], window: Window, hours: tuple[datetime, ...]) -> list[Series] | None:
    """Return the series of exactly these hours; None where Datadog took larger steps, since it shows no more points.

    Raises:
        Unavailable: hours are missing, or a series has no number for one of them.
    """
    times, series, values = (said.get(name) for name in ("times", "series", "values"))
    if not all(isinstance(part, list) for part in (times, series, values)) or len(series) != len(values):  # type: ignore[arg-type]
        raise contradiction(window, "it has no series, or not as many as it names")
    if not series:
        return []  # no event at all; the whole window is asked for next
    found = tuple(from_milliseconds(time) for time in times if isinstance(time, int))  # type: ignore[union-attr]
    if len(found) > 1 and found[1] - found[0] > HOUR:
        return None
    if found != hours:
        raise contradiction(window, "it counted other hours than it was asked for")
    return [_series(one, row, window, len(hours)) for one, row in zip(series, values, strict=True)]  # type: ignore[arg-type]


def scalar_of(said: Mapping[str, Any], window: Window) -> list[int]:
    """Return the number of each column, 0 for one without a value: it found no event."""
    columns = said.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise contradiction(window, "it has no columns")
    return [_events((column.get("values") or [None])[0], window) for column in columns]


def contradiction(window: Window, what: str) -> OpsError:
    """Return the error for an answer that cannot be counted with."""
    return Unavailable(
        f"Datadog's counts from {window.start.isoformat()} to {window.end.isoformat()} do not hold: {what}.",
        "A part of the answer is missing or not settled yet, so that no number of it is taken.",
        "Count again in an hour; if it stays, compare with Events Explorer and report it with the audit bundle.",
        "datadog.counts_contradict",
    )


def _series(one: Any, row: Any, window: Window, hours: int) -> Series:
    if not isinstance(one, dict) or not isinstance(row, list) or len(row) != hours:
        raise contradiction(window, "a series does not have one number for each hour")
    tags = one.get("group_tags")
    group = str(tags[0]) if isinstance(tags, list) and tags else ""
    return Series(int(one.get("query_index") or 0), group, tuple(_events(number, window) for number in row))


def _events(number: object, window: Window) -> int:
    """Return a number of events; Datadog writes null for a group's hour without any."""
    if number is None:
        return 0
    if not isinstance(number, int | float) or number < 0 or number != int(number):
        raise contradiction(window, "a number of events is none")
    return int(number)
