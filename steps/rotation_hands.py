"""What one rotation works with: ledger, vendor, store, sinks, clock; given from outside, so that a test can be all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from domain.manifests import ListedCredential, Manifest, Minted
from domain.names import AT_VENDOR, Credential, version_name
from domain.policies import Policy
from domain.rotation import RotationRecord, State, Wait
from ledger.opening import Ledger
from ledger.rotations import Kept
from steps.value_store import ValueStore
from vendors.rotation import NOTHING_BY_HAND, ByHand
from vendors.sinks import Sink

# What nothing but time or a sweep can change is looked at again as often as the sweeper comes by.
LOOK_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Listing:
    """All that the vendor lists, and how many may live at once (None where nobody says)."""

    credentials: tuple[ListedCredential, ...]
    slots: int | None = None

    def marked(self, marker: str) -> list[ListedCredential]:
        return [one for one in self.credentials if one.name == marker]

    def of_id(self, vendor_id: str) -> ListedCredential | None:
        return next((one for one in self.credentials if one.vendor_id == vendor_id), None)


class Proven(Enum):
    """What a probe with a credential came to."""

    PASSED = "passed"
    REFUSED = "refused"
    UNSEEN = "sent, not confirmed"
    NOT_AGREED = "not agreed"


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof of one value; `how` is probe, or check where no event can be sent. `attributed_to` is the vendor's id of what it came with, empty where the vendor does not say."""

    outcome: Proven
    at: datetime
    words: str = ""
    next_step: str = ""
    attributed_to: str = ""
    how: str = "probe"


class Vendor(Protocol):
    """The vendor of one credential. Reads are repeated within their bound; a change is tried once.

    `is_refused` makes one harmless request with a value; `prove` sends an event with it and sees it arrive. Both raise
    what says nothing about the credential. `point_to` moves the vendor's own pointer, where it has one (vendors/rotation.py);
    `points_to` is None where the vendor does not say. `told_at` is the vendor's own time at the last answer, beside this machine's;
    None where the vendor tells none.
    """

    def listing(self) -> Listing: ...

    def create(self, marker: str, value: str) -> Minted: ...

    def disable(self, vendor_id: str) -> None: ...

    def enable(self, vendor_id: str) -> None: ...

    def revoke(self, vendor_id: str) -> None: ...

    def held_open(self, vendor_id: str) -> tuple[str, ...]: ...

    def is_refused(self, value: str) -> bool: ...

    def prove(self, value: str) -> Proof: ...

    def point_to(self, value: str) -> None: ...

    def points_to(self, value: str) -> bool | None: ...

    def told_at(self) -> tuple[datetime, datetime] | None: ...


@dataclass(frozen=True, slots=True)
class AtVendor:
    """The vendor's own pointer, as a place among the sinks. It has no room for a previous value."""

    vendor: Vendor
    keeps_previous: bool = False

    def publish(self, value: str, previous: str = "") -> None:
        del previous
        self.vendor.point_to(value)

    def serves(self, value: str, previous: str = "") -> bool | None:
        del previous
        return self.vendor.points_to(value)


def _untold(_state: State) -> None: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """Everything one rotation of one credential needs. `schedule` makes a run for a due moment, visible to operators.

    `new_value` chooses a value where the client does. `answer_within` is a person's time to answer. `has_pointer` where the
    vendor itself is to be pointed to the new value. `told` hears each state that the rotation is stepped from.
    """

    ledger: Ledger
    credential: Credential
    policy: Policy
    manifest: Manifest
    vendor: Vendor
    store: ValueStore
    worker: str
    fingerprint: Callable[[str], str]
    new_value: Callable[[], str]
    schedule: Callable[[RotationRecord], None]
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    by_hand: ByHand = NOTHING_BY_HAND
    answer_within: timedelta = timedelta(hours=24)
    has_pointer: bool = False
    told: Callable[[State], None] = _untold

    @property
    def places(self) -> Mapping[str, Sink]:
        """Return what has to serve the value, in the order in which it is filled: the sinks, then the vendor's own pointer."""
        found = {name: self.sinks[name] for name in self.policy.sinks}
        return {**found, AT_VENDOR: AtVendor(self.vendor)} if self.has_pointer else found

    def version(self, record: RotationRecord, attempt: int) -> str:
        return version_name(self.credential, record.id, attempt)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a rotation stands still now. `until` is None where no moment ends it: then it is looked at again later."""

    wait: Wait
    words: str
    until: datetime | None = None
    next_step: str = ""


def kept_back(kept: Kept) -> Stop:
    return Stop(kept.wait, kept.words, kept.until)
