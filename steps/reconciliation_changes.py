"""What differs between two revisions of a month, in sentences; where the digests differ, there is at least one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from steps.reconciliation_document import EDITION, canonical
from steps.reconciliation_wording import days_in_words

# Numbers of an integration that readers know from the page, as the page calls them.
_NUMBERS = {
    "emitted_records": "emitted records",
    "emitted_unique": "emitted, unique",
    "received": "received",
    "duplicates": "duplicates",
    "expected": "expected",
    "loss_low": "loss, at least",
    "loss_high": "loss, at most",
    "excess_low": "excess, at least",
    "excess_high": "excess, at most",
    "loss_residual_low": "unexplained loss, at least",
    "loss_residual_high": "unexplained loss, at most",
    "excess_residual_low": "unexplained excess, at least",
    "excess_residual_high": "unexplained excess, at most",
}
_WORDS = {
    "found": "what its numbers say",
    "why": "the reason of its finding",
    "cause": "its likely cause",
    "investigation": "its investigation",
    "waiver": "its waiver",
    "shift": "the shift of its clock",
    "days_missing": "its days without data",
    "probes": "its probes",
    "past": "its earlier months",
    "settles_at": "when it settles",
    "trust": "the source of its emitted numbers",
}
_OF_THE_WHOLE = {
    "schema_version": "the schema of the document",
    "environment": "the environment",
    "month": "the month",
    "window": "the window",
    "tolerance": "the rule's share",
    "confidence": "the rule's confidence",
    "files_read": "files read",
    "expected_false_alarms": "expected false alarms",
}
_LISTS = {
    "facts": "What is known of the input",
    "overlays": "Known windows",
    "carried_over": "Open investigations of earlier months",
    "unresolved": "Earlier months that nobody answers for",
}
_NOTHING: Mapping[str, Any] = {}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a sentence per difference between two documents of a month, empty where they say the same."""
    return [
        *(f"{words[0].upper()}{words[1:]}: {_step(old.get(key), new.get(key))}."
          for key, words in _OF_THE_WHOLE.items() if old.get(key) != new.get(key)),
        *_of_targets(_by_name(old), _by_name(new)),
        *_of_cells(old.get("cells", []), new.get("cells", [])),
        *(sentence for key, words in _LISTS.items() for sentence in _of_list(words, old.get(key, []), new.get(key, []))),
        *_of_the_rest(old, new),
    ]  # fmt: skip


def _of_targets(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from (f"{name}: was not in the report before." for name in new if name not in old)
    yield from (f"{name}: is not in the report any more." for name in old if name not in new)
    for name in (name for name in new if name in old):
        yield from _of_target(name, old[name], new[name])


def _of_target(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old.get("finding") != new.get("finding"):
        yield f"{name}: {old.get('finding')} is now {new.get('finding')}."
    told = [
        f"{words} {_step(old.get(key), new.get(key))}"
        for key, words in _NUMBERS.items()
        if old.get(key) != new.get(key)
    ]
    if told:
        yield f"{name}: {'; '.join(told)}."
    # Where the finding is another one, that was told.
    known = {"finding", "found"} if old.get("finding") != new.get("finding") else {"finding"}
    other = [key for key in dict.fromkeys((*old, *new)) if key not in known and old.get(key) != new.get(key)]
    rest = [words for key, words in _WORDS.items() if key in other]
    if rest:
        yield f"{name}: {', '.join(rest)} changed."
    unnamed = [key for key in other if key not in {*_NUMBERS, *_WORDS}]
    if unnamed and not told:
        yield f"{name}: {', '.join(unnamed)} changed."


def _of_cells(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one sentence per integration: single cells are in the tables, which can be compared by machines."""
    before, after = ({(row["target"], row["type"], row["day"]): row for row in rows} for rows in (old, new))
    differing = [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]
    for target, cells in sorted(Counter(target for target, _, _ in differing).items()):
        days = {date.fromisoformat(day) for name, _, day in differing if name == target}
        yield f"{target}: {cells:,} {'cell' if cells == 1 else 'cells'} changed, on {days_in_words(days)}."


def _of_list(words: str, old: Iterable[Any], new: Iterable[Any]) -> Iterator[str]:
    before, after = (Counter(canonical(one) for one in rows) for rows in (old, new))
    if before != after:
        yield f"{words}: {(after - before).total():,} new, {(before - after).total():,} gone."


def _of_the_rest(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    known = {*_OF_THE_WHOLE, *_LISTS, "targets", "cells", EDITION}
    for key in dict.fromkeys((*old, *new)):
        if key not in known and old.get(key) != new.get(key):
            yield f"{key}: changed."


def _by_name(written: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {row["target"]: row for row in written.get("targets", [])}


def _step(old: object, new: object) -> str:
    if isinstance(old, int) and isinstance(new, int):
        return f"{old:,} is now {new:,} ({abs(new - old):,} {'more' if new > old else 'fewer'})"
    return f"{_shown(old)} is now {_shown(new)}"


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else str(value)
