"""How Sentry counts: outcomes by interval. The end is inclusive, and grouping by project gives no series.

Source: https://docs.sentry.io/api/organizations/retrieve-event-counts-for-an-organization-v2/
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse

from mocks.sentry_memory import Outcome
from mocks.stage import Ask, Refused

DAY_S = 86_400
HOUR_S = 3_600
# Source: sessions_v2.py of Sentry's own repository, whose bounds stats_v2 shares.
MOST_POINTS = 1_000
_GROUPS = ("outcome", "category", "reason", "project")
_FIELDS = ("sum(quantity)", "sum(times_seen)")
_SPAN = re.compile(r"(\d+)([mhdw])")
_UNIT_S = {"m": 60, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
# security and default events count as errors.
_AS_ERROR = frozenset({"error", "default", "security"})


def stats(ask: Ask, outcomes: Iterable[Outcome], now: float) -> dict[str, Any]:
    """Return the answer of stats_v2 for the request's query.

    Raises:
        Refused: the query is not one that Sentry takes.
    """
    field, groups, interval_s = _field(ask), _groups(ask), _interval_s(ask)
    start, end = _bounds(ask, now)
    first = start - start % interval_s
    if (end - first) // interval_s >= MOST_POINTS:
        raise _invalid("Your interval and date range would create too many results.")
    # The interval in which `end` lies is counted whole, also where `end` is its very first second.
    edges = list(range(first, end + 1, interval_s))
    counted = [o for o in outcomes if first <= o.at < edges[-1] + interval_s and _wanted(ask, o)]
    return {
        "start": _iso(first),
        "end": _iso(edges[-1] + interval_s),
        "intervals": [_iso(edge) for edge in edges],
        "groups": _grouped(counted, field, groups, edges, interval_s),
    }


def _grouped(
    counted: list[Outcome], field: str, groups: list[str], edges: list[int], interval_s: int
) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], list[int]] = {}
    for outcome in counted:
        key = tuple(_value(outcome, group) for group in groups)
        series = found.setdefault(key, [0] * len(edges))
        series[int(outcome.at - edges[0]) // interval_s] += _size(outcome, field)
    answer = []
    for values, series in sorted(found.items(), key=str):
        group: dict[str, Any] = {
            "by": dict(zip(groups, values, strict=True)),
            "totals": {field: sum(series)},
        }
        if "project" not in groups:
            group["series"] = {field: series}
        answer.append(group)
    return answer


def _value(outcome: Outcome, group: str) -> Any:
    if group == "project":
        return int(outcome.project_id)
    category = "error" if outcome.category in _AS_ERROR else outcome.category
    return {"outcome": outcome.outcome, "category": category, "reason": outcome.reason or "none"}[group]


def _size(outcome: Outcome, field: str) -> int:
    return outcome.quantity if field == "sum(quantity)" else 1


def _wanted(ask: Ask, outcome: Outcome) -> bool:
    categories = {c for asked in ask.query.getlist("category") for c in (_AS_ERROR if asked == "error" else {asked})}
    projects = set(ask.query.getlist("project")) - {"-1"}
    return (
        (not categories or outcome.category in categories)
        and (not projects or outcome.project_id in projects)
        and _matches(ask, "outcome", outcome.outcome)
        and _matches(ask, "reason", outcome.reason)
    )


def _matches(ask: Ask, name: str, value: str) -> bool:
    asked = ask.query.getlist(name)
    return not asked or value in asked


def _field(ask: Ask) -> str:
    field = ask.query.get("field", "")
    if field not in _FIELDS:
        raise _invalid('Invalid field: choose "sum(quantity)" or "sum(times_seen)"')
    return field


def _groups(ask: Ask) -> list[str]:
    groups = ask.query.getlist("groupBy")
    if any(group not in _GROUPS for group in groups):
        raise _invalid(f"Invalid groupBy: choose among {', '.join(_GROUPS)}")
    return groups


def _interval_s(ask: Ask) -> int:
    interval_s = _span_s(ask.query.get("interval", "1h"))
    if not HOUR_S <= interval_s <= DAY_S or DAY_S % interval_s:
        raise _invalid("The interval has to be between 1h and 1d and has to divide a day")
    return interval_s


def _bounds(ask: Ask, now: float) -> tuple[int, int]:
    start, end = ask.query.get("start"), ask.query.get("end")
    if (start is None) != (end is None):
        raise _invalid("start and end are both required")
    if start is None or end is None:
        return int(now) - _span_s(ask.query.get("statsPeriod", "1d")), int(now)
    bounds = _epoch(start), _epoch(end)
    if bounds[0] > bounds[1]:
        raise _invalid("start must be before end")
    return bounds


def _span_s(text: str) -> int:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise _invalid(f"Invalid duration {text}")
    return int(found[1]) * _UNIT_S[found[2]]


def _epoch(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as problem:
        raise _invalid("start and end need to be dates") from problem
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _invalid(detail: str) -> Refused:
    return Refused(JSONResponse({"detail": detail}, 400))
