"""What was seen in the input, summed by kind: a month can have thousands of files with one late line each."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from domain.reconciliation import SourceFact


@dataclass(frozen=True, slots=True)
class FactRow:
    """What was seen of one kind in one source, over all its files."""

    source: str
    what: str
    files: tuple[str, ...]
    events: int
    is_fault: bool


def fact_rows(facts: Iterable[SourceFact]) -> list[FactRow]:
    """Return the kinds of things seen, faults first."""
    alike: dict[tuple[bool, str, str], list[SourceFact]] = defaultdict(list)
    for fact in facts:
        alike[not fact.is_fault, fact.source, fact.what].append(fact)
    return [
        FactRow(source, what, tuple(fact.file for fact in rows), sum(fact.events for fact in rows), not is_harmless)
        for (is_harmless, source, what), rows in sorted(alike.items())
    ]
