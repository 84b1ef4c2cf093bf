"""How a vendor's credential is rotated, in one shape for all: listed, created, switched off, revoked, checked, counted.

A vendor's module declares one `Rotation` per purpose. It never decides when: that is for steps and domain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.manifests import Manifest, Minted, Page
from domain.names import Purpose
from vendors.capabilities import Client, Probe
from vendors.http import Conduct


class Rotator(Protocol):
    """Speaks with the vendor's key management, one request per method; nothing here repeats, sleeps or pages.

    `create` puts `marker` into the marker field; `value` is empty unless the client chooses it. `revoke`, `disable` and
    `enable` of what is so already (404 for one that is gone) are done, not errors. `held_open` names what only the
    credential itself can still close (open alerts), one page per call, empty where the vendor has no such thing.
    """

    def list_credentials(self, cursor: str) -> Page: ...

    def create(self, marker: str, value: str) -> Minted: ...

    def disable(self, vendor_id: str) -> None: ...

    def enable(self, vendor_id: str) -> None: ...

    def revoke(self, vendor_id: str) -> None: ...

    def held_open(self, vendor_id: str, cursor: str) -> "HeldOpen": ...

    def close(self) -> None: ...


class Pointer(Protocol):
    """Which of its values the vendor itself uses or hands out: a primary version, an alias, a staging label, a hook's secret.

    `point_to` is one change, safe to repeat. `points_to` is None where the vendor does not say; then only a proof shows it.
    """

    def point_to(self, value: str) -> None: ...

    def points_to(self, value: str) -> bool | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class HeldOpen:
    """What a credential still holds open at the vendor, in words, and where the next look goes on (empty: nowhere)."""

    items: tuple[str, ...] = ()
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class ByHand:
    """What an operator does in the vendor's console, as whole sentences; empty where the API does it."""

    create: str = ""
    revoke: str = ""


NOTHING_BY_HAND = ByHand()


def _all_probes(client: Client) -> tuple[Probe, ...]:
    return client.probes


@dataclass(frozen=True, slots=True)
class Rotation:
    """How the secret of one purpose of one integration is rotated.

    `field` is the secret's block field. `connect(values, address, conduct)` takes all values of the target by field, as
    `Integration.connect` does, and raises BadInput where the manage credential is missing; it is None for what is made
    by hand. `check(values, address, conduct)` makes one request with the credential that changes nothing anybody sees: it
    returns where the vendor accepts it, and raises Rejected with a symptom among `refusals` where the vendor says that the
    credential is unknown, disabled or revoked; any other error says nothing about the credential.
    `point` connects to the vendor's own pointer, moved after every sink has the value, None where the vendor has none.
    `new_value` chooses a value where the client does; None: a GUID.
    `probes` chooses what proves that an event sent (or read) with the credential really arrives, and whether it wakes people.
    """

    integration: str
    purpose: Purpose
    field: str
    manifest: Manifest
    connect: Callable[[Mapping[str, str], str | None, Conduct], Rotator] | None
    check: Callable[[Mapping[str, str], str | None, Conduct], None]
    refusals: frozenset[str]
    probes: Callable[[Client], tuple[Probe, ...]] = _all_probes
    wakes_people: bool = False
    point: Callable[[Mapping[str, str], str | None, Conduct], Pointer] | None = None
    new_value: Callable[[], str] | None = None
    by_hand: ByHand = NOTHING_BY_HAND
