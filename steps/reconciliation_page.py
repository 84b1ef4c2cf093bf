"""The report as one page that needs nothing else: no script, no font, no picture from anywhere; every text is escaped.

What people decide on is at its top; the numbers behind it follow, and add up.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from jinja2 import Environment
from markupsafe import Markup, escape

from domain.reconciliation import (
    NONE_AT_ALL,
    Bounds,
    Cell,
    Compared,
    Edition,
    Finding,
    Reconciliation,
    TargetMonth,
)
from steps import reconciliation_wording as wording
from steps.page_styles import templates
from steps.reconciliation_facts import fact_rows
from steps.reconciliation_heat import HeatCell, heat_map
from steps.reconciliation_trend import Trend, trend
from steps.reconciliation_waterfall import Waterfall, waterfall
from steps.reconciliation_words import received_in_words, summary

_TEMPLATE = "reconciliation_page.html.jinja"
_FACTS = 120
_WORST_CELLS = 12
_IDS = 100
_LINKS = ("https://", "http://")
_LONGEST_NAME = 80
_LONGEST_TEXT = 600
_PART_ENDS = re.compile(r"(?<=\w)([/._-])(?=\w)")


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One event type's month: sums of its days, of those alone that both sides know where two sides are compared."""

    type: str
    emitted: int | None
    sent: int | None
    received: int | None
    loss: Bounds | None
    excess: Bounds | None
    duplicates: int | None
    explained_loss: int | None
    explained_excess: int | None
    lost: Bounds | None
    over: Bounds | None
    days_above: int
    days_missing: int


@dataclass(frozen=True, slots=True)
class Section:
    """One integration on the page."""

    number: int
    one: TargetMonth
    received: str
    types: tuple[TypeRow, ...]
    total: TypeRow
    worst: tuple[Cell, ...]
    heat: tuple[HeatCell, ...]
    waterfall: Waterfall | None
    trend: Trend


def page(reconciliation: Reconciliation, edition: Edition) -> str:
    """Return the HTML of the report."""
    return _ENVIRONMENT.get_template(_TEMPLATE).render(
        month=reconciliation,
        edition=edition,
        summary=summary(reconciliation),
        title=f"Event counts, {wording.month_in_words(reconciliation.month)}, {reconciliation.environment}",
        sections=_sections(reconciliation),
        days=list(reconciliation.window.days()),
        facts=fact_rows(reconciliation.facts),
        most_facts=_FACTS,
        most_ids=_IDS,
    )


def _sections(reconciliation: Reconciliation) -> list[Section]:
    own: dict[str, list[Cell]] = defaultdict(list)
    for cell in reconciliation.cells:
        own[cell.target].append(cell)
    heat = heat_map(reconciliation)
    return [
        _section(number, reconciliation, one, own[one.target], heat[one.target])
        for number, one in enumerate(wording.by_urgency(reconciliation.targets), 1)
    ]


def _section(
    number: int, reconciliation: Reconciliation, one: TargetMonth, cells: Sequence[Cell], heat: Sequence[HeatCell]
) -> Section:
    by_type: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_type[cell.type].append(cell)
    return Section(
        number=number,
        one=one,
        received=received_in_words(one),
        types=tuple(_type_row(name, by_type[name]) for name in sorted(by_type)),
        total=_type_row("all types", cells),
        worst=tuple(sorted(filter(_is_notable, cells), key=_severity)[:_WORST_CELLS]),
        heat=tuple(heat),
        waterfall=waterfall(one, cells),
        trend=trend(one, str(reconciliation.month), reconciliation.tolerance),
    )


def _type_row(name: str, cells: Sequence[Cell]) -> TypeRow:
    known = [cell.compared for cell in cells if cell.compared is not None]
    return TypeRow(
        type=name or "not split by type",
        emitted=_total(None if cell.emitted is None else cell.emitted.unique for cell in cells),
        sent=_total(None if cell.emitted is None else cell.emitted.sent for cell in cells),
        received=_total(None if cell.received is None else cell.received.events for cell in cells),
        loss=sum((one.loss for one in known), start=NONE_AT_ALL) if known else None,
        excess=sum((one.excess for one in known), start=NONE_AT_ALL) if known else None,
        duplicates=None if any(one.duplicates is None for one in known) else _total(one.duplicates for one in known),
        explained_loss=_total(_events_of_loss(one) for one in known),
        explained_excess=_total(_events_of_excess(one) for one in known),
        lost=sum((one.loss_residual for one in known), start=NONE_AT_ALL) if known else None,
        over=sum((one.excess_residual for one in known), start=NONE_AT_ALL) if known else None,
        days_above=len({cell.day for cell in cells if cell.finding is Finding.BREACH}),
        days_missing=len({cell.day for cell in cells if cell.compared is None}),
    )


def _total(numbers: Iterable[int | None]) -> int | None:
    """Return the sum of what is known, None where nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _is_notable(cell: Cell) -> bool:
    return cell.finding in wording.NEEDS_SOMEONE


def _severity(cell: Cell) -> tuple[int, int, date, str]:
    left = 0
    if cell.compared is not None:
        left = max(cell.compared.loss_residual.high, cell.compared.excess_residual.high)
    return wording.URGENCY.index(cell.finding), -left, cell.day, cell.type


def _is_link(text: str) -> bool:
    """Say whether text may become a link: anything else, javascript: above all, stays text."""
    return text.startswith(_LINKS)


def _name(text: str) -> Markup:
    """Return a name, escaped, that may be broken where its parts end rather than anywhere."""
    return Markup(_PART_ENDS.sub(r"\1<wbr>", str(escape(wording.cut(text, _LONGEST_NAME)))))  # noqa: S704 (escaped first)


def _sentence(text: str) -> str:
    return wording.cut(text, _LONGEST_TEXT)


def _events_of_loss(compared: Compared) -> int:
    return sum(one.events for one in compared.loss_explained)


def _events_of_excess(compared: Compared) -> int:
    return sum(one.events for one in compared.excess_explained)


def _pair(lost: Bounds | int | None, over: Bounds | int | None) -> str:
    """Return `46 lost, 20 too much`, or the one that there is; both sides are never one sum."""
    told = [
        f"{_events(events)} {word}" for events, word in ((lost, "lost"), (over, "too much")) if _events(events) != "0"
    ]
    return ", ".join(told) or "0"


def _events(events: Bounds | int | None) -> str:
    return wording.bounds(events) if isinstance(events, Bounds) else wording.number(events)


def _finding_class(finding: Finding) -> str:
    return finding.name.lower().replace("_", "")


def _environment() -> Environment:
    pages = templates()
    pages.filters |= {
        "number": wording.number,
        "bounds": wording.bounds,
        "percent": wording.percent,
        "moment": wording.moment,
        "day": wording.day_in_words,
        "days": wording.days_in_words,
        "name": _name,
        "says": _sentence,
        "sentence": wording.sentence,
        "pair": _pair,
        "loss_known": _events_of_loss,
        "excess_known": _events_of_excess,
        "look": _finding_class,
        "in_windows": wording.loss_in_windows,
    }
    pages.tests |= {"link": _is_link}
    pages.globals |= {
        "Finding": Finding,
        "SIGN": wording.SIGN,
        "MEANING": wording.MEANING,
        "TRUST": wording.TRUST_SHORT,
        "CLOCK": wording.CLOCK_SHORT,
        "needs_someone": wording.NEEDS_SOMEONE,
        "interval": wording.interval,
        "plural": wording.plural,
    }
    return pages


_ENVIRONMENT = _environment()
