"""The part of Splunk's eval that counts use: hours of the epoch, the first of several values, a value in place of none, if.

Source: https://help.splunk.com/en/splunk-enterprise/search/spl-search-reference (eval, comparison and conditional functions)
"""

import re
from collections.abc import Callable, Mapping

from mocks.boolean_query import unquoted

Row = dict[str, str]
# The event's time to the microsecond, which eval reckons with; results show `_time` to the millisecond.
EXACT_TIME = "\0time"

_ASSIGNMENT = re.compile(r"\s*([\w.]+)\s*=\s*(.+)", re.DOTALL)
_HOURS = re.compile(r"floor\(_time\s*/\s*(\d+)\)\s*\*\s*(\d+)")
_FIRST = re.compile(r"""coalesce\(mvindex\('([^']+)',\s*0\),\s*("[^"]*")\)""")
_MATCHES = re.compile(r"""if\(searchmatch\("((?:[^"\\]|\\.)*)"\),\s*("?[\w ]*"?),\s*("?[\w ]*"?)\)""")


class UnsupportedExpression(Exception):
    """Splunk would know this expression; the stand-in does not."""


def evaluated(arguments: str, rows: list[Row], searchmatch: Callable[[str], Callable[[Row], bool]]) -> list[Row]:
    """Return the rows with one more field for each assignment.

    Raises:
        UnsupportedExpression: an assignment is none of those that the stand-in knows.
    """
    assigned = [_assignment(part, searchmatch) for part in _parts(arguments)]
    return [row | {name: value for name, work in assigned if (value := work(row)) is not None} for row in rows]


def _assignment(
    text: str, searchmatch: Callable[[str], Callable[[Row], bool]]
) -> tuple[str, Callable[[Mapping[str, str]], str | None]]:
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise UnsupportedExpression(f"eval {text}")
    name, expression = match[1], match[2].strip()
    if expression == "_time":
        return name, lambda row: row.get(EXACT_TIME)
    if hours := _HOURS.fullmatch(expression):
        width, factor = int(hours[1]), int(hours[2])
        return name, lambda row: str(int(float(row[EXACT_TIME]) // width) * factor)
    if first := _FIRST.fullmatch(expression):
        field, otherwise = first[1], unquoted(first[2])
        return name, lambda row: row[field].split("\n")[0] if field in row else otherwise
    if condition := _MATCHES.fullmatch(expression):
        test = searchmatch(condition[1].replace('\\"', '"'))
        then, otherwise = unquoted(condition[2]), unquoted(condition[3])
        return name, lambda row: then if test(dict(row)) else otherwise
    raise UnsupportedExpression(f"eval {expression}")


def _parts(arguments: str) -> list[str]:
    """Cut at commas that stand in no brackets and no quotes."""
    parts, depth, quoted = [""], 0, False
    for character in arguments:
        quoted ^= character == '"'
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts
