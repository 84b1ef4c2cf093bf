"""Sentry's outcomes as fates: which word of its statistics means what, and an answer that does not add up is refused.

Source: https://docs.sentry.io/product/stats/, https://develop.sentry.dev/sdk/telemetry/client-reports/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.errors import OpsError, Unavailable
from domain.event_counts import Fate
from domain.windows import Window
from vendors.answers import iso_moment

FIELD = "sum(quantity)"
FATES: Mapping[str, Fate] = {
    "accepted": Fate.ACCEPTED,
    "filtered": Fate.FILTERED,
    "rate_limited": Fate.RATE_LIMITED,
    "invalid": Fate.INVALID,
    "abuse": Fate.REFUSED,
    "client_discard": Fate.CLIENT_DROPPED,
    "cardinality_limited": Fate.RATE_LIMITED,
}
# An event whose id was seen before is invalid at Sentry, for this reason.
_DUPLICATE = ("invalid", "duplicate")
_NO_REASON = frozenset({"none", "None"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fate and reason, with its number of events for every hour. `category` is empty where it was not asked for."""

    fate: Fate
    reason: str
    category: str
    series: tuple[int, ...]


Outcomes = tuple[Outcome, ...]


def outcomes(
    said: Mapping[str, Any], window: Window, hours: tuple[datetime, ...], answered_at: datetime | None
) -> Outcomes:
    """Return what the answer says of exactly these hours. Only of an hour that is not over may a part be told.

    Raises:
        Unavailable: it speaks of other hours, its totals are not the sums of its series, or it has a word of its own.
    """
    end = iso_moment(said.get("end"))
    if tuple(map(iso_moment, said.get("intervals") or ())) != hours or iso_moment(said.get("start")) != window.start:
        raise contradiction(window, "it counted other hours than it was asked for")
    is_over = answered_at is None or answered_at >= window.end
    earliest = window.end - timedelta(seconds=1) if is_over else hours[-1]
    if end is None or not earliest <= end <= window.end:
        raise contradiction(window, "its end is not the one that was asked for")
    return tuple(_outcome(group, window, len(hours)) for group in said["groups"])


def contradiction(window: Window, what: str) -> OpsError:
    """Return the error for an answer that cannot be counted with."""
    return Unavailable(
        f"Sentry's counts from {window.start.isoformat()} to {window.end.isoformat()} do not hold: {what}.",
        "A part of the answer is missing or not settled yet, so that no number of it is taken.",
        "Count again in an hour; if it stays, compare with Stats & Usage in Sentry and report it with the audit bundle.",
        "sentry.counts_contradict",
    )


def _outcome(group: Any, window: Window, hours: int) -> Outcome:
    by, series, total = _parts(group)
    if by.get("outcome") not in FATES:
        raise contradiction(window, "it names an outcome that is not known here")
    if len(series) != hours or not all(isinstance(number, int) and number >= 0 for number in series):
        raise contradiction(window, "a series does not have one number for each hour")
    if sum(series) != total:
        raise contradiction(window, "a total is not the sum of its hours")
    outcome, reason = str(by["outcome"]), str(by.get("reason") or "")
    fate = Fate.DEDUPLICATED if (outcome, reason) == _DUPLICATE else FATES[outcome]
    return Outcome(fate, "" if reason in _NO_REASON else reason, str(by.get("category") or ""), tuple(series))


def _parts(group: Any) -> tuple[dict[str, Any], list[Any], Any]:
    named = group if isinstance(group, dict) else {}
    by, series, totals = (named.get(name) or {} for name in ("by", "series", "totals"))
    return by, series.get(FIELD) or [], totals.get(FIELD)
