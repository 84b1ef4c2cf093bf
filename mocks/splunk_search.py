"""The part of Splunk's search language that read-backs and counts use; everything else is refused, not guessed.

Source: https://help.splunk.com/en/splunk-enterprise/search/spl-search-reference (search, stats, tstats, head,
fields, table, bin, sort) and .../search-manual/specify-time-ranges (time modifiers)
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mocks.boolean_query import Test, UnreadableQuery, fits, parse, unquoted
from mocks.splunk_eval import EXACT_TIME, UnsupportedExpression, evaluated

Row = dict[str, str]
# limits.conf, [stats] maxresultrows: groups beyond it are left out, and nothing says so.
STATS_LIMIT_ROWS = 50_000
DEFAULT_FIELDS = ("_indextime", "_raw", "_time", "host", "index", "source", "sourcetype")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RELATIVE = re.compile(r"(?:now)?(?:([+-])(\d*)([smhdw]))?(?:@([smhdw]|mon))?$")
_TIME_TERM = re.compile(r'\b(_index_earliest|_index_latest|earliest|latest)\s*=\s*("[^"]*"|[^\s()|]+)')
_COMPARISON = re.compile(r"([\w.{}:-]+)(!=|<=|>=|=|<|>)(.*)$", re.DOTALL)
_AGGREGATE = re.compile(
    r"(count|c|sum|min|max|dc)(?:\(([\w.]*)\))?(?:\s+as\s+(\"[^\"]+\"|[\w.]+))?\s*,?\s*", re.IGNORECASE
)


class UnsupportedCommand(Exception):
    """Splunk would know this command; the stand-in does not."""


@dataclass(frozen=True, slots=True)
class Found:
    """An event as a search sees it: the fields known at index time, and all of them with those extracted later."""

    at: float
    indexed_at: float
    indexed: Row
    every: Row


@dataclass(frozen=True, slots=True)
class Answered:
    """`transforming` searches (stats) answer with one table; the others with events."""

    rows: list[Row]
    transforming: bool


def run(search: str, events: Sequence[Found], bounds: Mapping[str, str], now: float) -> Answered:
    """Answer a search over events; `bounds` holds earliest_time and latest_time as the request gave them.

    Raises:
        UnreadableQuery: the search does not follow the language.
        UnsupportedCommand: it uses what the stand-in lacks.
    """
    first, *rest = [stage.strip() for stage in _stages(search)]
    generating = not first
    if generating and not rest:
        raise UnreadableQuery("Empty search.")
    name, _, arguments = (rest.pop(0) if generating else first).partition(" ")
    if name not in ({"tstats"} if generating else {"search"}):
        raise UnreadableQuery(f"Unknown search command '{name.lower()}'.")
    window = {"earliest": bounds.get("earliest_time", ""), "latest": bounds.get("latest_time", "")}
    if generating:
        rows, transforming = _tstats(arguments, events, window, now), True
    else:
        rows, transforming = _search(arguments, events, window, now), False
    for stage in rest:
        command, _, arguments = stage.partition(" ")
        if command not in _COMMANDS:
            raise UnsupportedCommand(command)
        rows = _COMMANDS[command](arguments.strip(), rows)
        transforming = transforming or command == "stats"
    if not transforming and not any(stage.startswith(("fields ", "table ")) for stage in rest):
        rows = [{name: row[name] for name in DEFAULT_FIELDS if name in row} for row in rows]
    return Answered(rows, transforming)


def time_modifier(text: str, now: float) -> float:
    """Return epoch seconds of `-15m`, `@d`, `now`, an epoch or an ISO 8601 time.

    Raises:
        UnreadableQuery: it is none of these.
    """
    text = unquoted(text.strip())
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if match := _RELATIVE.match(text):
        sign, number, unit, snap = match.groups()
        moved = now + (-1 if sign == "-" else 1) * (int(number or 1) if unit else 0) * _SECONDS[unit or "s"]
        return _snapped(moved, snap)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UnreadableQuery(f"Invalid time modifier: {text}") from None


def iso(at: float) -> str:
    """Write a time as search results do."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _snapped(at: float, unit: str | None) -> float:
    moment = datetime.fromtimestamp(at, UTC)
    if unit == "mon":
        return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    if unit == "w":
        sunday = moment - timedelta(days=(moment.weekday() + 1) % 7)
        return sunday.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return at - at % _SECONDS[unit] if unit else at


