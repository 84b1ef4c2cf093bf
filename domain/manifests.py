"""What a vendor lets us do with one kind of credential. The manifest drives a rotation's path; nothing else does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum


class Mint(Enum):
    """Who makes the value. By hand means in the vendor's console, because there is no API for it."""

    BY_VENDOR = "the vendor"
    BY_CLIENT = "opsflows, which chooses the value"
    BY_HAND = "a person, in the vendor's console"


class Fit(Enum):
    """How well a value fits a credential that the vendor lists. Last characters may be shared by several."""

    EXACT = "exact"
    LAST_CHARACTERS = "last characters"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One kind of credential at one vendor.

    `marker_field` is where our marker stands at the vendor, empty where there is no such field. `slots` is how many may
    live at once, None where the vendor names no number. `listing_lag` bounds how late a listing shows a change,
    `propagation` how late a new value works or a revoked one fails. `last_used_lag` bounds how late the vendor tells
    a use, None where it never tells; `last_used_grain` how far its word may be off. `native_expiry` is the life the vendor gives, None where it is endless.
    `opens_management`: without this very credential no other can be made, so it cannot go first in an emergency.
    `swaps`: the vendor holds one value, which a new one replaces; so it is proven only after the vendor was pointed to it,
    and those who receive accept both meanwhile. `loses_data`: what it encrypted is lost with it, so that what is held open
    keeps it in an emergency as well. `usual_age` is how old it may become where opsflows.toml names no age.
    """

    mint: Mint
    marker_field: str = ""
    listable: bool = False
    slots: int | None = None
    can_disable: bool = False
    listing_lag: timedelta = timedelta(0)
    propagation: timedelta = timedelta(seconds=30)
    last_used_lag: timedelta | None = None
    last_used_grain: timedelta = timedelta(seconds=5)
    native_expiry: timedelta | None = None
    opens_management: bool = False
    swaps: bool = False
    loses_data: bool = False
    usual_age: timedelta | None = None

    @property
    def found_by_value(self) -> bool:
        """Whether what a crash left is found by its value, which we chose, because the vendor has no field for a marker."""
        return self.mint is Mint.BY_CLIENT and self.listable and not self.marker_field

    @property
    def can_be_adopted(self) -> bool:
        """Whether a value that somebody put into the block can be bound to its entry at the vendor."""
        return not (self.by_hand or self.swaps)

    @property
    def by_hand(self) -> bool:
        return self.mint is Mint.BY_HAND


def _fits_nothing(value: str) -> Fit:
    del value
    return Fit.NO


@dataclass(frozen=True, slots=True)
class ListedCredential:
    """One credential as the vendor lists it: never its value.

    `name` is what stands in the marker field. `hint` is what people may see (last four characters, a public key).
    `fits` compares a value with it. `created_at` and `last_used_at` are None where the vendor does not say or never saw.
    """

    vendor_id: str
    name: str
    enabled: bool = True
    hint: str = ""
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    fits: Callable[[str], Fit] = field(default=_fits_nothing, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `next_cursor` is empty on the last one; `slots` as the vendor says, None where it does not."""

    credentials: tuple[ListedCredential, ...]
    next_cursor: str = ""
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Minted:
    """What a vendor made. The value is never shown."""

    vendor_id: str
    value: str = field(repr=False)
