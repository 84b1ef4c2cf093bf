"""Datadog's search and metric query languages, as far as probes and counts use them.

Source: https://docs.datadoghq.com/logs/explorer/search_syntax/, .../metrics/advanced-filtering/
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mocks.boolean_query import Test, UnreadableQuery, fits, parse, unquoted

_DATE_MATH = re.compile(r"now(?:([+-])(\d+)([smhdw]))?$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_METRIC_QUERY = re.compile(r"(avg|sum|min|max|count):([A-Za-z][\w.]*)\{([^}]*)\}(?:\.as_(?:count|rate)\(\))?$")


@dataclass(frozen=True, slots=True)
class Searchable:
    """What a term can fit: free text, tags, and the reserved fields and @attributes by name."""

    text: str
    tags: Sequence[str]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """`aggregator:metric{scope}`; every tag of the scope must be on a point."""

    aggregator: str
    metric: str
    scope: tuple[str, ...]


def search_test(query: str) -> Test[Searchable]:
    """Return the test that a query stands for.

    Raises:
        UnreadableQuery: the query does not follow the syntax.
    """
    return parse("" if query.strip() == "*" else query, _term)


def instant(value: object, now: float) -> float:
    """Return epoch seconds of a search's `from` or `to`: date math, ISO 8601, or milliseconds.

    Raises:
        UnreadableQuery: it is none of these.
    """
    text = str(value).strip()
    if match := _DATE_MATH.match(text):
        sign, number, unit = match.groups()
        return now + (-1 if sign == "-" else 1) * int(number or 0) * _SECONDS[unit or "s"]
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text) / 1000
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UnreadableQuery(f"unreadable time {text}") from None


def metric_query(text: str) -> MetricQuery:
    """Read a metric query.

    Raises:
        UnreadableQuery: it is not of the form aggregator:metric{scope}.
    """
    match = _METRIC_QUERY.match(text.strip())
    if not match:
        raise UnreadableQuery("Rule 'metric_query' did not match")
    aggregator, metric, scope = match.groups()
    return MetricQuery(aggregator, metric, tuple(t.strip() for t in scope.split(",") if t.strip() not in {"", "*"}))


def _term(text: str) -> Test[Searchable]:
    name, colon, value = text.partition(":")
    if not colon or text.startswith('"'):
        phrase = unquoted(text)
        return lambda document: fits(f"*{phrase}*", document.text)
    wanted = unquoted(value)
    if name == "tags":
        return lambda document: any(fits(wanted, tag) for tag in document.tags)
    return lambda document: _field_or_tag(document, name, wanted)


def _field_or_tag(document: Searchable, name: str, value: str) -> bool:
    if name in document.fields:
        return fits(value, document.fields[name])
    return any(fits(f"{name}:{value}", tag) for tag in document.tags)
