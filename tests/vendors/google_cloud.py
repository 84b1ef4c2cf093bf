"""What the tests of Google's integrations begin with: a stand-in's values, and the transport that it is spoken to over."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.errors import NotYet, Unavailable
from tests.conftest import StandIns
from tests.vendors.rehearsal import eventually
from tests.vendors.rotating import Account, account_of
from vendors.capabilities import Integration

T = TypeVar("T")
GRPC, REST = "grpc", "rest"
# The code that stands for a status, as our rows have it.
CODES = {
    400: "FAILED_PRECONDITION", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    412: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GoogleCloud(Account):
    """One of Google's stand-ins, over one of its transports."""

    transport: str = GRPC

    @property
    def address(self) -> str:
        plain = f"{self.stand_ins.url}/{self.integration.name}"
        return f"grpc://{self.stand_ins.grpc}" if self.transport == GRPC else plain

    def having(self, **changes: str) -> "GoogleCloud":
        values = {name: value for name, value in {**self.values, **changes}.items() if value}
        return replace(self, values=values)

    def refuse(self, rpc: str, code: str, message: str = "refused", status: int = 400) -> None:
        """Let Google answer the next call of this method so, whichever transport it comes over."""
        error = {"code": status, "message": message, "status": code}
        self.fault(rpc=rpc, status=status, body=json.dumps({"error": error}))

    def calls(self, rpc: str) -> int:
        return sum(1 for entry in self.requests() if entry["rpc"] == rpc)

    @property
    def verbs(self) -> list[str]:
        return [exchange.verb for exchange in self.evidence]


def cloud_of(stand_ins: StandIns, integration: Integration, transport: str = GRPC) -> GoogleCloud:
    account = account_of(stand_ins, integration)
    return GoogleCloud(stand_ins, integration, account.values, account.evidence, transport)


def after_a_cut(look: Callable[[], T]) -> T:
    """Return what a read gives once the connection stands again: reads are repeated, as steps do."""

    def again() -> T:
        try:
            return look()
        except Unavailable as error:
            raise NotYet(error.happened, error.means, error.next_step) from error

    return eventually(again)
