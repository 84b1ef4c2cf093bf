"""Opsgenie's alert query language: `field: value`, comparisons of times, AND, OR, NOT, brackets, `*` at the end.

Source: https://support.atlassian.com/opsgenie/docs/search-queries-for-alerts/
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mocks.boolean_query import Test, UnreadableQuery, fits, parse, unquoted

_SPACED = re.compile(r'("(?:[^"\\]|\\.)*")|\s*(<=|>=|[:=<>])\s*')
_TERM = re.compile(r"([\w.]+)(<=|>=|[:=<>])(.+)$", re.DOTALL)
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
    """What a query can ask of an alert; times are epoch milliseconds."""

    texts: Mapping[str, Sequence[str]]
    numbers: Mapping[str, float]


def search_test(query: str) -> Test[Searchable]:
    """Return the test that a query stands for.

    Raises:
        UnreadableQuery: the query does not follow the language, or names a field that alerts do not have.
    """
    compact = _SPACED.sub(lambda match: match[1] or match[2], query)
    return parse("" if compact.strip() == "*" else compact, _term)


def _term(text: str) -> Test[Searchable]:
    match = _TERM.match(text)
    if text.startswith('"') or not match:
        phrase = unquoted(text)
        return lambda alert: any(fits(f"*{phrase}*", value) for value in alert.texts["message"])
    name, operator, value = match[1], match[2], unquoted(match[3])
    if operator in {":", "="}:
        return lambda alert: _equals(alert, name, operator, value)
    if not re.fullmatch(r"\d+(\.\d+)?", value):
        raise UnreadableQuery(f"{name} is compared with {value}, which is not a number")
    return lambda alert: name in alert.numbers and _NUMBERS[operator](alert.numbers[name], float(value))


def _equals(alert: Searchable, name: str, operator: str, value: str) -> bool:
    if name in alert.numbers:
        return value.isdecimal() and _NUMBERS[operator](alert.numbers[name], float(value))
    return any(fits(value, held) for held in alert.texts.get(name, ()))
