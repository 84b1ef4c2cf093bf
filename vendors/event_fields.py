"""What opsflows.toml may say of a vendor's events: which field tells their type, their id, and what a type is called there.

Each vendor has a table of the fields that it shows; here a name of opsflows.toml is looked up in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import BadInput
from domain.event_counts import NOT_SPLIT
from domain.reconciliation_sections import ReceivedSection
from vendors.count_rows import our_type, our_types

# Reads one text out of one listed event, as the vendor wrote it; empty where the event does not have it.
Field = Callable[[Mapping[str, Any]], str]

_NOT_COUNTED = "Nothing was counted."


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that a vendor shows: some by their whole name, some by a prefix and a name of the application's choice."""

    named: Mapping[str, Field]
    prefixed: Mapping[str, Callable[[str], Field]]

    def of(self, name: str, setting: str) -> Field:
        """Return what reads that field.

        Raises:
            BadInput: the vendor shows no such field. `setting` says where opsflows.toml names it.
        """
        if name in self.named:
            return self.named[name]
        prefix, dot, rest = name.partition(".")
        if dot and rest and prefix in self.prefixed:
            return self.prefixed[prefix](rest)
        known = [*self.named, *(f"{prefix}.<name>" for prefix in self.prefixed)]
        raise BadInput(
            f"{setting} {name!r} is no field that is shown with an event there.",
            _NOT_COUNTED,
            f"Write one of {', '.join(known)} in opsflows.toml.",
        )


def type_reader(section: ReceivedSection, fields: Fields, setting: str) -> Field:
    """Return what reads an event's type in our words: NOT_SPLIT where types are not split, or the event tells none.

    A value that no type of ours is translated to is a type of its own.

    Raises:
        BadInput: the vendor shows no such field, or two of our types have one value there and cannot be told apart.
    """
    if not section.type_field:
        return lambda _: NOT_SPLIT
    ours = our_types(section)
    field = fields.of(section.type_field, f"{setting}.type_field")

    def read(event: Mapping[str, Any]) -> str:
        theirs = field(event)
        return our_type(ours, theirs)

    return read


def nested(event: object, *steps: str) -> Any:
    """Return what stands at the end of the steps, None where any of them is missing."""
    for step in steps:
        event = event.get(step) if isinstance(event, Mapping) else None
    return event


def text_at(*steps: str) -> Field:
    """Return a field that is found by those steps."""
    return lambda event: as_text(nested(event, *steps))


def as_text(value: object) -> str:
    """Return a text or number as a text; empty for whatever else stands there."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