def _stages(search: str) -> list[str]:
    quoted = [match.span() for match in re.finditer(r'"(?:[^"\\]|\\.)*"', search)]
    cuts = [m.start() for m in re.finditer(r"\|", search) if not any(a < m.start() < b for a, b in quoted)]
    return [search[start + 1 : end] for start, end in zip([-1, *cuts], [*cuts, len(search)], strict=True)]


def _search(terms: str, events: Iterable[Found], window: Mapping[str, str], now: float) -> list[Row]:
    test, in_window = _conditions(terms, window, now, _search_term)
    matching = sorted((e for e in events if in_window(e) and test(e)), key=lambda e: e.at, reverse=True)
    return [event.every | {EXACT_TIME: f"{event.at:.6f}"} for event in matching]


def _tstats(arguments: str, events: Iterable[Found], window: Mapping[str, str], now: float) -> list[Row]:
    match = re.match(r"count(?:\s+as\s+(\w+))?(?:\s+where\s+(.*?))?(?:\s+by\s+(.*))?$", arguments.strip(), re.DOTALL)
    if not match:
        raise UnsupportedCommand("tstats with anything but count")
    name, terms, by = match.groups()
    span = re.search(r"\bspan=(\w+)", by or "")
    test, in_window = _conditions(terms or "", window, now, _indexed_term)
    rows = [{**event.indexed, "_time": iso(event.at)} for event in events if in_window(event) and test(event)]
    if span:
        rows = _bin(f"_time span={span[1]}", rows)
    groups = re.sub(r"\bspan=\w+", "", by or "").strip()
    return _stats(f"count as {name or 'count'}" + (f" by {groups}" if groups else ""), rows)


def _conditions(
    terms: str, window: Mapping[str, str], now: float, term: Callable[[str], Test[Found]]
) -> tuple[Test[Found], Test[Found]]:
    """Take the time terms out of a search; they outrank the request's own times."""
    given = {**window, **dict(_TIME_TERM.findall(terms))}
    at = {name: time_modifier(value, now) for name, value in given.items() if value}
    earliest, latest = at.get("earliest", 0.0), at.get("latest", now)
    from_index, to_index = at.get("_index_earliest", 0.0), at.get("_index_latest", float("inf"))
    test = parse(_TIME_TERM.sub("", terms), term)
    return test, lambda e: earliest <= e.at < latest and from_index <= e.indexed_at < to_index


def _search_term(text: str) -> Test[Found]:
    match = _COMPARISON.match(text)
    if text.startswith('"') or not match:
        phrase = unquoted(text)
        return lambda event: fits(f"*{phrase}*", event.indexed.get("_raw", ""))
    return _comparison(match, lambda event: event.every)


def _indexed_term(text: str) -> Test[Found]:
    match = _COMPARISON.match(text)
    if text.startswith('"') or not match:
        raise UnreadableQuery(f"tstats compares indexed fields only, not {text}")
    return _comparison(match, lambda event: event.indexed)


def _comparison(match: re.Match[str], fields: Callable[[Found], Mapping[str, str]]) -> Test[Found]:
    name, operator, value = match[1], match[2], unquoted(match[3])
    compare = _OPERATORS[operator]
    return lambda event: name in fields(event) and compare(fields(event)[name], value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda held, asked: fits(asked, held),
    "!=": lambda held, asked: not fits(asked, held),
    "<": lambda held, asked: _number(held) < _number(asked),
    "<=": lambda held, asked: _number(held) <= _number(asked),
    ">": lambda held, asked: _number(held) > _number(asked),
    ">=": lambda held, asked: _number(held) >= _number(asked),
}


