"""One request and what came of it, without anything that could be secret."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Effect(Enum):
    """What a request does at the vendor, which decides what a lost answer means."""

    READS = "reads"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of evidence.

    `status` is None when no status line arrived. `host` is a name or address and a port, never a URL: a path can be a
    secret. `vendor_date` is the vendor's own `Date` header, None where it sent none. `outcome` is `ok` or an error kind.
    """

    system: str
    verb: str
    host: str
    status: int | None
    duration_ms: int
    request_id: str
    nonce: str
    outcome: str
    at: datetime
    vendor_date: datetime | None
