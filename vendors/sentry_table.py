"""Sentry's table of events: a row's values, and where the next page is; what cannot be read is no count.

Source: https://docs.sentry.io/api/explore/query-explore-events-in-table-format/, https://docs.sentry.io/api/pagination/
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from domain.windows import Window
from vendors.answers import iso_moment
from vendors.http import Answer
from vendors.sentry_outcomes import contradiction

_NEXT = re.compile(r'rel="next";\s*results="(true|false)";\s*cursor="([^"]+)"')


def following_of(answer: Answer, window: Window) -> str:
    """Return the cursor of the next page, empty where this one is the last.

    Raises:
        Unavailable: the answer does not say.
    """
    link = _NEXT.search(answer.headers.get("link", ""))
    if link is None:
        raise contradiction(window, "no link says whether more rows follow")
    return link[2] if link[1] == "true" else ""


def text_of(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def moment_of(row: Mapping[str, Any], name: str, window: Window) -> datetime:
    at = iso_moment(row.get(name))
    if at is None:
        raise contradiction(window, f"a row has no {name}")
    return at


def span_of(row: Mapping[str, Any], name: str, span: timedelta, window: Window) -> Window:
    start = moment_of(row, name, window)
    if not window.start <= start < window.end:
        raise contradiction(window, "it counted a time that was not asked for")
    return Window(start, start + span)


def number_of(row: Mapping[str, Any], window: Window) -> int:
    number = row.get("count()")
    if not isinstance(number, int) or number < 0:
        raise contradiction(window, "a row has no number of events")
    return number
