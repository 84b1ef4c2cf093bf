"""What the ledger tells of every environment, asked once for a look: the wiring board and the list of what needs someone judge the same facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.config import Config
from domain.names import Target
from domain.rotation import RotationRecord
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.newest import PartSeen, go_live_days, parts_seen
from ledger.open_facts import Looking, looked_into
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from ledger.verifications import LastVerified, last_verified
from ledger.waivers import Waiver, waivers

_ANY = 100_000


@dataclass(frozen=True, slots=True)
class SharedFacts:
    """One look at the ledger. `now` is its time; `verified` is by environment, `rotations` are the open ones."""

    now: datetime
    verified: Mapping[str, Mapping[Target, LastVerified]]
    live: Mapping[str, date]
    held: Sequence[HeldCredential]
    rotations: Sequence[RotationRecord]
    parts: Sequence[PartSeen]
    waived: Sequence[Waiver]
    looked_into: Mapping[tuple[str, str, str], Looking]


def shared_facts(ledger: Ledger, config: Config) -> SharedFacts:
    """Return what both ask for: one statement per kind of fact, and one per environment for verifications.

    Raises:
        Unavailable: the ledger does not answer.
    """
    return SharedFacts(
        now=ledger.now(),
        verified={name: last_verified(ledger, name) for name in config.environments},
        live=go_live_days(ledger),
        held=held_credentials(ledger),
        rotations=rotations(ledger, open_only=True, limit=_ANY),
        parts=parts_seen(ledger),
        waived=waivers(ledger),
        looked_into=looked_into(ledger),
    )
