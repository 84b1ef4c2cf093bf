"""A value as it is kept: with what the vendor calls it and what we wrote beside it there. Never shown."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredValue:
    """One value, with the vendor's id of what it opens (empty where unknown) and the marker it was made under."""

    value: str = field(repr=False)
    vendor_id: str = ""
    marker: str = ""


# What a write-once store answers where a document is there already, whatever stands in it.
TAKEN = "store.taken"