def _stats(arguments: str, rows: list[Row]) -> list[Row]:
    functions, _, by = re.sub(r"\s+by\s+", "\0", arguments, count=1, flags=re.IGNORECASE).partition("\0")
    names = [name for name in re.split(r"[\s,]+", by.strip()) if name]
    wanted = _aggregates(functions)
    groups: dict[tuple[str, ...], list[Row]] = {} if names else {(): []}
    for row in rows:
        if all(name in row for name in names):
            groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return [
        {**dict(zip(names, key, strict=True)), **{label: work(members) for label, work in wanted}}
        for key, members in sorted(groups.items())
    ][:STATS_LIMIT_ROWS]


def _aggregates(text: str) -> list[tuple[str, Callable[[list[Row]], str]]]:
    found: list[tuple[str, Callable[[list[Row]], str]]] = []
    text = text.strip()
    while text:
        match = _AGGREGATE.match(text)
        if not match:
            raise UnsupportedCommand(f"stats {text}")
        function, field, label = match[1].lower(), match[2] or "", unquoted(match[3] or "")
        default = f"{function}({field})" if field else "count"
        found.append((label or default, _aggregate(function, field)))
        text = text[match.end() :]
    return found


def _aggregate(function: str, field: str) -> Callable[[list[Row]], str]:
    def work(rows: list[Row]) -> str:
        values = [row[field] for row in rows if field in row] if field else [""] * len(rows)
        if function in {"count", "c"}:
            return str(len(values))
        if function == "dc":
            return str(len(set(values)))
        numbers = [n for n in map(_number, values) if n == n]  # noqa: PLR0124 - NaN is the number that differs from itself
        return f"{_NUMERIC[function](numbers):g}" if numbers else ""

    return work


_NUMERIC: dict[str, Callable[[list[float]], float]] = {"sum": sum, "min": min, "max": max}


def _head(arguments: str, rows: list[Row]) -> list[Row]:
    return rows[: int(arguments or 10)]


def _eval(arguments: str, rows: list[Row]) -> list[Row]:
    try:
        return evaluated(arguments, rows, _searchmatch)
    except UnsupportedExpression as problem:
        raise UnsupportedCommand(str(problem)) from problem


def _searchmatch(query: str) -> Callable[[Row], bool]:
    test = parse(query, _search_term)
    return lambda row: test(Found(0, 0, row, row))


def _fields(arguments: str, rows: list[Row]) -> list[Row]:
    patterns = [name for name in re.split(r"[\s,]+", arguments.removeprefix("+").strip()) if name]
    return [{name: row[name] for name in _shown(row, patterns)} for row in rows]


def _shown(row: Row, patterns: Sequence[str]) -> list[str]:
    return [name for name in row if name != EXACT_TIME and any(fits(pattern, name) for pattern in patterns)]


def _bin(arguments: str, rows: list[Row]) -> list[Row]:
    match = re.fullmatch(r"(?:span=(\d*)([smhd])\s+)?_time(?:\s+span=(\d*)([smhd]))?", arguments.strip())
    if not match:
        raise UnsupportedCommand(f"bin {arguments}")
    width = int(match[1] or match[3] or 1) * _SECONDS[match[2] or match[4]]
    starts = [datetime.fromisoformat(row["_time"]).timestamp() for row in rows]
    return [{**row, "_time": iso(start - start % width)} for row, start in zip(rows, starts, strict=True)]


def _sort(arguments: str, rows: list[Row]) -> list[Row]:
    for name in reversed([n for n in re.split(r"[\s,]+", arguments) if n and not n.isdecimal()]):
        rows = sorted(rows, key=_value_of(name.lstrip("+-")), reverse=name.startswith("-"))
    return rows


def _value_of(name: str) -> Callable[[Row], tuple[float, str]]:
    """Return how rows are ordered by a field: as numbers where it holds numbers."""

    def key(row: Row) -> tuple[float, str]:
        number = _number(row.get(name, ""))
        return (number, "") if number == number else (float("inf"), row.get(name, ""))  # noqa: PLR0124 - not NaN

    return key


_COMMANDS: dict[str, Callable[[str, list[Row]], list[Row]]] = {
    "stats": _stats,
    "head": _head,
    "fields": _fields,
    "table": _fields,
    "eval": _eval,
    "bin": _bin,
    "bucket": _bin,
    "sort": _sort,
}
