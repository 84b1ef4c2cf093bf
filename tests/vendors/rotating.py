"""What the tests of rotations begin with: a vendor's values by field, where it is, and what is noted of each request."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from domain.exchanges import Exchange
from domain.manifests import ListedCredential
from tests.conftest import StandIns
from vendors.capabilities import Integration, checked_values
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.rotation import Rotation, Rotator


@dataclass(frozen=True, slots=True)
class Account:
    """One vendor's stand-in, as a rotation is told of it."""

    stand_ins: StandIns
    integration: Integration
    values: dict[str, str]
    evidence: list[Exchange] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.stand_ins.url}/{self.integration.name}"

    @property
    def conduct(self) -> Conduct:
        return Conduct(HostRule(rehearsal=True), self.evidence.append)

    def having(self, **changes: str) -> "Account":
        """Return the same with other values by field; an empty one is missing."""
        values = {name: value for name, value in {**self.values, **changes}.items() if value}
        return Account(self.stand_ins, self.integration, values, self.evidence)

    def check(self, rotation: Rotation) -> None:
        rotation.check(self.values, self.address, self.conduct)

    def rotator(self, rotation: Rotation) -> Rotator:
        assert rotation.connect is not None
        return rotation.connect(self.values, self.address, self.conduct)

    def act(self, action: str, /, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/{self.integration.name}/actions/{action}", fields)

    def fault(self, **order: Any) -> None:
        self.stand_ins.control("POST", f"/{self.integration.name}/faults", order)

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{self.integration.name}/requests")
        return found


def account_of(stand_ins: StandIns, integration: Integration) -> Account:
    given = stand_ins.control("GET", f"/{integration.name}/credentials")
    return Account(stand_ins, integration, checked_values(integration, given))


def listed(rotator: Rotator) -> dict[str, ListedCredential]:
    """Return everything that the vendor lists, by what stands in the marker field."""
    return {row.name: row for row in _walked(rotator)}


def _walked(rotator: Rotator) -> Iterator[ListedCredential]:
    cursor, first = "", True
    while cursor or first:
        page = rotator.list_credentials(cursor)
        yield from page.credentials
        cursor, first = page.next_cursor, False


def held_open(rotator: Rotator, vendor_id: str) -> list[str]:
    """Return all that a credential holds open, page after page."""
    found: list[str] = []
    cursor, first = "", True
    while cursor or first:
        page = rotator.held_open(vendor_id, cursor)
        found += page.items
        cursor, first = page.next_cursor, False
    return found
