"""Opsgenie's alert query language: `field: value`, comparisons of times, AND, OR, NOT, brackets, `*` at the end.

Source: https://support.atlassian.com/opsgenie/docs/search-queries-for-alerts/
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mocks.boolean_query import Test, UnreadableQuery, fits, parse, unquoted

_SPACED = re.compile(r'("(?:[^"\\]|\\.)*")|\s*(<=|>=|[:=<>])\s*')
_TERM = re.compile(r"([\w.]+)(<=|>=|[:=<>])(.+)$", re.DOTALL)
_CREATED = re.compile(r"createdAt\s*(<=|>=|[:=<>])\s*(\d+)")
_LEAST, _MOST = frozenset({">", ">=", ":", "="}), frozenset({"<", "<=", ":", "="})
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda held, asked: held < asked,
    "<=": lambda held, asked: held <= asked,
    ">": lambda held, asked: held > asked,
    ">=": lambda held, asked: held >= asked,
    ":": lambda held, asked: held == asked,
    "=": lambda held, asked: held == asked,
}


@dataclass(frozen=True, slots=True)
class Searchable:
    """What a query can ask of an alert, by the field's name; times are epoch milliseconds. None: it has no such number."""

    texts: Callable[[str], Sequence[str]]
    number: Callable[[str], float | None]


def search_test(query: str) -> Test[Searchable]:
    """Return the test that a query stands for.

    Raises:
        UnreadableQuery: the query does not follow the language, or names a field that alerts do not have.
    """
    compact = _SPACED.sub(lambda match: match[1] or match[2], query)
    return parse("" if compact.strip() == "*" else compact, _term)


def creation_bounds(query: str) -> tuple[float, float]:
    """Return the epoch milliseconds between which (both included) everything was made that the query can let through.

    Only so that a window of a long history is answered quickly: every alert in between is still tested.
    """
    joined_by_and = not re.search(r"\bOR\b|\bNOT\b|-", query)
    asked = _CREATED.findall(query) if joined_by_and else []
    least = [float(number) for operator, number in asked if operator in _LEAST]
    most = [float(number) for operator, number in asked if operator in _MOST]
    return max(least, default=float("-inf")), min(most, default=float("inf"))


def _term(text: str) -> Test[Searchable]:
    match = _TERM.match(text)
    if text.startswith('"') or not match:
        phrase = unquoted(text)
        return lambda alert: any(fits(f"*{phrase}*", value) for value in alert.texts("message"))
    name, operator, value = match[1], match[2], unquoted(match[3])
    if operator in {":", "="}:
        return lambda alert: _equals(alert, name, operator, value)
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise UnreadableQuery(f"{name} is compared with {value}, which is not a number")
    return lambda alert: _compares(alert.number(name), operator, float(value))


def _compares(held: float | None, operator: str, asked: float) -> bool:
    return held is not None and _NUMBERS[operator](held, asked)


def _equals(alert: Searchable, name: str, operator: str, value: str) -> bool:
    held = alert.number(name)
    if held is not None:
        return value.isdecimal() and _NUMBERS[operator](held, float(value))
    return any(fits(value, text) for text in alert.texts(name))
