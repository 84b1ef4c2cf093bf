"""Where a month's events went, from the records of the application to what the vendor accepted: steps that add up.

Each level is the one before it and the steps between them. What counts alone cannot tell is a step of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from domain.reconciliation import Bounds, Cell, Compared, Emitted, Explained, Received, TargetMonth

# More reasons than these are one step: a chart of forty slivers tells nobody anything.
_REASONS = 6
_EXPECTED = "expected at the vendor"
# Bars may begin at 0 where the smallest level is no more than this share of the largest; else the axis is cut.
_FROM_ZERO = 0.5
_MARGIN = 0.12
_NARROWEST = 0.5


class Kind(Enum):
    """What a step does to the number before it; the value is its class on the page."""

    LEVEL = "level"
    MINUS = "minus"
    PLUS = "plus"
    LOST = "lost"
    TOO_MUCH = "toomuch"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Step:
    """A level, or by how many events (with its sign) the number changes."""

    words: str
    events: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Bar:
    """A step as drawn: `left` and `width` are percent of the chart's width."""

    step: Step
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The bars of one integration; `axis` is the number at the left edge, 0 where bars show whole amounts.

    So many events may, beyond the steps, have arrived too often and hide as many losses: `unsure`.
    """

    bars: tuple[Bar, ...]
    axis: int
    unsure: int


def waterfall(target: TargetMonth, cells: Iterable[Cell]) -> Waterfall | None:
    """Return the chart of a target's month from its own cells, None where a side has no data at all."""
    if target.emitted is None or target.received is None or target.compared is None:
        return None
    steps = _steps(target.emitted, target.received, target.compared, list(cells))
    compared = target.compared
    explained = sum(one.events for one in compared.excess_explained)
    bars, axis = _drawn(_without_echoes(list(steps)))
    return Waterfall(bars, axis, max(0, explained - compared.excess.low))


def _steps(emitted: Emitted, received: Received, compared: Compared, cells: Sequence[Cell]) -> Iterator[Step]:
    yield Step("recorded by the application", emitted.records, Kind.LEVEL)
    yield from _minus("recorded more than once", emitted.repeats)
    yield Step("emitted, unique", emitted.unique, Kind.LEVEL)
    for words, events in _shortened(emitted.drops, "other drops of the client"):
        yield from _minus(f"dropped by the client: {words}", events)
    yield from _minus("sampled out by the application", emitted.sampled_out)
    yield Step("handed over", emitted.sent, Kind.LEVEL)
    alone = sum(cell.emitted.sent for cell in cells if cell.emitted is not None and cell.compared is None)
    yield from _minus("on days without data of the vendor", alone)
    yield from _minus("not expected, by the configured sample rate", emitted.sent - alone - compared.expected)
    yield Step(_EXPECTED, compared.expected, Kind.LEVEL)
    yield from _differences(compared)
    unseen = received.events - compared.received
    if unseen:
        yield Step("received on days without records of ours", unseen, Kind.PLUS)
    yield Step("received by the vendor", received.events, Kind.LEVEL)


def _without_echoes(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without levels that only say the one before them again; first, expected and received stay."""
    last = len(steps) - 1
    return [
        step
        for at, step in enumerate(steps)
        if at in {0, last}
        or step.kind is not Kind.LEVEL
        or step.words == _EXPECTED
        or steps[at - 1].kind is not Kind.LEVEL
    ]


def _differences(compared: Compared) -> Iterator[Step]:
    """Yield the steps from expected to received; only what is known to be missing or too much counts as that."""
    lost, over = compared.loss_residual, compared.excess_residual
    steps = [
        *(Step(words, -events, Kind.MINUS) for words, events in _reasons(compared.loss_explained, "other reasons")),
        Step(_at_least("lost, unexplained", lost), -lost.low, Kind.LOST),
        *(Step(words, events, Kind.PLUS) for words, events in _reasons(_known(compared), "other reasons")),
        Step(_at_least("too much, unexplained", over), over.low, Kind.TOO_MUCH),
    ]
    left = compared.received - compared.expected - sum(step.events for step in steps)
    if left:
        words = "perhaps not missing" if left > 0 else "perhaps missing, or merged"
        steps.append(Step(f"{words}: counts cannot tell", left, Kind.UNCLEAR))
    yield from steps


def _known(compared: Compared) -> Iterator[Explained]:
    """Yield the reasons of the excess as far as there surely is one: a repeat that was recorded need not have arrived."""
    left = compared.excess.low
    for one in compared.excess_explained:
        if events := min(one.events, left):
            yield replace(one, events=events)
        left -= events


def _at_least(words: str, found: Bounds) -> str:
    return words if found.is_exact else f"{words}, at least"


def _minus(words: str, events: int) -> Iterator[Step]:
    if events:
        yield Step(words, -events, Kind.MINUS)


def _reasons(parts: Iterable[Explained], rest: str) -> list[tuple[str, int]]:
    return _shortened([(f"{part.words} ({part.why.value})", part.events) for part in parts], rest)


def _shortened(parts: Sequence[tuple[str, int]], rest: str) -> list[tuple[str, int]]:
    """Return the largest parts in the order given, and all others as one."""
    if len(parts) <= _REASONS:
        return list(parts)
    largest = sorted(parts, key=lambda part: -part[1])[: _REASONS - 1]
    kept = [part for part in parts if part in largest][: _REASONS - 1]
    return [*kept, (rest, sum(events for _, events in parts) - sum(events for _, events in kept))]


def _drawn(steps: Sequence[Step]) -> tuple[tuple[Bar, ...], int]:
    spans = list(_spans(steps))
    least, most = min(min(span) for span in spans), max(max(span) for span in spans)
    levels = [step.events for step in steps if step.kind is Kind.LEVEL]
    lowest = min(least, *levels)
    axis = 0 if lowest <= most * _FROM_ZERO else max(0, round(lowest - (most - lowest) * _MARGIN - 1))
    scale = 100 / max(1, most - axis)
    bars = (_bar(step, span, axis, scale) for step, span in zip(steps, spans, strict=True))
    return tuple(bars), axis


def _spans(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Yield from which number to which each step goes."""
    running = 0
    for step in steps:
        before = running
        running = step.events if step.kind is Kind.LEVEL else running + step.events
        yield (running, running) if step.kind is Kind.LEVEL else (before, running)


def _bar(step: Step, span: tuple[int, int], axis: int, scale: float) -> Bar:
    low = axis if step.kind is Kind.LEVEL else min(span)
    width = max((max(span) - low) * scale, _NARROWEST)
    left = min((low - axis) * scale, 100 - width)
    return Bar(step, round(max(0.0, left), 2), round(min(width, 100), 2))
